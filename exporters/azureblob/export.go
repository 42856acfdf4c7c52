package azureblob

import (
	"context"
	"encoding/hex"
	"io"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/exporters"
)

const (
	mib     = 1 << 20
	onePut  = 8 * mib    // above it a file is sent in blocks
	mostPut = 5000 * mib // what Azure takes in one request
)

// exporter delivers to one container.
type exporter struct {
	*client
	params Params
}

func open(env exporters.Env, p Params) (*exporter, error) {
	c, err := newClient(env, p.Place)
	if err != nil {
		return nil, err
	}
	return &exporter{client: c, params: p}, nil
}

// Export implements exporters.Exporter. A small file goes in one request, a larger one in blocks. Where the blob is crowded
// with another program's blocks, ours would be refused; one request does without.
func (e *exporter) Export(ctx context.Context, d exporters.Delivery) (exporters.Receipt, error) {
	api, err := e.blob(d.Name)
	if err != nil {
		return exporters.Receipt{}, err
	}
	facts := map[string]string(nil)
	if d.File.Size <= onePut {
		facts, err = e.put(ctx, api, d)
	} else if facts, err = e.upload(ctx, api, d); crowded(err) && d.File.Size <= mostPut {
		facts, err = e.put(ctx, api, d)
	}
	if err != nil {
		return exporters.Receipt{}, err
	}
	facts["location"] = e.location(d.Name)
	return exporters.Receipt{Facts: facts}, nil
}

// Close implements exporters.Exporter.
func (e *exporter) Close() error { return nil }

// put sends a file in one request. Azure compares the MD5, which is known from when the file was stored, and keeps it.
func (e *exporter) put(ctx context.Context, api *blockblob.Client, d exporters.Delivery) (map[string]string, error) {
	content := &body{size: d.File.Size, open: func() (io.ReadCloser, error) { return d.Open(ctx) }}
	defer content.Close()
	if d.File.Size == 0 {
		if err := content.drain(); err != nil {
			return nil, err
		}
	}
	options := &blockblob.UploadOptions{HTTPHeaders: headers(d.File), Metadata: e.params.metadata()}
	if sum := md5Of(d.File); sum != nil {
		options.TransactionalValidation = blob.TransferValidationTypeMD5(sum)
	}
	out, err := api.Upload(ctx, content, options)
	if err != nil {
		return nil, e.fault(ctx, err, "write")
	}
	return facts(out.ETag, out.VersionID, d.File), nil
}

// facts are what is known of a blob that was written.
func facts(etag *azcore.ETag, version *string, f engine.File) map[string]string {
	facts := map[string]string{"md5": hex.EncodeToString(md5Of(f))}
	if etag != nil {
		facts["etag"] = string(*etag)
	}
	if version != nil {
		facts["version"] = *version
	}
	return facts
}
