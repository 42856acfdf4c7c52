package s3_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/gantry-engine/gantry/exporters"
	"github.com/gantry-engine/gantry/exporters/exportertest"
	"github.com/gantry-engine/gantry/exporters/exportertest/testserver"
	"github.com/gantry-engine/gantry/exporters/s3"
)

var servers testserver.Servers

func TestMain(m *testing.M) { os.Exit(testserver.Main(m, &servers)) }

func TestExporter(t *testing.T) { exportertest.Run(t, newMinio(t)) }

func TestToxic(t *testing.T) {
	exportertest.RunToxic(t, newMinio(t), servers.Start(t, "toxiproxy")["TOXIPROXY_URL"])
}

// minio is the harness: a real server, whose bucket everybody may read, so that a plain HTTP client is a second opinion.
type minio struct {
	endpoint, address, bucket, region, id, secret, kmsKey string
	unfinished                                            string // the folder in which the server keeps parts
}

func newMinio(t testing.TB) minio {
	t.Helper()
	v := servers.Start(t, "minio")
	m := minio{endpoint: v["S3_ENDPOINT"], address: v["S3_ADDRESS"], bucket: v["S3_BUCKET"], region: v["S3_REGION"],
		id: v["S3_ACCESS_KEY_ID"], secret: v["S3_SECRET_ACCESS_KEY"], kmsKey: v["S3_KMS_KEY_ID"], unfinished: v["S3_UNFINISHED"]}
	policy := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::%s/*"}]}`, m.bucket)
	_, err := m.api().PutBucketPolicy(t.Context(), &sdk.PutBucketPolicyInput{Bucket: &m.bucket, Policy: &policy})
	if err != nil {
		t.Fatalf("let everybody read the bucket: %v", err)
	}
	return m
}

// api is the vendor's client, for what the tests prepare.
func (m minio) api() *sdk.Client {
	return sdk.New(sdk.Options{Region: m.region, BaseEndpoint: &m.endpoint, UsePathStyle: true,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: m.id, SecretAccessKey: m.secret}, nil
		})})
}

func (minio) Definition() exporters.Definition { return s3.Definition() }
func (m minio) Address() string                { return m.address }
func (minio) PartSize() int64                  { return 16 << 20 }

func (m minio) Params(_ testing.TB, address, name string) map[string]any {
	params := map[string]any{"endpoint": "http://" + address, "bucket": m.bucket, "region": m.region,
		"access_key_id": m.id, "secret_access_key": m.secret}
	if name != "" {
		params["key"] = name
	}
	return params
}

func (m minio) Wrong(t testing.TB, kind exportertest.Kind, name string) map[string]any {
	params := m.Params(t, m.address, name)
	switch kind {
	case exportertest.Denied:
		params["secret_access_key"] = "not-the-secret-canary"
	case exportertest.Missing:
		params["bucket"] = "no-such-bucket"
	}
	return params
}

func (m minio) Read(t testing.TB, name string) (exportertest.Object, bool) {
	t.Helper()
	header, body, ok := m.get(t, name)
	return exportertest.Object{Bytes: body, MIME: header.Get("Content-Type")}, ok
}

func (m minio) get(t testing.TB, name string) (http.Header, []byte, bool) {
	t.Helper()
	address := m.endpoint + (&url.URL{Path: "/" + m.bucket + "/" + name}).EscapedPath()
	return exportertest.Get(t, address)
}

func (m minio) Unfinished(t testing.TB) []string {
	t.Helper()
	left, err := filepath.Glob(filepath.Join(m.unfinished, "*", "*", "xl.meta"))
	if err != nil {
		t.Fatal(err)
	}
	return left
}
