package azureblob

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/exporters"
)

// source reads from one container.
type source struct{ *client }

func openSource(env exporters.Env, p ReadParams) (*source, error) {
	c, err := newClient(env, p.Place)
	if err != nil {
		return nil, err
	}
	return &source{c}, nil
}

// Stat implements exporters.Source.
func (s *source) Stat(ctx context.Context, name string) (exporters.Object, error) {
	name = strings.TrimLeft(name, "/")
	api, err := s.blob(name)
	if err != nil {
		return exporters.Object{}, err
	}
	out, err := api.GetProperties(ctx, nil)
	if err != nil {
		return exporters.Object{}, s.fault(ctx, err, "read")
	}
	return object(name, out.ContentLength, out.ETag), nil
}

// List implements exporters.Source. Metadata is asked for, since it tells the folders of an account that has such.
func (s *source) List(ctx context.Context, prefix string, yield func(exporters.Object) error) error {
	prefix = strings.TrimLeft(prefix, "/")
	api, err := s.container()
	if err != nil {
		return err
	}
	pages := api.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{Prefix: &prefix, Include: container.ListBlobsInclude{Metadata: true}})
	for pages.More() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return s.fault(ctx, err, "list")
		}
		if page.Segment == nil {
			continue
		}
		for _, item := range page.Segment.BlobItems {
			if item.Name == nil || item.Properties == nil || isFolder(item) {
				continue
			}
			if err := yield(object(*item.Name, item.Properties.ContentLength, item.Properties.ETag)); err != nil {
				return err
			}
		}
	}
	return nil
}

func isFolder(item *container.BlobItem) bool {
	if strings.HasSuffix(*item.Name, "/") {
		return true
	}
	for name, value := range item.Metadata {
		if strings.EqualFold(name, "hdi_isfolder") && value != nil && strings.EqualFold(*value, "true") {
			return true
		}
	}
	return false
}

func object(name string, size *int64, etag *azcore.ETag) exporters.Object {
	o := exporters.Object{Name: name, Size: -1}
	if size != nil {
		o.Size = *size
	}
	if etag != nil {
		o.Version = strings.Trim(string(*etag), `"`) // a listing has it without quotes
	}
	return o
}

// Open implements exporters.Source. The MD5 is what whoever wrote the blob said it is.
func (s *source) Open(ctx context.Context, o exporters.Object, offset int64) (exporters.Content, error) {
	api, err := s.blob(o.Name)
	if err != nil {
		return exporters.Content{}, err
	}
	options := &blob.DownloadStreamOptions{Range: blob.HTTPRange{Offset: offset}}
	if o.Version != "" {
		etag := azcore.ETag(`"` + o.Version + `"`)
		options.AccessConditions = &blob.AccessConditions{ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfMatch: &etag}}
	}
	out, err := api.DownloadStream(ctx, options)
	if err != nil {
		return exporters.Content{}, s.fault(ctx, err, "read")
	}
	if offset > 0 && (out.ContentRange == nil || !strings.HasPrefix(*out.ContentRange, fmt.Sprintf("bytes %d-", offset))) {
		out.Body.Close()
		return exporters.Content{}, engine.Errorf(engine.Unavailable, "Azure does not send the blob from where the download broke off.")
	}
	sum := out.BlobContentMD5 // which comes with a part
	if offset == 0 && sum == nil {
		sum = out.ContentMD5
	}
	return exporters.Content{ReadCloser: out.Body, MD5: hex.EncodeToString(sum)}, nil
}

// Close implements exporters.Source.
func (s *source) Close() error { return nil }
