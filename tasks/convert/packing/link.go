package packing

import (
	"archive/tar"
	"io"
	"path"
	"path/filepath"
	"strings"

	"github.com/gantry-engine/gantry/engine"
)

// link completes a member that is a symbolic link. Where the archive's format does not say where it leads, its content does.
func (u *unpacker) link(m Member, content io.Reader) (Member, error) {
	if m.Link == "" {
		to, err := io.ReadAll(io.LimitReader(content, maxLink+1))
		if err != nil {
			return m, err
		}
		m.Link = string(to)
	}
	m.Link, m.Size = strings.ReplaceAll(m.Link, `\`, "/"), 0
	if !leadsInside(m) {
		return m, engine.Errorf(engine.Invalid, "The archive holds a link that leads out of it: %q.", m.Name)
	}
	return m, nil
}

// leadsInside reports whether a link stays in the archive's folder wherever that is unpacked. Ways up count only at the beginning:
// behind a part that is a link itself they would lead elsewhere than they seem to.
func leadsInside(m Member) bool {
	down := m.Link
	for strings.HasPrefix(down, "../") || strings.HasPrefix(down, "./") {
		_, down, _ = strings.Cut(down, "/")
	}
	if down == ".." {
		down = "."
	}
	_, err := memberName(down)
	return down != "" && len(m.Link) <= maxLink && err == nil && filepath.IsLocal(path.Join(path.Dir(m.Name), m.Link))
}

// hardLink is where a symbolic link leads that stands for another name of an earlier member.
func (u *unpacker) hardLink(h *tar.Header) (string, error) {
	name, err := memberName(h.Name)
	if err != nil {
		return "", err
	}
	to, err := memberName(h.Linkname)
	if err != nil || !u.seen[to] {
		return "", engine.Errorf(engine.Invalid, "The archive holds a link to something that is not in it: %q.", name)
	}
	return filepath.Rel(path.Dir(name), to)
}

// links are the members that are links, and the folders that others lie in, in lower case: there are systems that make no
// difference.
type links struct{ places, folders map[string]bool }

// note refuses a member that lies behind a link, in whichever order the two come: it would be unpacked somewhere else.
func (l *links) note(m Member) error {
	if l.places == nil {
		l.places, l.folders = map[string]bool{}, map[string]bool{}
	}
	name := strings.ToLower(m.Name)
	for dir := path.Dir(name); dir != "." && !l.folders[dir]; dir = path.Dir(dir) {
		if l.places[dir] {
			return behindLink(m)
		}
		l.folders[dir] = true
	}
	switch {
	case m.Link != "" && l.folders[name], m.Dir && l.places[name]:
		return behindLink(m)
	case m.Link != "":
		l.places[name] = true
	case m.Dir:
		l.folders[name] = true
	}
	return nil
}

func behindLink(m Member) error {
	return engine.Errorf(engine.Invalid, "The archive holds a file behind a link, or a link in place of a folder: %q.", m.Name)
}
