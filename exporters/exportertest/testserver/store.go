package testserver

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
)

// Values are what a server's script says at its start, KEY by KEY.
type Values = map[string]string

// Store is a storage system that can be written to and read from, with what Gantry and rclone, another client of it, have to
// know to reach its server.
type Store struct {
	Kind, Server string // Server is the name of the script
	Address      string // the key of the host:port that takes the bytes
	Name, Prefix string // the parameters for an object's name, and for what is put before one, where there is that

	// Params returns the parameters of a task, without a name.
	Params func(Values) (map[string]any, error)

	// Folder is the bucket or container of Params, as rclone wants it before a name. It may have to be made.
	Folder func(Values) string

	// Rclone returns rclone's settings, each OPTION=value.
	Rclone func(Values) []string
}

// Stores are the storage systems, each with its real server or its vendor's emulator.
var Stores = []Store{
	{Kind: "s3", Server: "minio", Address: "S3_ADDRESS", Name: "key", Prefix: "key_prefix",
		Folder: func(v Values) string { return v["S3_BUCKET"] },
		Params: func(v Values) (map[string]any, error) {
			return map[string]any{"endpoint": v["S3_ENDPOINT"], "region": v["S3_REGION"], "bucket": v["S3_BUCKET"],
				"access_key_id": v["S3_ACCESS_KEY_ID"], "secret_access_key": v["S3_SECRET_ACCESS_KEY"]}, nil
		},
		Rclone: func(v Values) []string {
			return []string{"TYPE=s3", "PROVIDER=Minio", "ENDPOINT=" + v["S3_ENDPOINT"], "REGION=" + v["S3_REGION"],
				"ACCESS_KEY_ID=" + v["S3_ACCESS_KEY_ID"], "SECRET_ACCESS_KEY=" + v["S3_SECRET_ACCESS_KEY"]}
		}},
	{Kind: "azure/blob", Server: "azurite", Address: "AZURE_ADDRESS", Name: "blob", Prefix: "blob_prefix",
		Folder: func(v Values) string { return v["AZURE_CONTAINER"] },
		Params: func(v Values) (map[string]any, error) {
			return map[string]any{"storage_account": v["AZURE_ACCOUNT"], "storage_access_key": v["AZURE_KEY"],
				"container": v["AZURE_CONTAINER"], "endpoint": "http://" + v["AZURE_ADDRESS"] + "/" + v["AZURE_ACCOUNT"]}, nil
		},
		Rclone: func(v Values) []string {
			return []string{"TYPE=azureblob", "ACCOUNT=" + v["AZURE_ACCOUNT"], "KEY=" + v["AZURE_KEY"],
				"ENDPOINT=http://" + v["AZURE_ADDRESS"] + "/" + v["AZURE_ACCOUNT"]}
		}},
	{Kind: "google-cloud-storage", Server: "gcs", Address: "GCS_ADDRESS", Name: "file", Prefix: "file_prefix",
		Folder: func(v Values) string { return v["GCS_BUCKET"] },
		Params: func(v Values) (map[string]any, error) {
			key, err := os.ReadFile(v["GCS_PRIVATE_KEY_FILE"])
			return map[string]any{"project_id": v["GCS_PROJECT"], "bucket": v["GCS_BUCKET"], "private_key": string(key),
				"client_email": "pipeline@" + v["GCS_ACCOUNTS"], "endpoint": "http://" + v["GCS_ADDRESS"],
				"token_url": "http://" + v["GCS_ADDRESS"] + "/token"}, err
		},
		Rclone: googleSettings},
	{Kind: "openstack", Server: "openstack", Address: "SWIFT_ADDRESS", Name: "file", Prefix: "file_prefix",
		Folder: func(v Values) string { return v["SWIFT_CONTAINER"] },
		Params: func(v Values) (map[string]any, error) {
			return map[string]any{"auth_url": v["KEYSTONE_URL"], "username": v["KEYSTONE_USER"], "password": v["KEYSTONE_PASSWORD"],
				"tenant_name": v["KEYSTONE_PROJECT"], "region": v["KEYSTONE_REGION"], "container": v["SWIFT_CONTAINER"]}, nil
		},
		Rclone: func(v Values) []string {
			return []string{"TYPE=swift", "AUTH=" + v["KEYSTONE_URL"] + "/v3", "AUTH_VERSION=3", "USER=" + v["KEYSTONE_USER"],
				"KEY=" + v["KEYSTONE_PASSWORD"], "TENANT=" + v["KEYSTONE_PROJECT"], "DOMAIN=Default", "TENANT_DOMAIN=Default",
				"REGION=" + v["KEYSTONE_REGION"]}
		}},
	{Kind: "sftp", Server: "sftp", Address: "SFTP_ADDRESS", Name: "file", Prefix: "path",
		Folder: func(Values) string { return "upload" },
		Params: func(v Values) (map[string]any, error) {
			key, err := os.ReadFile(sshKey(v))
			return map[string]any{"host": v["SFTP_HOST"], "port": v["SFTP_PORT"], "username": v["SFTP_USER"], "private_key": string(key)}, err
		},
		Rclone: func(v Values) []string {
			return []string{"TYPE=sftp", "HOST=" + v["SFTP_HOST"], "PORT=" + v["SFTP_PORT"], "USER=" + v["SFTP_USER"],
				"KEY_FILE=" + sshKey(v), "SHELL_TYPE=none"}
		}},
	{Kind: "upload", Server: "nginx", Address: "HTTP_ADDRESS", Name: "url",
		Folder: func(Values) string { return "" },
		Params: func(Values) (map[string]any, error) { return map[string]any{}, nil },
		Rclone: func(v Values) []string { return []string{"TYPE=http", "URL=" + v["HTTP_URL"] + "/dav/"} }},
}

// Named is what the parameter Name or Prefix says for the object that rclone knows by that name in Folder.
func (s Store) Named(v Values, name string) string {
	switch s.Kind {
	case "sftp": // its folder is no parameter of its own
		return s.Folder(v) + "/" + name
	case "upload":
		return v["HTTP_URL"] + (&url.URL{Path: "/dav/" + name}).EscapedPath()
	}
	return name
}

func sshKey(v Values) string { return filepath.Join(v["SFTP_KEYS_DIR"], "ed25519") }

// googleSettings hands the account over as the file that Google gives out for one.
func googleSettings(v Values) []string {
	key, _ := os.ReadFile(v["GCS_PRIVATE_KEY_FILE"]) // Params has read it too, and reported what is wrong
	account, err := json.Marshal(map[string]string{"type": "service_account", "project_id": v["GCS_PROJECT"], "private_key_id": "k",
		"private_key": string(key), "client_email": "pipeline@" + v["GCS_ACCOUNTS"], "token_uri": "http://" + v["GCS_ADDRESS"] + "/token"})
	if err != nil {
		panic(fmt.Errorf("testserver: %w", err)) // texts can be marshaled
	}
	return []string{"TYPE=google cloud storage", "SERVICE_ACCOUNT_CREDENTIALS=" + string(account), "BUCKET_POLICY_ONLY=true",
		"ENDPOINT=http://" + v["GCS_ADDRESS"] + "/storage/v1/", "PROJECT_NUMBER=" + v["GCS_PROJECT"]}
}
