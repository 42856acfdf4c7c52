package enginetest

import (
	"bytes"
	"time"

	"github.com/gantry-engine/gantry/engine"
)

func connectionCases() []graphCase {
	return []graphCase{
		{"a connection is its owner's, replaced and removed", func(l *lab) {
			l.start(1)
			store, ctx := l.Engine.Store.Connections, l.Context()
			other, err := l.Engine.Store.Accounts.EnsureUser(ctx, "somebody else")
			l.ok(err)
			at := time.UnixMicro(1_700_000_000_000_000).UTC()
			for _, sealed := range []string{"first", "\x00second"} {
				l.ok(store.PutConnection(ctx, engine.Connection{User: l.User, Name: "n", Kind: "s3", Sealed: []byte(sealed), CreatedAt: at}))
			}
			got, err := store.Connection(ctx, l.User, "n")
			l.ok(err)
			if got.Kind != "s3" || !bytes.Equal(got.Sealed, []byte("\x00second")) || !got.CreatedAt.Equal(at) {
				l.Errorf("got %+v", got)
			}
			if _, err := store.Connection(ctx, other.ID, "n"); engine.CodeOf(err) != engine.NotFound {
				l.Errorf("another user gets %v", err)
			}
			if err := store.RemoveConnection(ctx, other.ID, "n"); engine.CodeOf(err) != engine.NotFound {
				l.Errorf("another user removes it: %v", err)
			}
			all, err := store.Connections(ctx)
			l.ok(err)
			if len(all) != 1 || all[0].UserName == "" {
				l.Errorf("listed are %+v", all)
			}
			l.ok(store.RemoveConnection(ctx, l.User, "n"))
			if _, err := store.Connection(ctx, l.User, "n"); engine.CodeOf(err) != engine.NotFound {
				l.Errorf("when it was removed: %v", err)
			}
		}},
		{"the first key of a host is held", func(l *lab) {
			l.start(1)
			store, ctx := l.Engine.Store.HostKeys, l.Context()
			for _, key := range []string{"first", "second"} {
				held, err := store.HoldHostKey(ctx, engine.HostKey{User: l.User, Host: "[h]:2222", Key: key, CreatedAt: l.Engine.Now()})
				l.ok(err)
				if held != "first" {
					l.Errorf("held is %q", held)
				}
			}
			if key, err := store.HostKey(ctx, l.User, "other"); err != nil || key != "" {
				l.Errorf("of another host: %q, %v", key, err)
			}
			all, err := store.HostKeys(ctx)
			l.ok(err)
			if len(all) != 1 || all[0].Host != "[h]:2222" || all[0].Key != "first" || all[0].UserName == "" {
				l.Errorf("listed are %+v", all)
			}
			l.ok(store.ForgetHostKey(ctx, "[h]:2222"))
			if err := store.ForgetHostKey(ctx, "[h]:2222"); engine.CodeOf(err) != engine.NotFound {
				l.Errorf("forgotten twice: %v", err)
			}
		}},
	}
}
