package exporters

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/param"
)

// Naming is how the objects of a task are called.
type Naming struct {
	Name   string // in full; %d and %03d are replaced by the file's number from 1, nothing else is
	Prefix string // put in front of the file's own name as it is
	Folder string // joined with the file's own name by one slash
}

// naming reads the fields that have a part in names out of decoded parameters.
func naming(spec param.Spec, params any) Naming {
	text := func(role param.Role) string {
		f, ok := spec.Field(role)
		if !ok {
			return ""
		}
		return f.Text(params)
	}
	return Naming{Name: text(param.RoleName), Prefix: text(param.RolePrefix), Folder: text(param.RoleFolder)}
}

var number = regexp.MustCompile(`%(0[1-9])?d`)

// Resolve returns the name of each file at the destination.
func (n Naming) Resolve(files []engine.File) []string {
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = n.one(f, i+1)
	}
	return names
}

func (n Naming) one(f engine.File, i int) string {
	own := f.Name
	if f.Dir != "" {
		own = f.Dir + "/" + f.Name
	}
	switch {
	case n.Name != "":
		return number.ReplaceAllStringFunc(n.Name, func(verb string) string { return fmt.Sprintf(verb, i) })
	case n.Folder != "":
		return strings.TrimSuffix(n.Folder, "/") + "/" + own
	}
	return n.Prefix + own
}

func (n Naming) advice() string {
	if n.Name != "" {
		return "Put %d into the name, which becomes the file's number, or set archive_multiple_files."
	}
	return "Set archive_multiple_files, or export them in tasks of their own."
}

// names returns what the files are called at the destination. Whatever is wrong with that is said here, before a byte is sent.
func (def Definition) names(params any, files []engine.File) ([]string, error) {
	if def.Single && len(files) > 1 {
		return nil, engine.Errorf(engine.Invalid, "There are %d files, and this export has room for one. "+
			"Set archive_multiple_files, or export them in tasks of their own.", len(files))
	}
	naming := naming(def.Params, params)
	names, taken := naming.Resolve(files), map[string]int{}
	for i, name := range names {
		if def.Clean != nil {
			clean, err := def.Clean(name)
			if err != nil {
				return nil, engine.Wrap(err, engine.Invalid, "%q cannot be exported as %q: %v.", files[i].Name, name, err)
			}
			names[i] = clean
		}
		same := names[i]
		if def.Fold != nil {
			same = def.Fold(same)
		}
		if other, twice := taken[same]; twice {
			return nil, engine.Errorf(engine.Invalid, "Both %q and %q would be exported as %q. %s",
				files[other].Name, files[i].Name, names[i], naming.advice())
		}
		taken[same] = i
	}
	return names, nil
}

// CheckName returns what is wrong with the parameters that say how objects are called, before there are files.
func (def Definition) CheckName(params any) []param.Problem {
	f, ok := def.Params.Field(param.RoleName)
	if ok && strings.HasSuffix(f.Text(params), "/") {
		return []param.Problem{param.Problemf(f.Name, "ends in a slash, so it is a folder and not the name of an object")}
	}
	return nil
}

// FlatNames returns the Definition.Clean of a system whose objects lie in no folders. Slashes at a name's beginning are taken
// away. Refused is a folder's name, what is not UTF-8, what has more than longest bytes, and the parts "." and "..", which
// browsers and clients resolve to another object; beyond that what refuse returns an error for, if it is not nil.
func FlatNames(system string, longest int, refuse func(name string) error) func(name string) (string, error) {
	return func(name string) (string, error) {
		name = strings.TrimLeft(name, "/")
		switch {
		case name == "" || strings.HasSuffix(name, "/"):
			return "", errors.New("it is the name of a folder")
		case !utf8.ValidString(name):
			return "", fmt.Errorf("it has characters that %s does not take", system)
		case len(name) > longest:
			return "", fmt.Errorf("it is longer than the %d bytes that %s takes", longest, system)
		}
		for part := range strings.SplitSeq(name, "/") {
			if part == "." || part == ".." {
				return "", fmt.Errorf("its part %s stands for another folder", part)
			}
		}
		if refuse != nil {
			if err := refuse(name); err != nil {
				return "", err
			}
		}
		return name, nil
	}
}

// FoldCase is the Definition.Fold of systems to which "É.txt" is the same name as "é.txt", composed or not.
func FoldCase(name string) string { return cases.Fold().String(norm.NFC.String(name)) }
