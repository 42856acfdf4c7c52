package sftp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/pkg/sftp"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/exporters"
)

const (
	atOnce = 64       // writes of one file that are under way
	packet = 32 << 10 // bytes of each at most
)

// exporter writes files to one server.
type exporter struct {
	*server
	inPlace bool
}

func open(env exporters.Env, p Params) (*exporter, error) {
	s, err := newServer(env, p.Place)
	if err != nil {
		return nil, err
	}
	return &exporter{s, p.InPlace}, nil
}

// state is what a delivery may leave, for Discard.
type state struct {
	Final string `json:"final"`
	Temp  string `json:"temp,omitempty"`  // empty if written in place
	Aside string `json:"aside,omitempty"` // the old file for as long as it takes to put the new one into its place
	Size  int64  `json:"size"`
}

func stateOf(d exporters.Delivery, inPlace bool) state {
	st := state{Final: d.Name, Size: d.File.Size}
	if !inPlace {
		st.Temp, st.Aside = beside(d.Name, d.ID, ".part"), beside(d.Name, d.ID, ".old")
	}
	return st
}

// What systems take for a path, in bytes.
const (
	maxBase   = 255  // for one part of it
	maxPath   = 4095 // for all of it, mostly
	shortPath = 1024 // for all of it, everywhere
)

// beside returns a hidden name in the same folder that no other delivery uses.
func beside(name, id, suffix string) string {
	dir, base := path.Split(name)
	tail := "." + id + suffix
	for len(base) > 0 && 1+len(base)+len(tail) > maxBase {
		_, n := utf8.DecodeLastRuneInString(base)
		base = base[:len(base)-n]
	}
	return dir + "." + base + tail
}

// Export implements exporters.Exporter.
func (e *exporter) Export(ctx context.Context, d exporters.Delivery) (receipt exporters.Receipt, err error) {
	st := stateOf(d, e.inPlace)
	kept, err := json.Marshal(st)
	if err != nil {
		return receipt, err
	}
	earlier, err := d.Checkpoint.Load(ctx)
	if err != nil {
		return receipt, err
	}
	if err := d.Checkpoint.Save(ctx, kept); err != nil {
		return receipt, err
	}
	err = e.with(ctx, func(c *session) error {
		if earlier != nil {
			if err := c.settle(ctx, st); err != nil {
				return err
			}
		}
		if err := c.takes(d.Name); err != nil {
			return err
		}
		place := url.URL{Scheme: "sftp", Host: e.address, Path: c.absolute(d.Name)}
		receipt.Facts = map[string]string{"location": place.String(), "host_key": c.key}
		if e.inPlace {
			return c.write(ctx, d, d.Name)
		}
		if err := c.write(ctx, d, st.Temp); err != nil {
			return err
		}
		return c.publish(ctx, st)
	})
	return receipt, err
}

// takes looks whether the server takes a name that is longer than usual, before anything is sent. It says that there is no such
// file where it does; otherwise it has no code for what is wrong.
func (s *session) takes(name string) error {
	long := slices.DeleteFunc(strings.Split(name, "/"), func(part string) bool { return len(part) <= maxBase })
	if len(name) >= shortPath {
		long = append(long, name)
	}
	for _, path := range long {
		_, err := s.Lstat(path)
		if code := statusOf(err); code == statusFailure || code == statusBadMessage {
			return engine.Wrap(err, engine.Invalid, "The SFTP server does not take the name %s: systems take %d bytes for each part of a "+
				"path, and %d for the whole. Shorten file or path, or the name of the file.", exporters.Quoted(path), maxBase, maxPath)
		}
	}
	return nil
}

// absolute is the path as it is seen from the server's root, as far as the server says where relative ones begin.
func (s *session) absolute(name string) string {
	if path.IsAbs(name) {
		return name
	}
	return path.Join("/", s.home, name)
}

// write sends the whole file to a path and checks that all of it is there.
func (s *session) write(ctx context.Context, d exporters.Delivery, to string) error {
	src, err := d.Open(ctx)
	if err != nil {
		return err
	}
	defer src.Close()
	f, err := s.create(to)
	if err != nil {
		return s.openFault(ctx, err, d.Name)
	}
	from := &watched{Reader: src}
	n, err := f.ReadFromWithConcurrency(from, int(min(d.File.Size/packet+1, atOnce)))
	cerr := f.Close()
	doing := fmt.Sprintf("write %q", d.Name)
	switch {
	case from.err != nil:
		return from.err
	case err != nil:
		return fault(ctx, s.full(err, path.Dir(to), doing, n, d.File.Size), doing)
	case cerr != nil: // where a full disk or quota may show only now
		return fault(ctx, s.full(cerr, path.Dir(to), doing, n, d.File.Size), doing)
	case n != d.File.Size:
		return fmt.Errorf("write %q: sent %d of %d bytes", d.Name, n, d.File.Size)
	}
	info, err := s.Stat(to)
	if err == nil && info.Size() != d.File.Size {
		return engine.Errorf(engine.Unavailable, "The SFTP server has %d bytes of %q, of the %d that it confirmed.", info.Size(), d.Name, d.File.Size)
	}
	if errors.Is(err, sftp.ErrSSHFxConnectionLost) {
		return fault(ctx, err, doing)
	}
	return nil // who may only drop files there may not look at them
}

// watched keeps the error of a file of ours apart from those of the server.
type watched struct {
	io.Reader
	err error
}

// Read implements io.Reader.
func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	if err != nil && err != io.EOF { //nolint:errorlint // only the bare EOF is an end
		w.err = err
	}
	return n, err
}

// create opens a file for writing alone: some servers refuse reading in the same breath. Folders are made if it needs them.
func (s *session) create(name string) (*sftp.File, error) {
	const flags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	f, err := s.OpenFile(name, flags)
	if !errors.Is(err, fs.ErrNotExist) {
		return f, err
	}
	made := s.mkdirs(path.Dir(name))
	if f, err = s.OpenFile(name, flags); errors.Is(err, fs.ErrNotExist) && made != nil {
		return nil, made
	}
	return f, err
}

// mkdirs makes a folder and those above it, from below, since a user may not be allowed to look at those above. Another
// delivery may make them at the same time.
func (s *session) mkdirs(dir string) error {
	if dir == "." || dir == "/" || dir == ".." {
		return nil
	}
	err := s.Mkdir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		if err := s.mkdirs(path.Dir(dir)); err != nil {
			return err
		}
		err = s.Mkdir(dir)
	}
	if err == nil {
		return nil
	}
	if info, serr := s.Stat(dir); serr == nil && info.IsDir() {
		return nil // servers have no code for that
	}
	return err
}

func (s *session) openFault(ctx context.Context, err error, name string) error {
	if statusOf(err) == statusFailure {
		return engine.Wrap(err, engine.Invalid, "The SFTP server failed to create %q; a part of its folder may be a file.", name)
	}
	return fault(ctx, err, fmt.Sprintf("create %q", name))
}

// publish gives the finished file its name.
func (s *session) publish(ctx context.Context, st state) error {
	doing := fmt.Sprintf("rename a file to %q", st.Final)
	if _, ok := s.HasExtension("posix-rename@openssh.com"); ok {
		err := s.PosixRename(st.Temp, st.Final)
		if err == nil {
			return nil
		}
		if statusOf(err) != statusUnsupported {
			return s.renameFault(ctx, err, st.Final, doing)
		}
	}
	err := s.Rename(st.Temp, st.Final)
	if err == nil {
		return nil
	}
	if info, serr := s.Stat(st.Final); serr != nil || !info.Mode().IsRegular() {
		return s.renameFault(ctx, err, st.Final, doing)
	}
	return s.replace(ctx, st, doing)
}

// replace is for servers whose rename never replaces: the old file is moved aside, and back if the new one cannot take its place.
func (s *session) replace(ctx context.Context, st state, doing string) error {
	if err := s.Rename(st.Final, st.Aside); err != nil {
		return s.renameFault(ctx, err, st.Final, doing+", nor move the one aside that has this name")
	}
	if err := s.Rename(st.Temp, st.Final); err != nil {
		if back := s.Rename(st.Aside, st.Final); back != nil {
			return errors.Join(s.renameFault(ctx, err, st.Final, doing), back) // Discard, or the next try, moves it back
		}
		return s.renameFault(ctx, err, st.Final, doing)
	}
	if err := s.Remove(st.Aside); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fault(ctx, err, "remove what "+doing+" replaced")
	}
	return nil
}

func (s *session) renameFault(ctx context.Context, err error, final, doing string) error {
	if info, serr := s.Stat(final); serr == nil && info.IsDir() {
		return engine.Wrap(err, engine.Conflict, "%q is a folder at the SFTP server.", final)
	}
	if code := statusOf(err); code == statusFailure || code == statusUnsupported || errors.Is(err, fs.ErrPermission) {
		return engine.Wrap(err, engine.Denied, "The SFTP server does not %s. If this user may not rename there, set in_place.", doing)
	}
	return fault(ctx, err, doing)
}

// settle puts the old file back if an earlier try ended while it was moved aside.
func (s *session) settle(ctx context.Context, st state) error {
	if st.Aside == "" {
		return nil
	}
	if _, err := s.Lstat(st.Aside); err != nil {
		return nil // nothing was moved, or nobody may look; then nothing is moved either
	}
	err := s.Rename(st.Aside, st.Final)
	if err == nil {
		return nil
	}
	if _, serr := s.Lstat(st.Final); serr != nil {
		return fault(ctx, err, fmt.Sprintf("move the old %q back to its place", st.Final))
	}
	return gone(ctx, s.Remove(st.Aside), "remove what it replaced")
}

// discard removes what a delivery left that will not be finished.
func discard(ctx context.Context, env exporters.Env, p Params, st state) error {
	e, err := open(env, p)
	if err != nil {
		return err
	}
	defer e.Close()
	return e.with(ctx, func(c *session) error {
		if st.Temp == "" {
			return c.removeHalf(ctx, st)
		}
		return errors.Join(c.settle(ctx, st), gone(ctx, c.Remove(st.Temp), "remove a temporary file; it takes the right to delete"))
	})
}

// removeHalf removes what was written in place, if it is not whole.
func (s *session) removeHalf(ctx context.Context, st state) error {
	info, err := s.Stat(st.Final)
	if err != nil || info.Size() == st.Size {
		return gone(ctx, err, "look at a file")
	}
	return gone(ctx, s.Remove(st.Final), "remove half a file; it takes the right to delete")
}

// gone is fault, where something that is not there is as good as removed.
func gone(ctx context.Context, err error, doing string) error {
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return fault(ctx, err, doing)
}
