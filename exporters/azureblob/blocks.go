package azureblob

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"

	"github.com/gantry-engine/gantry/exporters"
)

const (
	blocksAtOnce = 4
	mostBlocks   = 50_000
	answerWithin = 2 * time.Second
)

// state is what a checkpoint holds: what is needed to go on with an upload. Azure is never asked for the blocks it has, since
// that takes the right to read, which an export need not have.
type state struct {
	Container string `json:"container"`
	Blob      string `json:"blob"`
	Block     int64  `json:"block"`  // bytes of each block but the last
	Staged    []byte `json:"staged"` // a bit for every block that Azure has confirmed
}

// blockSize is the size of the blocks of a file, so that there are never more than Azure takes.
func blockSize(size int64) int64 {
	least := (size + mostBlocks - 1) / mostBlocks
	return max(onePut, (least+mib-1)/mib*mib)
}

// upload is one file on its way in blocks.
type upload struct {
	*exporter
	exporters.Delivery
	exporters.Kept[state]
	api *blockblob.Client
	ids []string
}

// upload sends a file in blocks, going on with what an earlier try left.
func (e *exporter) upload(ctx context.Context, api *blockblob.Client, d exporters.Delivery) (map[string]string, error) {
	u := &upload{exporter: e, Delivery: d, api: api}
	if err := u.begin(ctx); err != nil {
		return nil, err
	}
	if err := u.Keep(ctx, exporters.Each(ctx, blocksAtOnce, u.missing(), u.stage)); err != nil {
		return nil, err
	}
	return u.commit(ctx)
}

// begin takes up a saved upload or begins one, which is saved before anything is sent.
func (u *upload) begin(ctx context.Context) error {
	if err := u.Recall(ctx, u.Checkpoint); err != nil {
		return err
	}
	count := int((u.File.Size + blockSize(u.File.Size) - 1) / blockSize(u.File.Size))
	if u.State.Block != blockSize(u.File.Size) || len(u.State.Staged) != (count+7)/8 {
		u.State = state{Container: u.place.Container, Blob: u.Name, Block: blockSize(u.File.Size), Staged: make([]byte, (count+7)/8)}
		if err := u.Save(ctx); err != nil {
			return err
		}
	}
	u.ids = blockIDs(u.Delivery, u.State.Block, count)
	return nil
}

// blockIDs returns the ids of a delivery's blocks. All ids of one blob must have one length. The same id always stands for
// the same bytes, so that no two uploads can be mixed and a repeated block or list changes nothing.
func blockIDs(d exporters.Delivery, block int64, count int) []string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %s %d %d", d.ID, d.File.SHA256, d.File.Size, block))
	ids := make([]string, count)
	for i := range ids {
		ids[i] = base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(sum[:20:20], uint32(i)))
	}
	return ids
}

// missing are the numbers of the blocks that Azure has not confirmed.
func (u *upload) missing() (numbers []int) {
	for i := range u.ids {
		if u.State.Staged[i/8]&(1<<(i%8)) == 0 {
			numbers = append(numbers, i)
		}
	}
	return numbers
}

// stage sends one block. Azure compares its MD5: a CRC64, which would do as well, costs its emulator more than all else.
func (u *upload) stage(ctx context.Context, i int) error {
	offset := int64(i) * u.State.Block
	size := min(u.State.Block, u.File.Size-offset)
	sum, err := u.sum(ctx, offset, size)
	if err != nil {
		return err
	}
	content := &body{size: size, open: func() (io.ReadCloser, error) { return u.OpenRange(ctx, offset, size) }}
	defer content.Close()
	calling, done := patiently(ctx, content)
	defer done()
	_, err = u.api.StageBlock(calling, u.ids[i], content,
		&blockblob.StageBlockOptions{TransactionalValidation: blob.TransferValidationTypeMD5(sum)})
	if err != nil {
		return u.fault(ctx, err, "write")
	}
	return u.Note(ctx, func(st *state) { st.Staged[i/8] |= 1 << (i % 8) })
}

// patiently returns a context for a request that ends with ctx while the content is being sent, and a little later when all
// of it has been: Azure then has the block, and would show it after it was discarded if nobody waited for the answer.
func patiently(ctx context.Context, content *body) (calling context.Context, done func()) {
	calling, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		if content.sent.Load() {
			select {
			case <-time.After(answerWithin):
			case <-calling.Done():
			}
		}
		cancel(context.Cause(ctx))
	})
	return calling, func() { stop(); cancel(nil) }
}

// sum returns the MD5 of a part of the file. It goes ahead of the bytes, so these are read twice rather than held.
func (u *upload) sum(ctx context.Context, offset, size int64) ([]byte, error) {
	src, err := u.OpenSeeker(ctx)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	if _, err := src.Seek(offset, io.SeekStart); err != nil {
		return nil, err
	}
	sum := md5.New()
	_, err = io.CopyBuffer(sum, io.LimitReader(src, size), make([]byte, 64<<10))
	return sum.Sum(nil), err
}

// commit makes the blob of its blocks. It may be repeated when its answer was lost: Azure then finds the blocks in the blob
// itself. When somebody else has written the blob meanwhile, the blocks are gone, and the list is refused: that is why it
// needs no precondition, which would take the right to read.
func (u *upload) commit(ctx context.Context) (map[string]string, error) {
	if err := u.Commit(ctx); err != nil {
		return nil, err
	}
	out, err := u.api.CommitBlockList(ctx, u.ids,
		&blockblob.CommitBlockListOptions{HTTPHeaders: headers(u.File), Metadata: u.params.metadata()})
	if err != nil {
		return nil, u.forget(ctx, u.fault(ctx, err, "write"))
	}
	return facts(out.ETag, out.VersionID, u.File), nil
}

// forget notes that the blocks are gone, where that is what the commit failed with, so that the next try sends them again.
func (u *upload) forget(ctx context.Context, failed error) error {
	if !says(failed, bloberror.InvalidBlockList) {
		return failed
	}
	clear(u.State.Staged)
	return errors.Join(failed, u.Save(ctx))
}

// crowded reports whether the blob has blocks of another upload that keep ours away: their ids have another length, or they
// are too many.
func crowded(err error) bool {
	return says(err, bloberror.InvalidBlobOrBlock, bloberror.BlockCountExceedsLimit)
}
