package sftp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/exporters"
)

const who = "The SFTP server"

// loginFault says why there is no connection.
func (s *server) loginFault(ctx context.Context, err error) error {
	expected := s.expected()
	var other *otherKeyError
	var none *ssh.AlgorithmNegotiationError
	var known *engine.Error
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, &known):
		return known
	case errors.As(err, &other):
		return s.otherKey(other)
	case errors.As(err, &none) && expected.held && strings.Contains(err.Error(), "host key"):
		return engine.Errorf(engine.Denied, "The SFTP server has no key of the type that it had when it was first used (%s). If it was "+
			"given a new key, `gantry host-keys forget %s` makes the next task take it.", expected.fingerprint, s.known())
	case errors.As(err, &none) && expected.fingerprint != "" && strings.Contains(err.Error(), "host key"):
		return engine.Errorf(engine.Denied, "The SFTP server has no key of the type that host_key has (%s).", expected.fingerprint)
	case errors.As(err, &none):
		return engine.Wrap(err, engine.Invalid, "The SFTP server has no algorithm for its %s that is still safe. If it cannot be "+
			"updated, set legacy_algorithms.", none.What)
	case strings.Contains(err.Error(), "unable to authenticate"): // ssh has no type for it
		return engine.Wrap(err, engine.Unauthorized, "The SFTP server does not let the user %q in with %s.", s.place.Username, s.tried())
	case errors.Is(err, context.DeadlineExceeded):
		return engine.Wrap(err, engine.Timeout, "%s did not answer in time.", who)
	}
	return exporters.Fault(ctx, err, who)
}

// tried names what was tried to log in with.
func (s *server) tried() string {
	switch {
	case s.place.PrivateKey == "":
		return "this password"
	case s.place.Password == "":
		return "this private key"
	}
	return "this private key or password"
}

// Status codes of later versions of SFTP that servers send all the same
// (draft-ietf-secsh-filexfer-13, 9.1).
const (
	statusFailure     = 4
	statusBadMessage  = 5
	statusUnsupported = 8
	statusNoSpace     = 14
	statusQuota       = 15
)

func statusOf(err error) uint32 {
	var status *sftp.StatusError
	if errors.As(err, &status) {
		return status.Code
	}
	return 0
}

// fault says why the server did not do what it was asked for; doing is as in "write a.txt".
func fault(ctx context.Context, err error, doing string) error {
	var known *engine.Error
	switch code := statusOf(err); {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, &known):
		return known
	case errors.Is(err, fs.ErrNotExist):
		return engine.Wrap(err, engine.NotFound, "The SFTP server could not %s: there is no such file or folder.", doing)
	case errors.Is(err, fs.ErrPermission):
		return engine.Wrap(err, engine.Denied, "The SFTP server does not allow this user to %s.", doing)
	case code == statusNoSpace, code == statusQuota:
		return engine.Wrap(err, engine.TooLarge, "The SFTP server could not %s: there is no room left.", doing)
	case code == statusUnsupported:
		return engine.Wrap(err, engine.Invalid, "The SFTP server does not know how to %s.", doing)
	case code == statusFailure:
		return engine.Wrap(err, engine.Unavailable, "The SFTP server failed to %s, and does not say why.", doing)
	case code != 0:
		return engine.Wrap(err, engine.Invalid, "The SFTP server failed to %s, with status %d.", doing, code)
	case errors.Is(err, io.EOF), errors.Is(err, sftp.ErrSSHFxConnectionLost):
		return engine.Wrap(err, engine.Unavailable, "The SFTP server broke the connection.")
	}
	return exporters.Fault(ctx, err, who)
}

// oneWrite is how many bytes a write has at most.
const oneWrite = 32 << 10

// full adds what the server says about its room to a failure that it gives no reason for. What was sent may be more than
// what arrived, since writes are under way together; a disk without room for one of them is full in any case.
func (s *session) full(err error, at, doing string, sent, size int64) error {
	if statusOf(err) != statusFailure {
		return err
	}
	doing = fmt.Sprintf("%s after %d of %d bytes", doing, sent, size)
	if _, ok := s.HasExtension("statvfs@openssh.com"); ok {
		if room, serr := s.StatVFS(at); serr == nil && int64(room.Bavail*room.Frsize) < max(size-sent, oneWrite) { //nolint:gosec // never that large
			return engine.Wrap(err, engine.TooLarge, "The SFTP server failed to %s: it has room for %d more.", doing, room.Bavail*room.Frsize)
		}
	}
	return engine.Wrap(err, engine.Unavailable, "The SFTP server failed to %s, and does not say why; its disk or quota may be full.", doing)
}
