package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/egress"
)

// checkCommand is `gantry check`. It may reach every address: whoever runs it is at this machine anyway.
type checkCommand struct {
	ownerFlags
	Kind   string   `arg:"" help:"The storage system to export to, such as s3, or an operation, such as import/s3."`
	Values []string `arg:"" optional:"" help:"name=value, as a task has them; name=@FILE reads the value from a file."`
}

// errFindings says that something is not right; the findings have said what.
var errFindings = errors.New("a task with these parameters may fail")

// Run tries the storage system and prints what it found.
func (c *checkCommand) Run(ctx context.Context, p *program) error {
	raw, err := parseValues(c.Values)
	if err != nil {
		return err
	}
	found, err := c.find(ctx, p, raw)
	if err != nil {
		return explained(err)
	}
	for _, f := range found {
		mark := "right  "
		if !f.OK {
			mark, err = "WRONG  ", errFindings
		}
		fmt.Fprintln(p.stdout, mark+f.Text)
	}
	return err
}

// find needs the data folder only where a connection is named.
func (c *checkCommand) find(ctx context.Context, p *program, raw json.RawMessage) ([]engine.Finding, error) {
	operation := c.Kind
	if !strings.HasPrefix(operation, "import/") && !strings.HasPrefix(operation, "export/") {
		operation = "export/" + operation
	}
	if name, named := connectionIn(raw); named {
		return c.findAs(ctx, p, name, operation, raw)
	}
	catalog, err := p.bareCatalog(ctx, egress.Unrestricted())
	if err != nil {
		return nil, err
	}
	return (&engine.Engine{Catalog: catalog}).Preflight(ctx, 0, operation, raw)
}

// findAs does the same for the user whose connection is named.
func (c *checkCommand) findAs(ctx context.Context, p *program, name, operation string, raw json.RawMessage) (found []engine.Finding, err error) {
	if err := c.exists(); err != nil {
		return nil, err
	}
	err = c.withKeys(ctx, p, func(e *engine.Engine, f footing) error {
		own, err := f.connection(ctx, c.User, name)
		if err == nil {
			found, err = e.Preflight(ctx, own.User, operation, raw)
		}
		return err
	})
	return found, err
}

// connectionIn returns the name of the connection among parameters, and whether there is one.
func connectionIn(raw json.RawMessage) (string, bool) {
	var params map[string]any
	if json.Unmarshal(raw, &params) != nil {
		return "", false
	}
	name, named := params[engine.ParamConnection].(string)
	return name, named
}

// parseValues makes a JSON object of name=value. What looks like a JSON object or list is one.
func parseValues(values []string) (json.RawMessage, error) {
	object := map[string]any{}
	for i, text := range values {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("value %d is not of the form name=value", i+1) // it may be a secret
		}
		if path, isFile := strings.CutPrefix(value, "@"); isFile {
			content, err := os.ReadFile(path)
			if err != nil {
				return nil, fmt.Errorf("read the value of %s: %w", name, err)
			}
			value = strings.TrimRight(string(content), "\r\n")
		}
		object[name] = value
		var structured any
		if (strings.HasPrefix(value, "{") || strings.HasPrefix(value, "[")) && json.Unmarshal([]byte(value), &structured) == nil {
			object[name] = structured
		}
	}
	return json.Marshal(object)
}
