package s3

import (
	"strings"
)

const (
	kib = 1 << 10
	mib = 1 << 20

	maxParts    = 10_000
	minPart     = 8 * mib  // 5 MiB is what S3 takes
	singlePiece = 16 * mib // up to here a file goes in one request
)

// profile is what differs between services. Vendors are told apart here and nowhere else.
type profile struct {
	amazon  bool // sums go in headers of their own; else in Content-MD5, which all services know
	virtual bool // the bucket is part of the host name
	parts   int64
	part    int64 // bytes at least
}

// profileOf returns the profile of the service at host, which is empty for Amazon's own.
func profileOf(host, bucket string) profile {
	p := profile{parts: maxParts, part: minPart}
	p.amazon = host == "" || host == "amazonaws.com" || strings.HasSuffix(host, ".amazonaws.com") ||
		strings.HasSuffix(host, ".amazonaws.com.cn")
	switch {
	case host == "":
		p.virtual = true
	case strings.HasSuffix(host, ".aliyuncs.com"), strings.HasSuffix(host, ".myqcloud.com"):
		p.virtual = true // they refuse the other way
	case strings.HasSuffix(host, ".scw.cloud"):
		p.parts = 1000
	case strings.HasSuffix(host, "storjshare.io"):
		p.part = 64 * mib // each part is a segment, which is billed
	}
	if strings.Contains(bucket, ".") {
		p.virtual = false // no certificate is for more than one label
	}
	return p
}

// partSize returns the size of each part but the last: all are equal, none is too small, and there are not too many.
func (p profile) partSize(size int64) int64 {
	part := (size + p.parts - 1) / p.parts
	part = (part + mib - 1) / mib * mib
	return max(part, p.part)
}
