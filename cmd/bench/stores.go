package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// values are what a server's script says at its start, KEY by KEY.
type values map[string]string

// store is one kind of storage system, with what Gantry and the peer have to know to reach it.
type store struct {
	kind, server string
	params       func(values) (map[string]any, error)
	name, prefix string // parameters
	folder       func(values) string
	rclone       func(values) []string     // its settings
	client       func(*suite, values) peer // the system's own; nil if there is none
}

// stores are measured in this order.
var stores = []store{
	{kind: "s3", server: "minio", name: "key", prefix: "key_prefix",
		folder: func(v values) string { return v["S3_BUCKET"] },
		params: func(v values) (map[string]any, error) {
			return map[string]any{"endpoint": v["S3_ENDPOINT"], "region": v["S3_REGION"], "bucket": v["S3_BUCKET"],
				"access_key_id": v["S3_ACCESS_KEY_ID"], "secret_access_key": v["S3_SECRET_ACCESS_KEY"]}, nil
		},
		rclone: func(v values) []string {
			return []string{"TYPE=s3", "PROVIDER=Minio", "ENDPOINT=" + v["S3_ENDPOINT"], "REGION=" + v["S3_REGION"],
				"ACCESS_KEY_ID=" + v["S3_ACCESS_KEY_ID"], "SECRET_ACCESS_KEY=" + v["S3_SECRET_ACCESS_KEY"]}
		}},
	{kind: "azure/blob", server: "azurite", name: "blob", prefix: "blob_prefix",
		folder: func(v values) string { return v["AZURE_CONTAINER"] },
		params: func(v values) (map[string]any, error) {
			return map[string]any{"storage_account": v["AZURE_ACCOUNT"], "storage_access_key": v["AZURE_KEY"],
				"container": v["AZURE_CONTAINER"], "endpoint": "http://" + v["AZURE_ADDRESS"] + "/" + v["AZURE_ACCOUNT"]}, nil
		},
		rclone: func(v values) []string {
			return []string{"TYPE=azureblob", "ACCOUNT=" + v["AZURE_ACCOUNT"], "KEY=" + v["AZURE_KEY"],
				"ENDPOINT=http://" + v["AZURE_ADDRESS"] + "/" + v["AZURE_ACCOUNT"]}
		}},
	{kind: "google-cloud-storage", server: "gcs", name: "file", prefix: "file_prefix",
		folder: func(v values) string { return v["GCS_BUCKET"] },
		params: func(v values) (map[string]any, error) {
			key, err := os.ReadFile(v["GCS_PRIVATE_KEY_FILE"])
			return map[string]any{"project_id": v["GCS_PROJECT"], "bucket": v["GCS_BUCKET"], "private_key": string(key),
				"client_email": "pipeline@" + v["GCS_ACCOUNTS"], "endpoint": "http://" + v["GCS_ADDRESS"],
				"token_url": "http://" + v["GCS_ADDRESS"] + "/token"}, err
		},
		rclone: googlePeer},
	{kind: "openstack", server: "openstack", name: "file", prefix: "file_prefix",
		folder: func(values) string { return "bench" },
		params: func(v values) (map[string]any, error) {
			return map[string]any{"auth_url": v["KEYSTONE_URL"], "username": v["KEYSTONE_USER"], "password": v["KEYSTONE_PASSWORD"],
				"tenant_name": v["KEYSTONE_PROJECT"], "region": v["KEYSTONE_REGION"], "container": "bench"}, nil
		},
		rclone: func(v values) []string {
			return []string{"TYPE=swift", "AUTH=" + v["KEYSTONE_URL"] + "/v3", "AUTH_VERSION=3", "USER=" + v["KEYSTONE_USER"],
				"KEY=" + v["KEYSTONE_PASSWORD"], "TENANT=" + v["KEYSTONE_PROJECT"], "DOMAIN=Default", "TENANT_DOMAIN=Default",
				"REGION=" + v["KEYSTONE_REGION"]}
		},
		client: (*suite).swiftClient},
	{kind: "sftp", server: "sftp", name: "file", prefix: "path",
		folder: func(values) string { return "upload" },
		params: func(v values) (map[string]any, error) {
			key, err := os.ReadFile(sshKey(v))
			return map[string]any{"host": v["SFTP_HOST"], "port": v["SFTP_PORT"], "username": v["SFTP_USER"], "private_key": string(key)}, err
		},
		rclone: func(v values) []string {
			return []string{"TYPE=sftp", "HOST=" + v["SFTP_HOST"], "PORT=" + v["SFTP_PORT"], "USER=" + v["SFTP_USER"],
				"KEY_FILE=" + sshKey(v), "SHELL_TYPE=none"}
		},
		client: (*suite).openSSH},
}

func sshKey(v values) string { return filepath.Join(v["SFTP_KEYS_DIR"], "ed25519") }

// googlePeer hands the account over as the file that Google gives out for one.
func googlePeer(v values) []string {
	key, _ := os.ReadFile(v["GCS_PRIVATE_KEY_FILE"]) // params has read it too, and reported what is wrong
	account, err := json.Marshal(map[string]string{"type": "service_account", "project_id": v["GCS_PROJECT"], "private_key_id": "k",
		"private_key": string(key), "client_email": "pipeline@" + v["GCS_ACCOUNTS"], "token_uri": "http://" + v["GCS_ADDRESS"] + "/token"})
	if err != nil {
		panic(err) // texts can be marshaled
	}
	return []string{"TYPE=google cloud storage", "SERVICE_ACCOUNT_CREDENTIALS=" + string(account), "BUCKET_POLICY_ONLY=true",
		"ENDPOINT=http://" + v["GCS_ADDRESS"] + "/storage/v1/", "PROJECT_NUMBER=" + v["GCS_PROJECT"]}
}

// startServer runs the script of a server that the tests have too. What it keeps is in the suite's folder.
func (s *suite) startServer(ctx context.Context, name string) (values, func(), error) {
	script := filepath.Join("testdata", "servers", name+".sh")
	c := exec.CommandContext(ctx, script, "start", s.dir)
	c.Env = append(os.Environ(), fmt.Sprintf("OWNER_PID=%d", os.Getpid()), "SWIFT_LARGEST=5368709122")
	c.Stderr = os.Stderr
	out, err := c.Output()
	if err != nil {
		return nil, nil, fmt.Errorf("start %s: %w", name, err)
	}
	v := values{}
	for line := range strings.Lines(string(out)) {
		if key, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "="); ok {
			v[key] = value
		}
	}
	stop := func() {
		_ = exec.Command(script, "stop", s.dir).Run() //nolint:noctx // it ends what the context was for
		os.RemoveAll(filepath.Join(s.dir, name))
	}
	return v, stop, nil
}
