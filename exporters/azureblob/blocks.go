package azureblob

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc64"
	"io"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/exporters"
)

const (
	blocksAtOnce = 4
	mostBlocks   = 50_000
	saveEvery    = 2 * time.Second
	saveWithin   = 10 * time.Second
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
	api *blockblob.Client
	ids []string

	mu    sync.Mutex
	state state
	saved time.Time
}

// upload sends a file in blocks, going on with what an earlier try left.
func (e *exporter) upload(ctx context.Context, api *blockblob.Client, d exporters.Delivery) (map[string]string, error) {
	u := &upload{exporter: e, Delivery: d, api: api}
	if err := u.begin(ctx); err != nil {
		return nil, err
	}
	if err := u.send(ctx); err != nil {
		return nil, err
	}
	return u.commit(ctx)
}

// begin takes up a saved upload or begins one, which is saved before anything is sent.
func (u *upload) begin(ctx context.Context) error {
	saved, err := u.Checkpoint.Load(ctx)
	if err != nil {
		return err
	}
	if saved != nil {
		if err := json.Unmarshal(saved, &u.state); err != nil {
			return unknownState(err)
		}
	}
	count := int((u.File.Size + blockSize(u.File.Size) - 1) / blockSize(u.File.Size))
	if u.state.Block != blockSize(u.File.Size) || len(u.state.Staged) != (count+7)/8 {
		u.state = state{Container: u.place.Container, Blob: u.Name, Block: blockSize(u.File.Size), Staged: make([]byte, (count+7)/8)}
		if err := u.save(ctx); err != nil {
			return err
		}
	}
	u.ids = blockIDs(u.Delivery, u.state.Block, count)
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

// save keeps the state as it is now.
func (u *upload) save(ctx context.Context) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.saved = time.Now()
	raw, err := json.Marshal(u.state)
	if err != nil {
		return err
	}
	return u.Checkpoint.Save(ctx, raw)
}

// send stages the blocks that are missing, several at once. When it returns, none is under way any more.
func (u *upload) send(ctx context.Context) error {
	missing := u.missing()
	sending, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	next := make(chan int)
	var wg sync.WaitGroup
	for range blocksAtOnce {
		wg.Go(func() {
			for i := range next {
				if err := u.stage(sending, i); err != nil {
					stop(err)
				}
			}
		})
	}
	for _, i := range missing {
		select {
		case next <- i:
			continue
		case <-sending.Done():
		}
		break
	}
	close(next)
	wg.Wait()
	return u.keep(ctx, context.Cause(sending))
}

// missing are the numbers of the blocks that Azure has not confirmed.
func (u *upload) missing() (numbers []int) {
	for i := range u.ids {
		if u.state.Staged[i/8]&(1<<(i%8)) == 0 {
			numbers = append(numbers, i)
		}
	}
	return numbers
}

// keep saves what has arrived, also when that is not all: failed is why.
func (u *upload) keep(ctx context.Context, failed error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveWithin)
	defer cancel()
	err := u.save(ctx)
	if failed != nil && errors.Is(err, engine.ErrLeaseLost) {
		return failed
	}
	return errors.Join(failed, err)
}

// stage sends one block. Azure compares its CRC64.
func (u *upload) stage(ctx context.Context, i int) error {
	offset := int64(i) * u.state.Block
	size := min(u.state.Block, u.File.Size-offset)
	sum, err := u.sum(ctx, offset, size)
	if err != nil {
		return err
	}
	content := &body{size: size, open: func() (io.ReadCloser, error) { return u.OpenRange(ctx, offset, size) }}
	defer content.Close()
	calling, done := patiently(ctx, content)
	defer done()
	_, err = u.api.StageBlock(calling, u.ids[i], content,
		&blockblob.StageBlockOptions{TransactionalValidation: blob.TransferValidationTypeCRC64(sum)})
	if err != nil {
		return u.fault(ctx, err, "write")
	}
	u.mu.Lock()
	u.state.Staged[i/8] |= 1 << (i % 8)
	due := time.Since(u.saved) > saveEvery
	u.mu.Unlock()
	if due {
		return u.save(ctx)
	}
	return nil
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

// azureSum is the table of the CRC64 that Azure knows.
var azureSum = crc64.MakeTable(0x9A6C9329AC4BC9B5)

// sum returns the CRC64 of a part of the file. It goes ahead of the bytes, so these are read twice rather than held.
func (u *upload) sum(ctx context.Context, offset, size int64) (uint64, error) {
	src, err := u.OpenSeeker(ctx)
	if err != nil {
		return 0, err
	}
	defer src.Close()
	if _, err := src.Seek(offset, io.SeekStart); err != nil {
		return 0, err
	}
	sum := crc64.New(azureSum)
	_, err = io.CopyBuffer(sum, io.LimitReader(src, size), make([]byte, 64<<10))
	return sum.Sum64(), err
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
	clear(u.state.Staged)
	return errors.Join(failed, u.save(ctx))
}

// crowded reports whether the blob has blocks of another upload that keep ours away: their ids have another length, or they
// are too many.
func crowded(err error) bool {
	return says(err, bloberror.InvalidBlobOrBlock, bloberror.BlockCountExceedsLimit)
}
