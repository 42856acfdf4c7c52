package azureblob_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"

	"github.com/gantry-engine/gantry/exporters"
	"github.com/gantry-engine/gantry/exporters/azureblob"
	"github.com/gantry-engine/gantry/exporters/exportertest"
	"github.com/gantry-engine/gantry/exporters/exportertest/testserver"
)

var servers testserver.Servers

func TestMain(m *testing.M) { os.Exit(testserver.Main(m, &servers)) }

func TestExporter(t *testing.T) { exportertest.Run(t, newAzurite(t)) }

// azurite is the harness: the vendor's emulator with a container whose blobs everybody may read, so that a plain HTTP client
// is a second opinion.
type azurite struct{ address, account, key, container string }

func newAzurite(t testing.TB) azurite {
	t.Helper()
	v := servers.Start(t, "azurite")
	a := azurite{address: v["AZURE_ADDRESS"], account: v["AZURE_ACCOUNT"], key: v["AZURE_KEY"], container: v["AZURE_CONTAINER"]}
	public := container.PublicAccessTypeBlob
	_, err := a.api(t, a.container).Create(t.Context(), &container.CreateOptions{Access: &public})
	if err != nil && !bloberror.HasCode(err, bloberror.ContainerAlreadyExists) {
		t.Fatalf("make the container: %v", err)
	}
	return a
}

// service is the address of the blob service through that host:port.
func (a azurite) service(address string) string { return "http://" + address + "/" + a.account }

// api is the vendor's client, for what the tests prepare and look at.
func (a azurite) api(t testing.TB, name string) *container.Client {
	t.Helper()
	key, err := container.NewSharedKeyCredential(a.account, a.key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := container.NewClientWithSharedKeyCredential(a.service(a.address)+"/"+name, key, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (a azurite) blob(t testing.TB, name string) *blockblob.Client {
	t.Helper()
	return a.api(t, a.container).NewBlockBlobClient(name)
}

// sas makes a signature for the container with those rights, from start on if that is not zero.
func (a azurite) sas(t testing.TB, rights sas.ContainerPermissions, start, end time.Time) string {
	t.Helper()
	key, err := container.NewSharedKeyCredential(a.account, a.key)
	if err != nil {
		t.Fatal(err)
	}
	values := sas.BlobSignatureValues{Protocol: sas.ProtocolHTTPSandHTTP, StartTime: start, ExpiryTime: end,
		Permissions: rights.String(), ContainerName: a.container}
	query, err := values.SignWithSharedKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return query.Encode()
}

func (azurite) Definition() exporters.Definition { return azureblob.Definition() }
func (a azurite) Address() string                { return a.address }
func (azurite) PartSize() int64                  { return 8 << 20 }

func (a azurite) Params(_ testing.TB, address, name string) map[string]any {
	params := map[string]any{"storage_account": a.account, "storage_access_key": a.key, "container": a.container,
		"endpoint": a.service(address)}
	if name != "" {
		params["blob"] = name
	}
	return params
}

func (a azurite) Wrong(t testing.TB, kind exportertest.Kind, name string) map[string]any {
	params := a.Params(t, a.address, name)
	switch kind {
	case exportertest.Denied:
		params["storage_access_key"] = "bm90IHRoZSBrZXkgY2FuYXJ5"
	case exportertest.Missing:
		params["container"] = "no-such-container"
	}
	return params
}

func (a azurite) Read(t testing.TB, name string) (exportertest.Object, bool) {
	t.Helper()
	header, body, ok := a.get(t, name)
	return exportertest.Object{Bytes: body, MIME: header.Get("Content-Type")}, ok
}

func (a azurite) get(t testing.TB, name string) (http.Header, []byte, bool) {
	t.Helper()
	address := "http://" + a.address + (&url.URL{Path: "/" + a.account + "/" + a.container + "/" + name}).EscapedPath()
	return exportertest.Get(t, address)
}

// Unfinished implements exportertest.Harness: Azure lists blobs that have nothing but blocks of an unfinished upload, and is
// asked for those under each that exists.
func (a azurite) Unfinished(t testing.TB) (left []string) {
	t.Helper()
	pages := a.api(t, a.container).NewListBlobsFlatPager(&container.ListBlobsFlatOptions{
		Include: container.ListBlobsInclude{UncommittedBlobs: true}})
	for pages.More() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range page.Segment.BlobItems {
			if len(a.uncommitted(t, *item.Name)) > 0 {
				left = append(left, *item.Name)
			}
		}
	}
	return left
}

// uncommitted lists the ids of the blocks that are not part of the blob.
func (a azurite) uncommitted(t testing.TB, name string) (ids []string) {
	t.Helper()
	list, err := a.blob(t, name).GetBlockList(t.Context(), blockblob.BlockListTypeUncommitted, nil)
	if bloberror.HasCode(err, bloberror.BlobNotFound) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range list.UncommittedBlocks {
		ids = append(ids, *block.Name)
	}
	return ids
}

func (a azurite) exists(t testing.TB, name string) bool {
	t.Helper()
	_, err := a.blob(t, name).GetProperties(t.Context(), nil)
	if err != nil && !bloberror.HasCode(err, bloberror.BlobNotFound) && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	return err == nil
}
