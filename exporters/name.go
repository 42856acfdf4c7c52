package exporters

import (
	"fmt"
	"regexp"
	"strings"

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

// Resolve returns the name of each file at the destination. Two files under one name are an error: nothing was sent yet.
func (n Naming) Resolve(files []engine.File) ([]string, error) {
	names, taken := make([]string, len(files)), map[string]string{}
	for i, f := range files {
		names[i] = n.one(f, i+1)
		if other, twice := taken[names[i]]; twice {
			return nil, engine.Errorf(engine.Invalid, "Both %q and %q would be exported as %q. %s", other, f.Name, names[i], n.advice())
		}
		taken[names[i]] = f.Name
	}
	return names, nil
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
