package azureblob

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/exporters"
)

// noBlock is the id of a block that does not exist.
const noBlock = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

// check tries the destination with a list of blocks that do not exist: it needs the right to write, and makes nothing.
func check(ctx context.Context, env exporters.Env, p Params) []exporters.Finding {
	c, err := newClient(env, p.Place)
	if err != nil {
		return []exporters.Finding{{Text: engine.MessageOf(err)}}
	}
	api, err := c.blob(c.probe(p))
	if err != nil {
		return []exporters.Finding{{Text: engine.MessageOf(err)}}
	}
	_, err = api.CommitBlockList(ctx, []string{noBlock}, nil)
	if err != nil && !bloberror.HasCode(err, bloberror.InvalidBlockList) {
		return c.refused(err, c.fault(ctx, err, "write"))
	}
	findings := []exporters.Finding{c.reached(), c.known(),
		{OK: true, Text: "The container is there, and " + c.credential() + " may write to " + c.address + "."}}
	if end, ok := sasTime(c.query().Get("se")); ok && c.key == nil {
		findings = append(findings, exporters.Finding{OK: time.Until(end) > time.Hour, Text: "The sas_token is valid until " +
			end.Format(time.RFC3339) + "; uploads that take longer fail."})
	}
	if c.mayDelete() {
		return append(findings, exporters.Finding{OK: true, Text: "By what it says of itself " + c.credential() +
			" may delete, as is needed to remove the blocks of a large file whose export fails; that was not tried."})
	}
	return append(findings, exporters.Finding{Text: "The sas_token does not say that it has the right d (delete): blocks of a large " +
		"file whose export fails stay for a week."})
}

// probe is a name beside those that an export would write. A signature for one blob is good for that alone.
func (c *client) probe(p Params) string {
	if c.query().Get("sr") == "b" {
		return p.Blob
	}
	beside := p.Prefix
	if p.Blob != "" {
		beside = p.Blob[:strings.LastIndex(p.Blob, "/")+1]
	}
	return strings.TrimLeft(beside+"gantry-check", "/")
}

// refused says how far it got.
func (c *client) refused(err, failure error) []exporters.Finding {
	wrong := exporters.Finding{Text: engine.MessageOf(failure)}
	if answer := (*azcore.ResponseError)(nil); !errors.As(err, &answer) {
		return []exporters.Finding{wrong}
	}
	if engine.CodeOf(failure) == engine.NotFound { // who is not known is not told that
		return []exporters.Finding{c.reached(), c.known(), wrong}
	}
	return []exporters.Finding{c.reached(), wrong}
}

func (c *client) reached() exporters.Finding {
	service, _ := c.place.service() // it was fine for the client
	return exporters.Finding{OK: true, Text: "The blob service answers at " + service + "."}
}

func (c *client) known() exporters.Finding {
	return exporters.Finding{OK: true, Text: "It takes " + c.credential() + "."}
}

func (c *client) credential() string {
	if c.key != nil {
		return "the storage_access_key"
	}
	return "the sas_token"
}
