package exporters

import (
	"context"
	"path"
	"strings"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/param"
)

// Chosen is an object to be imported, with the folder it had below what was asked for.
type Chosen struct {
	Object
	Dir string
}

// Select returns the objects that the parameters of a Reading name, in the order of their names. None at all is NotFound;
// more or larger ones than the limits allow are TooLarge, before anything is transferred.
func Select(ctx context.Context, source Source, spec param.Spec, params any, limits engine.Limits) ([]Chosen, error) {
	naming := naming(spec, params)
	s := &selection{limits: limits}
	var err error
	switch {
	case naming.Name != "":
		err = s.named(ctx, source, naming.Name)
	case naming.Folder != "":
		prefix := strings.TrimSuffix(naming.Folder, "/") + "/"
		err = source.List(ctx, prefix, func(o Object) error { return s.add(o, prefix) })
	default:
		err = source.List(ctx, naming.Prefix, func(o Object) error { return s.add(o, naming.Prefix) })
	}
	if err != nil {
		return nil, err
	}
	if len(s.chosen) == 0 {
		return nil, engine.Errorf(engine.NotFound, "No object has a name that begins with %q.", naming.Prefix+naming.Folder)
	}
	return s.chosen, nil
}

// selection collects objects within the limits.
type selection struct {
	limits engine.Limits
	chosen []Chosen
}

// named takes the object of that name; where there is none, those that it matches as a pattern.
func (s *selection) named(ctx context.Context, source Source, name string) error {
	o, err := source.Stat(ctx, name)
	if err == nil {
		return s.add(o, o.Name)
	}
	meta := strings.IndexAny(name, "*?[")
	if meta < 0 || engine.CodeOf(err) != engine.NotFound {
		return err
	}
	prefix := name[:meta]
	err = source.List(ctx, prefix, func(o Object) error {
		matches, err := path.Match(name, o.Name)
		if err != nil {
			return engine.Errorf(engine.Invalid, "%q is neither the name of an object nor a pattern for some.", name)
		}
		if !matches {
			return nil
		}
		return s.add(o, prefix)
	})
	if err == nil && len(s.chosen) == 0 {
		return engine.Errorf(engine.NotFound, "No object is called %q, and none matches it.", name)
	}
	return err
}

func (s *selection) add(o Object, prefix string) error {
	switch {
	case strings.HasSuffix(o.Name, "/"):
		return nil // stands for a folder
	case o.Size > s.limits.Transfer:
		return engine.Errorf(engine.TooLarge, "%q has %d bytes; this server takes %d for one file.", o.Name, o.Size, s.limits.Transfer)
	case len(s.chosen) >= s.limits.ImportFiles:
		return engine.Errorf(engine.TooLarge, "There are more than %d objects; this server takes so many in one import.", s.limits.ImportFiles)
	}
	below := strings.TrimPrefix(o.Name, prefix[:strings.LastIndexByte(prefix, '/')+1])
	s.chosen = append(s.chosen, Chosen{Object: o, Dir: cleanDir(path.Dir(below))})
	return nil
}

// cleanDir makes a relative folder of what someone else calls one, with each part cleaned as a file name is.
func cleanDir(dir string) string {
	var parts []string
	for part := range strings.SplitSeq(dir, "/") {
		if part != "" && part != "." && part != ".." {
			parts = append(parts, engine.CleanName(part))
		}
	}
	return strings.Join(parts, "/")
}
