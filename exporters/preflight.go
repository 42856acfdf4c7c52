package exporters

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/param"
)

// HostKeys remembers which key a host showed when it was first reached. It is safe for concurrent use.
type HostKeys interface {
	// Held returns the key that is held for the owner and host, as TYPE BASE64; empty if none is. It is an error where only
	// hosts may be reached whose key the task says.
	Held(ctx context.Context, owner engine.UserID, host string) (string, error)

	// Hold keeps the key unless one is held already, and returns the one that is.
	Hold(ctx context.Context, owner engine.UserID, host, key string) (string, error)
}

// lookOnly are host keys of which none is added.
type lookOnly struct{ HostKeys }

// Hold implements HostKeys.
func (l lookOnly) Hold(ctx context.Context, owner engine.UserID, host, key string) (string, error) {
	held, err := l.Held(ctx, owner, host)
	if held == "" {
		held = key
	}
	return held, err
}

// Try runs Check for decoded parameters, and compares the clocks where the system says its time over HTTP. No finding shows a
// secret of theirs.
func (def Definition) Try(ctx context.Context, env Env, params any) []Finding {
	env, clock := trying(env)
	findings := def.Check(ctx, env, params)
	return hidden(append(findings, clock.finding()...), def.Params.Secrets(params))
}

// Try looks for what the parameters name, reads nothing, and compares the clocks as Definition.Try does.
func (r *Reading) Try(ctx context.Context, env Env, params any) []Finding {
	env, clock := trying(env)
	findings := r.try(ctx, env, params)
	return hidden(append(findings, clock.finding()...), r.Params.Secrets(params))
}

// trying returns what a check is lent: host keys to look at only, and a client whose answers are looked at for their time.
func trying(env Env) (Env, *clock) {
	if env.HostKeys != nil {
		env.HostKeys = lookOnly{env.HostKeys}
	}
	watch := &clock{next: http.DefaultTransport}
	if env.HTTP != nil {
		lent := *env.HTTP
		if lent.Transport != nil {
			watch.next = lent.Transport
		}
		lent.Transport = watch
		env.HTTP = &lent
	}
	return env, watch
}

// errEnough ends a listing at its first object.
var errEnough = errors.New("one object is enough")

func (r *Reading) try(ctx context.Context, env Env, params any) []Finding {
	source, err := r.Open(ctx, env, params)
	if err != nil {
		return []Finding{{Text: engine.MessageOf(err)}}
	}
	defer source.Close()
	naming := naming(r.Params, params)
	if naming.Name != "" && !strings.ContainsAny(naming.Name, "*?[") {
		o, err := source.Stat(ctx, naming.Name)
		if err != nil {
			return []Finding{{Text: engine.MessageOf(err)}}
		}
		return []Finding{{OK: true, Text: fmt.Sprintf("The system answers and lets the user in; %q is there, with %d bytes.", o.Name, o.Size)}}
	}
	return listed(ctx, source, naming)
}

// listed tries to list what the parameters name by its beginning.
func listed(ctx context.Context, source Source, naming Naming) []Finding {
	prefix, first := naming.Prefix, ""
	switch {
	case naming.Name != "":
		prefix = naming.Name[:strings.IndexAny(naming.Name, "*?[")]
	case naming.Folder != "":
		prefix = strings.TrimSuffix(naming.Folder, "/") + "/"
	}
	err := source.List(ctx, prefix, func(o Object) error {
		first = o.Name
		return errEnough
	})
	if err != nil && !errors.Is(err, errEnough) {
		return []Finding{{Text: engine.MessageOf(err)}}
	}
	findings := []Finding{{OK: true, Text: "The system answers, lets the user in, and lists objects."}}
	if first == "" {
		return append(findings, Finding{Text: fmt.Sprintf("No object has a name that begins with %q.", prefix)})
	}
	return append(findings, Finding{OK: true, Text: fmt.Sprintf("There is %q.", first)})
}

// shortest is how long a secret is at least that is looked for: what is shorter is a part of many a word.
const shortest = 4

// hidden returns the findings without the secrets.
func hidden(findings []Finding, secrets []string) []Finding {
	for i := range findings {
		for _, secret := range secrets {
			if len(secret) >= shortest {
				findings[i].Text = strings.ReplaceAll(findings[i].Text, secret, param.Redacted)
			}
		}
	}
	return findings
}
