package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/gantry-engine/gantry/engine/param"
)

// Connection is a set of credentials and addresses to which a user has given a name, so that a task can say the name in
// their place. It is sealed and never shown again.
type Connection struct {
	User      UserID
	UserName  string // of stored ones
	Name      string
	Kind      string // of the storage system, such as s3
	Sealed    []byte
	CreatedAt time.Time
}

// Connections keeps connections.
type Connections interface {
	// PutConnection stores a connection; one of the same user and name is replaced.
	PutConnection(ctx context.Context, c Connection) error

	// Connection returns the user's connection of that name; NotFound if there is none.
	Connection(ctx context.Context, user UserID, name string) (Connection, error)

	// Connections returns all connections, by user and name.
	Connections(ctx context.Context) ([]Connection, error)

	// RemoveConnection forgets a connection; NotFound if there is none.
	RemoveConnection(ctx context.Context, user UserID, name string) error
}

// HostKey is the key that a host showed when a user's task first reached it.
type HostKey struct {
	User      UserID
	UserName  string // of stored ones
	Host      string
	Key       string // as TYPE BASE64
	CreatedAt time.Time
}

// HostKeys keeps the keys of hosts.
type HostKeys interface {
	// HoldHostKey keeps a key unless one of that user and host is kept already, and returns the one that is.
	HoldHostKey(ctx context.Context, key HostKey) (held string, err error)

	// HostKey returns the key that is kept; empty if none is.
	HostKey(ctx context.Context, user UserID, host string) (string, error)

	// HostKeys returns all keys, by host and user.
	HostKeys(ctx context.Context) ([]HostKey, error)

	// ForgetHostKey forgets the keys of a host, of all users; NotFound if there is none.
	ForgetHostKey(ctx context.Context, host string) error
}

// ParamConnection is the parameter by which a task names a connection.
const ParamConnection = "connection"

func connectionBind(user UserID, name string) string {
	return fmt.Sprintf("connection %d %s", user, name)
}

// AddConnection seals credentials and addresses of a storage system for a user under a name, in the place of what had that
// name. Every mistake in them is reported at once as problems of an Invalid error.
func (e *Engine) AddConnection(ctx context.Context, user UserID, name, kind string, raw json.RawMessage) error {
	var problems []param.Problem
	if !isName(name) {
		problems = append(problems, param.Problemf("name", "may have letters, digits, - and _, up to 255 of them"))
	}
	kind, more := e.Catalog.checkConnection(kind, raw)
	if problems = append(problems, more...); len(problems) > 0 {
		return InvalidParams(problems)
	}
	sealed, err := e.Sealer.Seal(raw, connectionBind(user, name))
	if err != nil {
		return err
	}
	return e.Store.Connections.PutConnection(ctx,
		Connection{User: user, Name: name, Kind: kind, Sealed: sealed, CreatedAt: e.now()})
}

// checkConnection returns the kind as the catalog spells it, and what is wrong with a connection of that kind.
func (c *Catalog) checkConnection(kind string, raw json.RawMessage) (string, []param.Problem) {
	var ways []Operation // in which it can be used
	for _, name := range []string{"export/" + kind, "import/" + kind} {
		if op, ok := c.Find(name); ok && op.Kind != "" {
			kind, ways = op.Kind, append(ways, op)
		}
	}
	given := map[string]json.RawMessage{}
	switch {
	case len(ways) == 0:
		return kind, []param.Problem{param.Problemf("kind", "%q is no storage system of this server that needs a connection", kind)}
	case json.Unmarshal(raw, &given) != nil:
		return kind, []param.Problem{{Message: "must be a JSON object"}}
	}
	known, problems := map[string]bool{}, []param.Problem(nil)
	for _, op := range ways {
		for _, f := range op.Params.Fields() {
			known[f.Name] = known[f.Name] || f.Connects()
		}
		for _, p := range op.connectionProblems(raw) {
			if !slices.Contains(problems, p) {
				problems = append(problems, p)
			}
		}
	}
	for name := range given {
		if !known[name] {
			problems = append(problems, param.Problemf(name, "is neither a credential nor an address of %s", kind))
		}
	}
	return kind, problems
}

// connectionProblems are those about credentials and addresses, where the rest of the parameters is still to come.
func (op Operation) connectionProblems(raw json.RawMessage) []param.Problem {
	params, problems := op.Params.Decode(raw)
	if problems = op.about(problems, true); len(problems) == 0 && op.Check != nil {
		problems = op.about(op.Check(params, nil), true)
	}
	return problems
}

// about returns the problems about credentials and addresses, or the others.
func (op Operation) about(problems []param.Problem, connects bool) []param.Problem {
	return slices.DeleteFunc(slices.Clone(problems), func(p param.Problem) bool {
		is := slices.ContainsFunc(op.Params.Fields(), func(f param.Field) bool { return f.Name == p.Field && f.Connects() })
		return is != connects
	})
}

// connected returns the parameters of a task with what the connection that they name holds beside that name. Nothing that
// the connection says may be given beside it: a password would go to whatever host that names.
func (e *Engine) connected(ctx context.Context, user UserID, op Operation, raw json.RawMessage) (json.RawMessage, []param.Problem, error) {
	given, name := map[string]json.RawMessage{}, ""
	if op.Kind == "" || json.Unmarshal(raw, &given) != nil || isNull(given[ParamConnection]) {
		return raw, nil, nil // what is no object is said elsewhere
	}
	if json.Unmarshal(given[ParamConnection], &name) != nil || name == "" {
		return raw, []param.Problem{param.Problemf(ParamConnection, "must be the name of a connection")}, nil
	}
	var problems []param.Problem
	for _, f := range op.Params.Fields() {
		if f.Connects() && !isNull(given[f.Name]) {
			problems = append(problems, param.Problemf(f.Name, "cannot be given beside connection, which says it"))
		}
	}
	c, err := e.Store.Connections.Connection(ctx, user, name)
	switch {
	case isNotFound(err):
		problems = append(problems, param.Problemf(ParamConnection, "%q is no connection of yours; `gantry connections list` shows those there are", shortened(name)))
	case err != nil:
		return nil, nil, err
	case c.Kind != op.Kind:
		problems = append(problems, param.Problemf(ParamConnection, "%q is a connection to %s, not to %s", shortened(name), c.Kind, op.Kind))
	}
	if len(problems) > 0 {
		return raw, problems, nil
	}
	plain, err := e.Sealer.Unseal(c.Sealed, connectionBind(user, name))
	if err != nil {
		return nil, nil, lostKey(err)
	}
	merged, err := merge(given, plain, op)
	return merged, nil, err
}

// merge adds the fields of a connection that the operation has.
func merge(given map[string]json.RawMessage, plain []byte, op Operation) (json.RawMessage, error) {
	held := map[string]json.RawMessage{}
	if err := json.Unmarshal(plain, &held); err != nil {
		return nil, fmt.Errorf("read a connection: %w", err)
	}
	for _, f := range op.Params.Fields() {
		if value, ok := held[f.Name]; ok && f.Connects() {
			given[f.Name] = value
		}
	}
	return json.Marshal(given)
}

func isNull(raw json.RawMessage) bool {
	return len(raw) == 0 || string(raw) == "null" || string(raw) == `""`
}
