package filetype

import (
	"bytes"
	"slices"
)

// containers are formats that look the same from outside: the name chooses among those of a line.
var containers = [][]Format{
	{"mp4", "m4a", "m4b", "m4r", "m4v", "mov", "mqv", "3gp", "3g2", "f4v", "dvb"},
	{"mkv", "webm", "mka", "weba"},
	{"asf", "wma", "wmv", "dvr"},
	{"oga", "ogg", "ogv", "ogx", "opus", "spx"},
	{"mpeg", "mod", "vob"},
	{"rm", "ra", "rmvb"},
	{"aiff", "aifc"},
	{"ts", "m2ts", "mts", "tod"},
	{"mp3", "mp2"},
	{"ppm", "pnm"}, {"pgm", "pnm"}, {"pbm", "pnm"}, {"ico", "cur", "tga"},
	{"tiff", "3fr", "arw", "cr2", "dcr", "dng", "erf", "kdc", "mef", "mos", "nef", "nrw", "orf", "pef", "raw", "sr2", "srf", "srw"},
}

// amongContainers chooses between formats that have a container in common.
func amongContainers(found, claimed Format) Format {
	for _, family := range containers {
		if slices.Contains(family, found) {
			return oneOf(claimed, append([]Format{found}, family...)...)
		}
	}
	return found
}

// mediaMark knows the marks of sound and moving pictures, and of rarer pictures, that mimetype lacks.
func mediaMark(head []byte) Format {
	for _, m := range []struct {
		at     int
		mark   string
		format Format
	}{
		{0, ".RMF", "rm"}, {0, "caff", "caf"}, {0, "\x0b\x77", "ac3"}, {0, "Creative Voice File\x1a", "voc"}, {0, "wvpk", "wv"},
		{0, "TTA1", "tta"}, {0, "\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02\x01\x01\x02", "mxf"}, {0, "riff\x2e\x91\xcf\x11", "w64"},
		{0, "\xb7\xd8\x00\x20\x37\x49\xda\x11\xa6\x4e\x00\x07\xe9\x5e\xad\x8d", "wtv"}, {0, "FWS", "swf"}, {0, "CWS", "swf"},
		{0, "IIRO", "orf"}, {0, "IIRS", "orf"}, {0, "IIU\x00", "rw2"}, {0, "FUJIFILMCCD-RAW", "raf"}, {0, "FOVb", "x3f"},
		{0, "\x00MRM", "mrw"}, {4, "ftypcrx ", "cr3"}, {8, "CR\x02\x00", "cr2"}, {6, "HEAPCCDR", "crw"},
		{0, "gimp xcf", "xcf"}, {0, "DDS ", "dds"}, {128, "DICM", "dcm"}, {0, "SDPX", "dpx"}, {0, "XPDS", "dpx"},
		{0, "\x01\xda\x00", "sgi"}, {0, "\x01\xda\x01", "sgi"}, {0, "\x59\xa6\x6a\x95", "ras"}, {0, "/* XPM */", "xpm"},
		{0, "P4\n", "pbm"}, {0, "P5\n", "pgm"}, {0, "P6\n", "ppm"}, {0, "8BPS\x00\x02", "psb"}, {0, "\x0a\x05\x01", "pcx"},
	} {
		if len(head) >= m.at && bytes.HasPrefix(head[m.at:], []byte(m.mark)) {
			return m.format
		}
	}
	if len(head) > 2*188 && head[0] == 'G' && head[188] == 'G' && head[2*188] == 'G' {
		return "ts"
	}
	if len(head) > 4+2*192 && head[4] == 'G' && head[4+192] == 'G' && head[4+2*192] == 'G' {
		return "m2ts"
	}
	return ""
}
