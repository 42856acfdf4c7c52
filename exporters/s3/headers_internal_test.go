package s3

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestPartSize holds for every size up to 50 TB: never too many parts, which is 1,000 as long as these are not too large where
// the service is not known to take more, and the last has bytes.
func TestPartSize(t *testing.T) {
	for _, host := range []string{"", "minio.example", "s3.fr-par.scw.cloud", "gateway.storjshare.io"} {
		p := profileOf(host, "b")
		rapid.Check(t, func(t *rapid.T) {
			size := rapid.OneOf(rapid.Int64Range(1, 50<<40), rapid.Map(rapid.Int64Range(1, 2*maxParts), func(n int64) int64 { return n * minPart }),
				rapid.Map(rapid.Int64Range(-2, 2), func(n int64) int64 { return p.parts*p.part + n })).Draw(t, "size")
			part := p.partSize(size)
			parts := (size + part - 1) / part
			most := p.parts
			if size > p.parts*maxPart {
				most = maxParts
			}
			if parts > most || part < p.part || part%mib != 0 || size-(parts-1)*part <= 0 {
				t.Errorf("%d bytes make %d parts of %d", size, parts, part)
			}
		})
	}
}

func TestFewParts(t *testing.T) {
	const size = 8<<30 + 1 // 1,025 of the usual parts
	for host, want := range map[string]int64{"": 1025, "s3.eu-west-1.amazonaws.com": 1025, "minio.example": 911, "s3.fr-par.scw.cloud": 911} {
		part := profileOf(host, "b").partSize(size)
		if got := (size + part - 1) / part; got != want {
			t.Errorf("%q: got %d parts of %d bytes, want %d", host, got, part, want)
		}
	}
}

func TestProfileOf(t *testing.T) {
	for _, test := range []struct {
		host, bucket    string
		amazon, virtual bool
	}{
		{"", "b", true, true}, {"", "b.c", true, false}, {"s3.eu-west-1.amazonaws.com", "b", true, false},
		{"amazonaws.com.evil.example", "b", false, false}, {"127.0.0.1", "b", false, false}, {"oss-cn-hangzhou.aliyuncs.com", "b", false, true},
	} {
		if p := profileOf(test.host, test.bucket); p.amazon != test.amazon || p.virtual != test.virtual {
			t.Errorf("%q, %q: got %+v", test.host, test.bucket, p)
		}
	}
}

func TestClean(t *testing.T) {
	for name, want := range map[string]string{"a/b": "a/b", "/a": "a", "//a": "a", "a//b": "a//b", "..a": "..a",
		"": "", "/": "", "a/": "", "a/../b": "", "./a": "", "..": ""} {
		got, err := Definition().Clean(name)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: got %q, %v, want %q", name, got, err, want)
		}
	}
	if _, err := Definition().Clean(strings.Repeat("a", 1025)); err == nil {
		t.Error("a name that is too long is taken")
	}
}

func TestSpellings(t *testing.T) {
	for sent, want := range map[string]string{"": "", "private": "", "Private": "", "PublicRead": "public-read", "public-read-write": "public-read-write",
		"BUCKET_OWNER_FULL_CONTROL": "bucket-owner-full-control", "log-delivery-write": "log-delivery-write"} {
		if got := string(Params{ACL: sent}.acl()); got != want {
			t.Errorf("acl %q: got %q, want %q", sent, got, want)
		}
	}
	for sent, want := range map[string]string{"": "", "aes256": "AES256", "AwsKms": "aws:kms", "aws:kms:dsse": "aws:kms:dsse", "new-one": "new-one"} {
		if got := string(Params{Encryption: sent}.encryption()); got != want {
			t.Errorf("encryption %q: got %q, want %q", sent, got, want)
		}
	}
}

func TestMetadata(t *testing.T) {
	p := Params{Metadata: map[string]string{"x-amz-meta-some-key": "data", "X-Amz-Meta-Two": "a  b ", "plain": "ü"}}
	for name, want := range map[string]string{"some-key": "data", "two": "a b", "plain": "=?utf-8?b?w7w=?="} {
		if got := p.metadata()[name]; got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if got, want := *(Params{Tagging: map[string]string{"a b": "c&d", "e": "f+g"}}).tags(), "a%20b=c%26d&e=f%2Bg"; got != want {
		t.Errorf("tags: got %q, want %q", got, want)
	}
}

func TestValidate(t *testing.T) {
	for _, test := range []struct {
		name   string
		params Params
		want   []string
	}{
		{"good", Params{ACL: "whatever", Metadata: map[string]string{"x-amz-meta-a": "b"}}, nil},
		{"header", Params{CacheControl: "a\r\nb"}, []string{"cache_control"}},
		{"key without kms", Params{KMSKeyID: "k"}, []string{"sse_kms_key_id"}},
		{"key with kms", Params{KMSKeyID: "k", Encryption: "aws:kms"}, nil},
		{"metadata name", Params{Metadata: map[string]string{"a b": "c"}}, []string{"metadata"}},
		{"metadata value", Params{Metadata: map[string]string{"a": "b\nc"}}, []string{"metadata"}},
		{"metadata twice", Params{Metadata: map[string]string{"a": "1", "X-AMZ-META-A": "2"}}, []string{"metadata"}},
		{"metadata size", Params{Metadata: map[string]string{"a": strings.Repeat("x", maxMetadata)}}, []string{"metadata"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			for _, p := range test.params.validate() {
				got = append(got, p.Field)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got problems of %v, want %v", got, test.want)
			}
		})
	}
}
