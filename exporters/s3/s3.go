// Package s3 is the exporter to, and the source from, Amazon S3 and what speaks its protocol.
package s3

import (
	"context"

	"github.com/gantry-engine/gantry/engine/param"
	"github.com/gantry-engine/gantry/exporters"
)

// Place says which bucket, and who asks.
type Place struct {
	Bucket          string       `json:"bucket" doc:"The bucket." rule:"required,role=address"`
	Region          string       `json:"region" doc:"The bucket's region, such as us-west-2 or eu-west-1." rule:"required,role=address"`
	Endpoint        string       `json:"endpoint" doc:"URL of another S3-compatible service; by default that of Amazon in the region." rule:"role=address"`
	AccessKeyID     param.Secret `json:"access_key_id" doc:"The access key id. It needs s3:PutObject to export and s3:GetObject to import." rule:"required,role=credential"`
	SecretAccessKey param.Secret `json:"secret_access_key" doc:"The secret access key." rule:"required,role=credential"`
	SessionToken    param.Secret `json:"session_token" doc:"The session token, where the key is a temporary one." rule:"role=credential"`
}

// Params are the parameters of export/s3.
type Params struct {
	Place
	Key                string            `json:"key" doc:"The object's name in full; %d is the number of one of several files." rule:"role=name"`
	KeyPrefix          string            `json:"key_prefix" doc:"What is put before the file's own name, where there is no key." rule:"role=prefix"`
	ACL                string            `json:"acl" doc:"Who may read the object: private, public-read, public-read-write, authenticated-read, bucket-owner-read or bucket-owner-full-control."`
	CacheControl       string            `json:"cache_control" doc:"The object's Cache-Control header."`
	ContentDisposition string            `json:"content_disposition" doc:"The object's Content-Disposition header."`
	ContentType        string            `json:"content_type" doc:"The object's Content-Type header; by default by the file's content."`
	Metadata           map[string]string `json:"metadata" doc:"Metadata of the object, with or without x-amz-meta- in front of its names."`
	Encryption         string            `json:"server_side_encryption" doc:"How the object is encrypted at rest: AES256 or aws:kms."`
	KMSKeyID           string            `json:"sse_kms_key_id" doc:"The KMS key for aws:kms; by default the account's own for S3."`
	Tagging            map[string]string `json:"tagging" doc:"Tags of the object; they need s3:PutObjectTagging."`
}

// ReadParams are the parameters of import/s3.
type ReadParams struct {
	Place
	Key       string `json:"key" doc:"The object's name in full, or a pattern with * and ? for several." rule:"role=name"`
	KeyPrefix string `json:"key_prefix" doc:"Imports all objects whose names begin with it, where there is no key." rule:"role=prefix"`
}

// Definition returns the definition of the kind s3.
func Definition() exporters.Definition {
	def := exporters.Define("s3", "Exports files to an Amazon S3 bucket, or to one of a compatible service.", Params{},
		func(_ context.Context, env exporters.Env, p Params) (exporters.Exporter, error) { return open(env, p) })
	def.Promises.LateCommit = "S3 completes an upload for whoever knows its id, so a worker that lost its task in that very " +
		"moment may write the same bytes once more"
	def.Promises.LostOpening = "nobody but the service knows the id of an upload when the answer that says it is lost, and none is " +
		"aborted whose id is not known to be ours; without parts it costs nothing"
	def.Clean = exporters.FlatNames("S3", 1024, nil)
	def.Validate = exporters.ValidateWith(Params.validate)
	def.Discard = exporters.DiscardWith(discard)
	def.Check = exporters.CheckWith(check)
	def.Reading = exporters.NewReading("Imports files from an Amazon S3 bucket, or from one of a compatible service.", ReadParams{},
		func(_ context.Context, env exporters.Env, p ReadParams) (exporters.Source, error) {
			return openSource(env, p)
		})
	return def
}
