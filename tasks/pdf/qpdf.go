package pdf

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/gantry-engine/gantry/engine/param"
	"github.com/gantry-engine/gantry/tasks/toolbox"
)

// Qpdf is the program qpdf. It is faster and more forgiving than the Library.
type Qpdf struct {
	box  *toolbox.Box
	tool toolbox.Tool
}

// qpdfProgram is qpdf from version 11 on, the first that takes its whole command from a file: passwords are never seen in
// the list of processes, and no name of a file is taken for an option.
var qpdfProgram = toolbox.Program{Name: "qpdf", Version: regexp.MustCompile(`version (1[1-9]\.[\d.]+|[2-9]\d\.[\d.]+)`)}

// FindQpdf returns the engine if the program is there.
func FindQpdf(ctx context.Context, box *toolbox.Box) (*Qpdf, bool) {
	tool, ok := box.Find(ctx, qpdfProgram)
	return &Qpdf{box, tool}, ok
}

// Name is "qpdf".
func (*Qpdf) Name() string { return "qpdf" }

// Version is that of the program.
func (q *Qpdf) Version() string { return q.tool.Version }

// qpdfWarnings is the exit code of a run that repaired something.
const qpdfWarnings = 3

// job is a command of qpdf in the words of its own job files.
type job map[string]any

// run runs one job, which fill completes by the paths that the program sees, with the folder dir for its outputs.
func (q *Qpdf) run(ctx context.Context, dir string, prepare func(c *toolbox.Command) job) (string, error) {
	printed := &toolbox.Buffer{Max: 1 << 10}
	c := q.box.Command(q.tool, dir)
	c.Stdout = printed
	text, err := json.Marshal(prepare(c))
	if err != nil {
		return "", fmt.Errorf("write the job for qpdf: %w", err)
	}
	f, err := os.CreateTemp(dir, "qpdf-*.json") // readable by its owner alone
	if err != nil {
		return "", fmt.Errorf("write the job for qpdf: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(text)
	if err := errors.Join(err, f.Close()); err != nil {
		return "", fmt.Errorf("write the job for qpdf: %w", err)
	}
	c.Args = []string{"--job-json-file=" + c.Path(f.Name())}
	outcome, err := c.Run(ctx)
	if err != nil {
		return "", err
	}
	if strings.Contains(outcome.Messages, "invalid password") {
		return "", errLocked
	}
	if err := outcome.Err(qpdfWarnings); err != nil {
		return "", damaged(err)
	}
	return string(printed.Bytes()), nil
}

// edit runs a job that makes out of in.
func (q *Qpdf) edit(ctx context.Context, in, out string, what job) error {
	_, err := q.run(ctx, filepath.Dir(out), func(c *toolbox.Command) job {
		what["inputFile"], what["outputFile"] = c.In(in), c.Path(out)
		return what
	})
	return err
}

// Count implements Engine.
func (q *Qpdf) Count(ctx context.Context, in string, password param.Secret) (int, error) {
	dir, err := os.MkdirTemp(filepath.Dir(in), "count-")
	if err != nil {
		return 0, fmt.Errorf("make a scratch folder: %w", err)
	}
	defer os.RemoveAll(dir)
	text, err := q.run(ctx, dir, func(c *toolbox.Command) job {
		return job{"inputFile": c.In(in), "password": password.Reveal(), "showNpages": ""}
	})
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		return 0, fmt.Errorf("qpdf: count the pages: %w", err)
	}
	if n < 1 {
		return 0, errNoPages
	}
	return n, nil
}

// Assemble implements Engine.
func (q *Qpdf) Assemble(ctx context.Context, out string, parts ...Part) error {
	_, err := q.run(ctx, filepath.Dir(out), func(c *toolbox.Command) job {
		pages := make([]job, len(parts))
		for i, p := range parts {
			pages[i] = job{"file": c.In(p.Path), "range": ranges(p.Pages)}
		}
		j := job{"empty": "", "outputFile": c.Path(out), "pages": pages}
		if len(parts) == 1 { // what belongs to the document and not to a page stays
			delete(j, "empty")
			j["inputFile"], j["decrypt"] = pages[0]["file"], ""
		}
		return j
	})
	return err
}

// ranges is a selection as qpdf writes it: 1-3,7. None are all.
func ranges(pages []int) string {
	if len(pages) == 0 {
		return "1-z"
	}
	var parts []string
	for i := 0; i < len(pages); {
		j := i
		for j+1 < len(pages) && pages[j+1] == pages[j]+1 {
			j++
		}
		parts = append(parts, fmt.Sprintf("%d-%d", pages[i], pages[j]))
		i = j + 1
	}
	return strings.Join(parts, ",")
}

// underlay lays pages, each the first of a file in out's folder, under those of the PDF in that have the numbers: in the middle,
// as large as these are and as they stand.
func (q *Qpdf) underlay(ctx context.Context, in, out string, numbers []int, layers []string) error {
	if len(layers) == 0 {
		return q.edit(ctx, in, out, job{})
	}
	joined := out + ".layers"
	_, err := q.run(ctx, filepath.Dir(out), func(c *toolbox.Command) job {
		pages := make([]job, len(layers))
		for i, layer := range layers {
			pages[i] = job{"file": c.Path(layer), "range": "1"}
		}
		return job{"empty": "", "outputFile": c.Path(joined), "pages": pages}
	})
	if err != nil {
		return err
	}
	defer os.Remove(joined)
	_, err = q.run(ctx, filepath.Dir(out), func(c *toolbox.Command) job {
		return job{
			"inputFile": c.In(in), "outputFile": c.Path(out),
			"underlay": job{"file": c.Path(joined), "from": "1-z", "to": ranges(numbers)},
		}
	})
	return err
}

// Split implements Engine.
func (q *Qpdf) Split(ctx context.Context, in, dir string, count int, progress func(int)) ([]string, error) {
	done := 0
	_, err := q.run(ctx, dir, func(c *toolbox.Command) job {
		c.Stdout = nil // where it tells its progress, which is long
		c.OnLine = func(line string) {
			if strings.HasSuffix(line, "write progress: 100%") {
				done++
				progress(100 * done / count)
			}
		}
		return job{
			"inputFile": c.In(in), "outputFile": c.Path(filepath.Join(dir, "page-%d.pdf")), "splitPages": "1", "decrypt": "",
			"progress": "",
		}
	})
	if err != nil {
		return nil, err
	}
	paths, err := filepath.Glob(filepath.Join(dir, "page-*.pdf"))
	slices.Sort(paths) // their numbers have leading zeros
	return paths, err
}

// Rotate implements Engine.
func (q *Qpdf) Rotate(ctx context.Context, in, out string, pages []int, turn Turn) error {
	angle := strconv.Itoa((turn.Degrees%360 + 360) % 360)
	if turn.Relative {
		angle = "+" + angle
	}
	return q.edit(ctx, in, out, job{"rotate": angle + ":" + ranges(pages)})
}

// Encrypt implements Engine.
func (q *Qpdf) Encrypt(ctx context.Context, in, out string, lock Lock) error {
	return q.edit(ctx, in, out, job{"encrypt": job{
		"userPassword": lock.User.Reveal(), "ownerPassword": lock.Owner.Reveal(),
		"256bit": job{
			"extract": yesNo(lock.Extract), "accessibility": yesNo(lock.Accessibility), "modify": lock.Modify, "print": lock.Print,
		},
	}})
}

func yesNo(yes bool) string {
	if yes {
		return "y"
	}
	return "n"
}

// Decrypt implements Engine.
func (q *Qpdf) Decrypt(ctx context.Context, in, out string, password param.Secret) error {
	err := q.edit(ctx, in, out, job{"decrypt": "", "password": password.Reveal()})
	if errors.Is(err, errLocked) {
		return errWrongPassword
	}
	return err
}
