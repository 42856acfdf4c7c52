package s3

import (
	"mime"
	"net/url"
	"strings"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/param"
)

const (
	metaPrefix  = "x-amz-meta-"
	maxMetadata = 2 << 10 // bytes of all names and values
)

// spelled returns the one of known that text means, whatever its case and dashes, and text itself if it is none.
func spelled(text string, known ...string) string {
	plain := func(s string) string {
		return strings.Map(func(r rune) rune {
			if unicode.IsLetter(r) || unicode.IsDigit(r) {
				return unicode.ToLower(r)
			}
			return -1
		}, s)
	}
	for _, k := range known {
		if plain(k) == plain(text) {
			return k
		}
	}
	return text
}

// acl returns the header for the ACL; empty for private, which is the default everywhere and refused as a header by buckets
// whose owner owns all objects.
func (p Params) acl() types.ObjectCannedACL {
	acl := spelled(p.ACL, "private", "public-read", "public-read-write", "authenticated-read", "bucket-owner-read",
		"bucket-owner-full-control", "aws-exec-read")
	if acl == "private" {
		return ""
	}
	return types.ObjectCannedACL(acl)
}

func (p Params) encryption() types.ServerSideEncryption {
	return types.ServerSideEncryption(spelled(p.Encryption, "AES256", "aws:kms", "aws:kms:dsse"))
}

// metadata returns names without the header's prefix and values as a header can hold them: other than ASCII is encoded by
// RFC 2047, as S3 shows it, and spaces in a row, which would break the signature, are one.
func (p Params) metadata() map[string]string {
	if len(p.Metadata) == 0 {
		return nil
	}
	out := make(map[string]string, len(p.Metadata))
	for name, value := range p.Metadata {
		out[metaName(name)] = mime.BEncoding.Encode("utf-8", strings.Join(strings.Fields(value), " "))
	}
	return out
}

func metaName(name string) string {
	return strings.TrimPrefix(strings.ToLower(name), metaPrefix)
}

func (p Params) tags() *string {
	if len(p.Tagging) == 0 {
		return nil
	}
	values := url.Values{}
	for name, value := range p.Tagging {
		values.Set(name, value)
	}
	return text(strings.ReplaceAll(values.Encode(), "+", "%20"))
}

// validate returns what can never be sent.
func (p Params) validate() (problems []param.Problem) {
	for _, header := range []struct{ field, value string }{
		{"acl", p.ACL}, {"cache_control", p.CacheControl}, {"content_disposition", p.ContentDisposition},
		{"content_type", p.ContentType}, {"server_side_encryption", p.Encryption}, {"sse_kms_key_id", p.KMSKeyID},
	} {
		if strings.ContainsFunc(header.value, unicode.IsControl) {
			problems = append(problems, param.Problemf(header.field, "has a control character, which no header can hold"))
		}
	}
	if p.KMSKeyID != "" && !strings.HasPrefix(string(p.encryption()), "aws:kms") {
		problems = append(problems, param.Problemf("sse_kms_key_id", "is for server_side_encryption aws:kms alone"))
	}
	return append(problems, p.validateMetadata()...)
}

func (p Params) validateMetadata() (problems []param.Problem) {
	size, seen := 0, map[string]bool{}
	for name, value := range p.Metadata {
		short := metaName(name)
		size += len(short) + len(value)
		switch {
		case short == "" || strings.ContainsFunc(short, notToken):
			problems = append(problems, param.Problemf("metadata", "has the name %q, which is no name of a header", name))
		case strings.ContainsFunc(value, unicode.IsControl):
			problems = append(problems, param.Problemf("metadata", "has a control character under %q, which no header can hold", name))
		case seen[short]:
			problems = append(problems, param.Problemf("metadata", "has %q twice: S3 does not tell cases apart", short))
		}
		seen[short] = true
	}
	if size > maxMetadata {
		problems = append(problems, param.Problemf("metadata", "has %d bytes; S3 takes %d", size, maxMetadata))
	}
	return problems
}

// notToken reports whether r cannot be in the name of a header (RFC 9110, 5.6.2).
func notToken(r rune) bool {
	return r <= ' ' || r > '~' || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
}

// contentType is the header for a file.
func (p Params) contentType(f engine.File) *string {
	if p.ContentType != "" {
		return text(p.ContentType)
	}
	return text(f.MIME)
}

// put returns the request for a file in one piece, without its body.
func (p Params) put(f engine.File, key string) *s3.PutObjectInput {
	return &s3.PutObjectInput{
		Bucket: text(p.Bucket), Key: text(key), ContentLength: &f.Size,
		ACL: p.acl(), CacheControl: text(p.CacheControl), ContentDisposition: text(p.ContentDisposition),
		ContentType: p.contentType(f), Metadata: p.metadata(), Tagging: p.tags(),
		ServerSideEncryption: p.encryption(), SSEKMSKeyId: text(p.KMSKeyID),
	}
}

// create returns the request that opens an upload in parts.
func (p Params) create(f engine.File, key string) *s3.CreateMultipartUploadInput {
	return &s3.CreateMultipartUploadInput{
		Bucket: text(p.Bucket), Key: text(key),
		ACL: p.acl(), CacheControl: text(p.CacheControl), ContentDisposition: text(p.ContentDisposition),
		ContentType: p.contentType(f), Metadata: p.metadata(), Tagging: p.tags(),
		ServerSideEncryption: p.encryption(), SSEKMSKeyId: text(p.KMSKeyID),
	}
}

// text is s as the SDK takes it: nil if empty.
func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
