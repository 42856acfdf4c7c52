package azureblob

import (
	"encoding/hex"
	"mime"
	"regexp"
	"strings"
	"unicode"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/param"
)

const (
	metaPrefix  = "x-ms-meta-"
	maxMetadata = 8 << 10 // bytes of all names and values
)

// metaName is what Azure takes: a C# identifier that a header can hold.
var metaName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// bareName takes the header's prefix off a name.
func bareName(name string) string {
	if len(name) >= len(metaPrefix) && strings.EqualFold(name[:len(metaPrefix)], metaPrefix) {
		return name[len(metaPrefix):]
	}
	return name
}

// validateMetadata returns what can never be sent.
func validateMetadata(metadata map[string]string) (problems []param.Problem) {
	size, seen := 0, map[string]bool{}
	for name, value := range metadata {
		bare := bareName(name)
		folded := strings.ToLower(bare)
		size += len(bare) + len(value)
		switch {
		case !metaName.MatchString(bare):
			problems = append(problems, param.Problemf("metadata",
				"has the name %q: Azure takes letters, digits and underscores, and no digit at the beginning", name))
		case strings.ContainsFunc(value, unicode.IsControl):
			problems = append(problems, param.Problemf("metadata", "has a control character under %q, which no header can hold", name))
		case seen[folded]:
			problems = append(problems, param.Problemf("metadata", "has %q twice: Azure does not tell cases apart", bare))
		}
		seen[folded] = true
	}
	if size > maxMetadata {
		problems = append(problems, param.Problemf("metadata", "has %d bytes; Azure takes %d", size, maxMetadata))
	}
	return problems
}

// metadata returns values as a header can hold them: other than ASCII is encoded by RFC 2047, and spaces in a row, which
// would break the signature, are one.
func (p Params) metadata() map[string]*string {
	if len(p.Metadata) == 0 {
		return nil
	}
	out := make(map[string]*string, len(p.Metadata))
	for name, value := range p.Metadata {
		out[bareName(name)] = text(mime.BEncoding.Encode("utf-8", strings.Join(strings.Fields(value), " ")))
	}
	return out
}

// headers are the properties that the blob will have. Azure stores the MD5 as it is told.
func headers(f engine.File) *blob.HTTPHeaders {
	h := &blob.HTTPHeaders{BlobContentMD5: md5Of(f)}
	if f.MIME != "" {
		h.BlobContentType = text(f.MIME)
	}
	return h
}

// md5Of is the MD5 of a file as bytes; nil if it is not known.
func md5Of(f engine.File) []byte {
	sum, err := hex.DecodeString(f.MD5)
	if err != nil || len(sum) == 0 {
		return nil
	}
	return sum
}

func text(s string) *string { return &s }
