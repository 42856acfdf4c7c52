package exporters

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
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

// role is the part of the parameter that decides how an object is called; the name of the file does where ok is false.
func (n Naming) role() (role param.Role, ok bool) {
	switch {
	case n.Name != "":
		return param.RoleName, true
	case n.Folder != "":
		return param.RoleFolder, true
	case n.Prefix != "":
		return param.RolePrefix, true
	}
	return param.RoleName, false
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
				return nil, engine.Wrap(err, engine.Invalid, "%s cannot be exported as %s: %v. %s",
					Quoted(files[i].Name), Quoted(name), err, def.remedy(naming))
			}
			names[i] = clean
		}
		same := names[i]
		if def.Fold != nil {
			same = def.Fold(same)
		}
		if other, twice := taken[same]; twice {
			return nil, engine.Errorf(engine.Invalid, "Both %s and %s would be exported as %s. %s",
				Quoted(files[other].Name), Quoted(files[i].Name), Quoted(names[i]), naming.advice())
		}
		taken[same] = i
	}
	return names, nil
}

// remedy says which parameter gave an object its name.
func (def Definition) remedy(n Naming) string {
	role, decides := n.role()
	f, ok := def.Params.Field(role)
	switch {
	case !ok:
		return "Change the name of the file."
	case !decides:
		return fmt.Sprintf("Set %s to another name.", f.Name)
	case role == param.RoleName:
		return fmt.Sprintf("Change %s.", f.Name)
	}
	return fmt.Sprintf("Change %s, or the name of the file.", f.Name)
}

// CheckName returns what is wrong with the parameters that say how objects are called, before there are files: a name that
// ends in a slash, and one that the destination cannot have whatever the file is called.
func (def Definition) CheckName(params any) []param.Problem {
	naming := naming(def.Params, params)
	role, decides := naming.role()
	f, ok := def.Params.Field(role)
	switch {
	case !decides || !ok:
		return nil
	case strings.HasSuffix(naming.Name, "/"):
		return []param.Problem{param.Problemf(f.Name, "ends in a slash, so it is a folder and not the name of an object")}
	case def.Clean == nil:
		return nil
	}
	name := naming.one(engine.File{Name: "x"}, 1)
	if _, err := def.Clean(name); err != nil {
		return []param.Problem{param.Problemf(f.Name, "cannot be, since an object would be called %s: %v", Quoted(name), err)}
	}
	return nil
}

// mostShown is how many characters of a name a message has.
const mostShown = 60

// Quoted returns a name for a message: in quotes, and of a long one its beginning and its length.
func Quoted(name string) string {
	if utf8.RuneCountInString(name) <= mostShown {
		return strconv.Quote(name)
	}
	return fmt.Sprintf("%q… (%d bytes)", string([]rune(name)[:mostShown]), len(name))
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
			return "", fmt.Errorf("it has %d bytes, and %s takes %d at most", len(name), system, longest)
		}
		for part := range strings.SplitSeq(name, "/") {
			if part == "." || part == ".." {
				return "", fmt.Errorf("its part %q stands for another folder", part)
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
