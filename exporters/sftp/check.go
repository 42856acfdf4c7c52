package sftp

import (
	"context"
	"fmt"
	"path"

	"github.com/google/uuid"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/exporters"
)

// check logs in, and writes and removes an empty file where the files would go.
func check(ctx context.Context, env exporters.Env, p Params) []exporters.Finding {
	e, err := open(env, p)
	if err != nil {
		return []exporters.Finding{{Text: engine.MessageOf(err)}}
	}
	defer e.Close()
	var findings []exporters.Finding
	err = e.with(ctx, func(c *session) error {
		findings = append(findings, e.keyFinding(c.key), exporters.Finding{OK: true, Text: fmt.Sprintf("The user %q is let in.", p.Username)})
		findings = append(findings, c.tryWriting(ctx, p)...)
		findings = append(findings, exporters.Finding{OK: true, Text: "SFTP does not tell the server's time; nothing hangs on it."})
		return nil
	})
	if err != nil {
		findings = append(findings, exporters.Finding{Text: engine.MessageOf(err)})
	}
	return findings
}

func (s *server) keyFinding(key string) exporters.Finding {
	expected := s.expected()
	if expected.held {
		return exporters.Finding{OK: true, Text: "The server has the key that it had when it was first used, " + key + "."}
	}
	if expected.fingerprint == "" {
		return exporters.Finding{OK: true, Text: "The server's key is " + key + "; give that as host_key, so that no other server is taken for it."}
	}
	return exporters.Finding{OK: true, Text: "The server has the key that host_key says."}
}

// tryWriting tries the nearest folder that exists; those that are missing an export makes.
func (s *session) tryWriting(ctx context.Context, p Params) []exporters.Finding {
	dir := path.Clean(there(p.Path))
	if p.File != "" {
		dir = path.Dir(there(p.File))
	}
	for dir != "." && dir != "/" {
		if info, err := s.Stat(dir); err == nil && info.IsDir() {
			break
		}
		dir = path.Dir(dir)
	}
	probe := path.Join(dir, ".check."+uuid.NewString()+".part")
	f, err := s.create(probe)
	if err != nil {
		return []exporters.Finding{{Text: engine.MessageOf(fault(ctx, err, fmt.Sprintf("create files in %q", dir)))}}
	}
	findings := []exporters.Finding{{OK: true, Text: fmt.Sprintf("The user may create files in %q.", dir)}}
	if err := f.Close(); err != nil {
		findings = append(findings, exporters.Finding{Text: engine.MessageOf(fault(ctx, err, "close a file"))})
	}
	renamed := probe + "2"
	if err := s.Rename(probe, renamed); err != nil {
		findings = append(findings, exporters.Finding{OK: p.InPlace, Text: "The user may not rename files there, so in_place has to be set."})
		renamed = probe
	} else {
		findings = append(findings, exporters.Finding{OK: true, Text: "The user may rename files there, so that no reader sees half of one."})
	}
	if err := s.Remove(renamed); err == nil {
		findings = append(findings, exporters.Finding{OK: true, Text: "The user may delete files there, such as the halves of failed exports."})
	} else {
		findings = append(findings, exporters.Finding{Text: fmt.Sprintf("The user may not delete files there: the empty file %q of this check is left, "+
			"as the halves of failed exports will be.", renamed)})
	}
	return findings
}
