package metadata_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/enginetest"
	"github.com/gantry-engine/gantry/tasks/convert/converttest"
	"github.com/gantry-engine/gantry/tasks/metadata"
	"github.com/gantry-engine/gantry/tasks/toolbox"
)

// parrot is an exiftool that tells how often it was used and how many files it sees beside its own, and obeys these.
const parrot = `#!/bin/sh
case "$*" in
-ver) echo 12.0; exit ;;
*-stay_open*) %STAY% ;;
*) echo '[{"Uses":"alone"}]'; exit ;;
esac
n=0
while read -r line; do
	case $line in
	/*) file=$line ;;
	-ver) echo 12.0 ;;
	-execute*)
		if [ -n "$file" ]; then
			n=$((n+1))
			case $(cat "$file") in
			lines) yes "$(head -c 1000 /dev/zero | tr '\0' x)" ;;
			line) tr '\0' x < /dev/zero ;;
			mark) echo '{ready1}'; echo '{ready}' ;;
			esac
			echo "[{\"Uses\":\"$n\", \"Sees\":\"$(ls "${file%/*}/.." | wc -l)\"}]"
		fi
		file=
		echo "{ready${line#-execute}}" ;;
	esac
done
`

// told is how a metadata task ended.
type told struct {
	code engine.Code
	tags map[string]string
}

// withParrot runs metadata by the parrot beside operations that bring a file of that content in.
func withParrot(t *testing.T, stay string, contents []string, each func(t *testing.T, tell func(content string) told)) {
	tools := t.TempDir()
	if err := os.Mkdir(filepath.Join(tools, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	script := []byte(strings.Replace(parrot, "%STAY%", stay, 1))
	if err := os.WriteFile(filepath.Join(tools, "bin", "exiftool"), script, 0o755); err != nil {
		t.Fatal(err)
	}
	boxes(t, "tool", tools, func(t *testing.T, box *toolbox.Box) {
		operations := []engine.Operation{metadata.Read(t.Context(), box)}
		for _, content := range contents {
			operations = append(operations, enginetest.Bringing("import/"+content, enginetest.File{Name: "a.txt", Content: content}))
		}
		s := enginetest.Start(t, operations...)
		each(t, func(content string) told {
			job := s.MustSubmit(t, enginetest.Task("in", "import/"+content, ""), enginetest.Task("do", "metadata", "", "in"))
			task := enginetest.Named(t, s.MustEnd(t, job.ID), "do")
			if task.Result == nil {
				return told{task.Code, nil}
			}
			return told{task.Code, task.Result.Metadata}
		})
	})
}

// TestKept holds that one exiftool reads one file after the other, each alone, and that one which fails is replaced.
func TestKept(t *testing.T) {
	withParrot(t, ":", []string{"text", "mark", "lines", "line"}, func(t *testing.T, tell func(string) told) {
		for i, tt := range []struct {
			content string
			code    engine.Code
			uses    string
		}{
			{"text", "", "1"}, {"text", "", "2"},
			{"mark", engine.Invalid, ""}, {"text", "", "4"},
			{"lines", engine.TooLarge, ""}, {"text", "", "1"}, {"text", "", "2"},
			{"line", engine.TooLarge, ""}, {"text", "", "1"},
		} {
			got := tell(tt.content)
			if got.code != tt.code || got.tags["Uses"] != tt.uses || tt.uses != "" && got.tags["Sees"] != "1" {
				t.Errorf("file %d, %s: got %v", i, tt.content, got)
			}
		}
	})
}

// TestNotKept holds that a file is read by an exiftool of its own where none stays.
func TestNotKept(t *testing.T) {
	withParrot(t, "exit 1", []string{"text"}, func(t *testing.T, tell func(string) told) {
		if got := tell("text"); got.tags["Uses"] != "alone" {
			t.Errorf("got %v", got)
		}
	})
}

// BenchmarkRead is what one file costs, after the other.
func BenchmarkRead(b *testing.B) {
	box := converttest.Box(b)
	s := enginetest.Start(b, metadata.Read(b.Context(), box), enginetest.Bringing("import/test", enginetest.File{Name: "a.txt", Content: "words"}))
	for b.Loop() {
		job := s.MustSubmit(b, enginetest.Task("in", "import/test", ""), enginetest.Task("do", "metadata", "", "in"))
		if task := enginetest.Named(b, s.MustEnd(b, job.ID), "do"); task.Code != "" {
			b.Fatal(task.Message)
		}
	}
}
