package exportertest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/param"
)

// small is the size of a file where no other matters.
const small = 70_001

// large is a size that takes several steps.
func (s *suite) large() int64 {
	if part := s.PartSize(); part > 0 {
		return 2*part + part/2
	}
	return 3 << 20
}

func (s *suite) sizes(t *testing.T) {
	r := s.rig(t)
	sizes := []int64{0, 1, small}
	if part := s.PartSize(); part > 0 {
		sizes = append(sizes, part-1, part, part+1, 2*part, s.large())
	}
	for i, size := range sizes {
		t.Run(fmt.Sprint(size), func(t *testing.T) { r.delivered(t, size, int64(i), s.name(), s.Address()) })
	}
}

func (s *suite) names(t *testing.T) {
	r := s.rig(t)
	for i, odd := range []string{
		"a b.txt", "plus+and%25.pdf", "100%.pdf", "%s%%.txt", "ümläut.txt", "日本語/ファイル.txt", "e\u0301.txt", "q?u#e&r=y;.txt",
		"'quote\".txt", "a,b;c:d@e!f$g.txt", "deep/er/still/file", ".hidden", "no-extension", "[brackets]{braces}.txt", "back`tick~^.txt",
		strings.Repeat("n", 200) + ".txt",
	} {
		t.Run(odd, func(t *testing.T) {
			name := strings.TrimSuffix(s.name(), "object.bin") + odd
			r.delivered(t, small, int64(i), name, s.Address())
		})
	}
}

func (s *suite) mediaType(t *testing.T) {
	r, name := s.rig(t), s.name()
	r.export(t, made{Names: []string{"page.html"}, Text: "<!DOCTYPE html><html><body>hello</body></html>"}, s.Params(t, s.Address(), name))
	got, ok := s.Read(t, name)
	if !ok {
		t.Fatal("there is no object")
	}
	if got.MIME == "" {
		t.Skip("this system keeps no media types")
	}
	if want := "text/html"; !strings.HasPrefix(got.MIME, want) {
		t.Errorf("the object has media type %q, want %q", got.MIME, want)
	}
}

func (s *suite) receipt(t *testing.T) {
	r, name := s.rig(t), s.name()
	task := r.export(t, made{Names: []string{"own.bin"}, Size: small}, s.Params(t, s.Address(), name))
	if task.Result == nil || len(task.Result.Files) != 1 {
		t.Fatalf("the result does not have one file: %+v (%s)", task.Result, task.Message)
	}
	f := task.Result.Files[0]
	if f.Name != "own.bin" || f.Size != small || f.Facts["sha256"] != digest(t, small, 0) {
		t.Errorf("got the file %s of %d bytes with %v", f.Name, f.Size, f.Facts)
	}
}

func (s *suite) replaces(t *testing.T) {
	r, name := s.rig(t), s.name()
	r.delivered(t, small, 1, name, s.Address())
	r.delivered(t, small/2, 2, name, s.Address())
}

func (s *suite) keepsOld(t *testing.T) {
	if why := s.Definition().Promises.NotAtomic; why != "" {
		t.Skip("not promised: " + why)
	}
	for _, size := range []int64{small, s.large()} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			r, name := s.rig(t), s.name()
			r.delivered(t, small, 1, name, s.Address())
			r.files.set(func(size int64) int64 { return size - 1 }, 0)
			r.fails(t, made{Names: []string{"own.bin"}, Size: size, Seed: 2}, s.Params(t, s.Address(), name), engine.Internal)
			s.hasBytes(t, name, small, 1)
			if s.Definition().Promises.StaysUnder != "" {
				s.tolerateRest(t)
			}
			s.clean(t)
		})
	}
}

// fails exports and checks that it ends with one of the codes.
func (r *rig) fails(t testing.TB, m made, params map[string]any, codes ...engine.Code) engine.Task {
	t.Helper()
	task := r.export(t, m, params)
	if task.Status != engine.StatusFailed || !slices.Contains(codes, task.Code) {
		t.Errorf("the export ended %s %s (%s), want one of %v\n%s", task.Status, task.Code, task.Message, codes, r.log.String())
	}
	return task
}

func (s *suite) short(t *testing.T) {
	large, part := s.large(), s.PartSize()
	cases := []cut{{small, small - 1}, {1, 0}, {large, 0}, {large + 1, 1}, {large + 2, large + 1}}
	if part > 0 {
		cases = append(cases, cut{large + 3, part - 1}, cut{large + 4, part}, cut{large + 5, part + 1})
	}
	s.broken(t, cases)
}

func (s *suite) long(t *testing.T) {
	s.broken(t, []cut{{0, 1}, {1, 2}, {small, small + 1}, {s.large(), s.large() + 1}})
}

// cut is a file that is said to have size bytes, and has another number of them.
type cut struct{ size, real int64 }

// broken exports files that are not what they are said to be.
func (s *suite) broken(t *testing.T, cases []cut) {
	r := s.rig(t)
	reals := map[int64]int64{}
	for _, c := range cases {
		reals[c.size] = c.real
	}
	r.files.set(func(size int64) int64 { return reals[size] }, 0)
	jobs, names := map[cut]engine.ID{}, map[cut]string{}
	for _, c := range cases {
		names[c] = s.name()
		jobs[c] = r.submit(t, made{Names: []string{"own.bin"}, Size: c.size}, s.Params(t, s.Address(), names[c])).ID
	}
	for _, c := range cases {
		t.Run(fmt.Sprintf("%d of %d", c.real, c.size), func(t *testing.T) {
			if task := r.end(t, jobs[c]); task.Code != engine.Internal {
				t.Errorf("the export ended %s %s (%s), want %s", task.Status, task.Code, task.Message, engine.Internal)
			}
			s.absent(t, names[c])
		})
	}
	s.cleanAfterFailure(t)
}

func (s *suite) denied(t *testing.T) {
	params := s.Wrong(t, Denied, s.name())
	if params == nil {
		t.Skip("this system denies nothing")
	}
	r := s.rig(t)
	task := r.fails(t, made{Names: []string{"own.bin"}, Size: small}, params, engine.Denied, engine.Unauthorized)
	checkText(t, task)
}

func (s *suite) missing(t *testing.T) {
	params := s.Wrong(t, Missing, s.name())
	if params == nil {
		t.Skip("in this system no destination is missing")
	}
	r := s.rig(t)
	task := r.fails(t, made{Names: []string{"own.bin"}, Size: small}, params, engine.NotFound)
	checkText(t, task)
}

// checkText checks that a message is for a person.
func checkText(t testing.TB, task engine.Task) {
	t.Helper()
	if !strings.Contains(task.Message, " ") || strings.Contains(task.Message, "%!") {
		t.Errorf("the message says nothing to a person: %q", task.Message)
	}
}

func (s *suite) refuses(t *testing.T) {
	r := s.rig(t)
	two := made{Names: []string{"a.bin", "b.bin"}, Size: small}
	name := s.name()
	r.fails(t, two, s.Params(t, s.Address(), name), engine.Invalid)
	s.absent(t, name)
	f, ok := s.Definition().Params.Field(param.RoleName)
	if !ok {
		return
	}
	params := s.Params(t, s.Address(), name)
	params[f.Name] = "folder/"
	_, err := r.Submit(t.Context(), r.User, engine.Submission{Tasks: []engine.TaskSpec{
		{Name: "make", Operation: "test/make", Params: []byte(JSON(t, two))},
		{Name: "export", Operation: s.operation(), Params: []byte(JSON(t, params)), Input: []string{"make"}},
	}})
	if engine.CodeOf(err) != engine.Invalid {
		t.Errorf("a name that ends in a slash: got %v, want it to be invalid", err)
	}
}
