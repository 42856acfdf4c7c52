package cmd

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/gantry-engine/gantry/engine/sqlstore"
)

// nodesCommand is `gantry nodes`.
type nodesCommand struct {
	List nodesList `cmd:"" help:"List the processes that share a database."`
}

type nodesList struct{ dataFlags }

// Run lists the nodes.
func (n *nodesList) Run(ctx context.Context, p *program) error {
	if !n.shared() {
		return errors.New("there are nodes only where processes share a --database")
	}
	return n.beside(ctx, p, func(f footing) error {
		nodes, err := f.store.Nodes(ctx)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "ID\tHOST\tVERSION\tSTARTED\tSEEN\tLANES\tKINDS OF TASK")
		for _, node := range nodes {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%d\n", node.ID, node.Host, node.Version, node.StartedAt.Format(time.DateTime),
				node.SeenAt.Format(time.DateTime), slots(node), len(node.Kinds))
		}
		return w.Flush()
	})
}

func slots(n sqlstore.Node) string {
	if len(n.Lanes) == 0 {
		return "none: API only"
	}
	texts := make([]string, len(n.Lanes))
	for i, lane := range n.Lanes {
		texts[i] = fmt.Sprintf("%s:%d", lane.Name, lane.Slots)
	}
	return strings.Join(texts, " ")
}
