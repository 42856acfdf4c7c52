package s3

import (
	"strings"
)

const (
	kib = 1 << 10
	mib = 1 << 20

	maxParts    = 10_000
	fewParts    = 1000 // what Swift, Scaleway and others take
	maxPart     = 5 * kib * mib
	minPart     = 8 * mib  // 5 MiB is what S3 takes
	singlePiece = 16 * mib // up to here a file goes in one request
)

// profile is what differs between services. Vendors are told apart here and nowhere else.
type profile struct {
	amazon  bool // sums go in headers of their own; else in Content-MD5, which all services know
	virtual bool // the bucket is part of the host name
	opaque  bool // an ETag that looks like an MD5 may be none
	parts   int64
	part    int64 // bytes at least
}

// profileOf returns the profile of the service at host, which is empty for Amazon's own.
func profileOf(host, bucket string) profile {
	p := profile{parts: fewParts, part: minPart}
	p.amazon = host == "" || host == "amazonaws.com" || strings.HasSuffix(host, ".amazonaws.com") ||
		strings.HasSuffix(host, ".amazonaws.com.cn")
	if p.amazon {
		p.parts = maxParts
	}
	p.opaque = strings.HasSuffix(host, ".r2.cloudflarestorage.com") || p.amazon && strings.HasSuffix(bucket, "--x-s3")
	switch {
	case host == "":
		p.virtual = true
	case strings.HasSuffix(host, ".aliyuncs.com"), strings.HasSuffix(host, ".myqcloud.com"):
		p.virtual = true // they refuse the other way
	case strings.HasSuffix(host, "storjshare.io"):
		p.part = 64 * mib // each part is a segment, which is billed
	}
	if strings.Contains(bucket, ".") {
		p.virtual = false // no certificate is for more than one label
	}
	return p
}

// partSize returns the size of each part but the last: all are equal, none is too small or too large, and there are not too
// many. Large parts cost no memory, only more to send again after a break.
func (p profile) partSize(size int64) int64 {
	part := share(size, p.parts)
	if part > maxPart {
		part = share(size, maxParts)
	}
	return max(part, p.part)
}

// share is one of so many parts of size, in whole MiB.
func share(size, parts int64) int64 { return (size + parts*mib - 1) / (parts * mib) * mib }
