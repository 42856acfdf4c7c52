package azureblob

import (
	"context"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/exporters"
)

// discard removes the blocks of an upload that will not be finished. Azure does that only when the blob is written, so an
// empty one is put there and deleted at once, each under the condition that nobody else has written. A blob that exists is
// left alone: its own content matters more than blocks that nobody sees and Azure removes.
func discard(ctx context.Context, env exporters.Env, p Params, st state) error {
	p.Container = st.Container
	c, err := newClient(env, p.Place)
	if err != nil {
		return err
	}
	if !c.mayDelete() {
		return engine.Errorf(engine.Denied, "The sas_token lacks the right d (delete), so the blocks of an unfinished upload stay, and "+
			"are paid for, until Azure removes them after a week.")
	}
	api, err := c.blob(st.Blob)
	if err != nil {
		return err
	}
	for range 3 {
		if err := c.sweep(ctx, api); err != nil {
			return err
		}
		if !isCrowded(ctx, api) {
			return nil
		}
	}
	return engine.Errorf(engine.Unavailable, "Blocks of the upload are still arriving.")
}

// sweep removes the blocks of a blob that does not exist: by an empty list of them, since Azurite takes a blob with nothing
// but such blocks for one that exists when it is put.
func (c *client) sweep(ctx context.Context, api *blockblob.Client) error {
	absent := azcore.ETagAny
	put, err := api.CommitBlockList(ctx, nil, &blockblob.CommitBlockListOptions{AccessConditions: &blob.AccessConditions{
		ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfNoneMatch: &absent}}})
	if bloberror.HasCode(err, bloberror.BlobAlreadyExists, bloberror.ConditionNotMet, bloberror.ContainerNotFound) {
		return nil
	}
	if err != nil {
		return c.fault(ctx, err, "write")
	}
	_, err = api.Delete(ctx, &blob.DeleteOptions{AccessConditions: &blob.AccessConditions{
		ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfMatch: put.ETag}}})
	if err != nil && !bloberror.HasCode(err, bloberror.BlobNotFound, bloberror.ConditionNotMet) {
		return c.fault(ctx, err, "delete")
	}
	return nil
}

// isCrowded reports whether a blob that does not exist is known to have blocks: of a request that was cut off, one can arrive
// afterwards. It takes the right to read; without it nothing is known.
func isCrowded(ctx context.Context, api *blockblob.Client) bool {
	list, err := api.GetBlockList(ctx, blockblob.BlockListTypeUncommitted, nil)
	if err != nil || len(list.UncommittedBlocks) == 0 {
		return false
	}
	_, err = api.GetProperties(ctx, nil)
	return bloberror.HasCode(err, bloberror.BlobNotFound)
}

// mayDelete reports whether the credentials are known to have the right to delete. A SAS whose rights are in a policy of the
// container does not say them.
func (c *client) mayDelete() bool {
	return c.key != nil || strings.Contains(c.query().Get("sp"), "d")
}
