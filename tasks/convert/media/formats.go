package media

import (
	"maps"
	"slices"

	"github.com/gantry-engine/gantry/tasks/convert"
)

// demuxer is what reads a format, in ffmpeg's own spelling.
type demuxer struct {
	name  string
	sound bool // there is nothing but sound in it
}

var demuxers = map[convert.Format]demuxer{
	"3g2": {"mov", false}, "3gp": {"mov", false}, "f4v": {"mov", false}, "m4v": {"mov", false}, "mov": {"mov", false},
	"mp4": {"mov", false}, "mqv": {"mov", false}, "mkv": {"matroska", false}, "webm": {"matroska", false}, "avi": {"avi", false},
	"flv": {"flv", false}, "mpeg": {"mpeg", false}, "mod": {"mpeg", false}, "vob": {"mpeg", false}, "ts": {"mpegts", false},
	"m2ts": {"mpegts", false}, "mts": {"mpegts", false}, "tod": {"mpegts", false}, "asf": {"asf", false}, "wmv": {"asf", false}, "dvr": {"asf", false},
	"ogv": {"ogg", false}, "ogx": {"ogg", false}, "mxf": {"mxf", false}, "dv": {"dv", false}, "rm": {"rm", false},
	"rmvb": {"rm", false}, "swf": {"swf", false}, "wtv": {"wtv", false}, "cavs": {"cavsvideo", false}, "gif": {"gif", false},
	"aac": {"aac", true}, "ac3": {"ac3", true}, "aifc": {"aiff", true}, "aiff": {"aiff", true}, "amr": {"amr", true},
	"ape": {"ape", true}, "au": {"au", true}, "caf": {"caf", true}, "dts": {"dts", true}, "flac": {"flac", true},
	"m4a": {"mov", true}, "m4b": {"mov", true}, "m4r": {"mov", true}, "mka": {"matroska", true}, "mp2": {"mp3", true},
	"mp3": {"mp3", true}, "oga": {"ogg", true}, "ogg": {"ogg", false}, "opus": {"ogg", true}, "ra": {"rm", true},
	"spx": {"ogg", true}, "tta": {"tta", true}, "voc": {"voc", true}, "w64": {"w64", true}, "wav": {"wav", true},
	"weba": {"matroska", true}, "wma": {"asf", true}, "wv": {"wv", true},
}

func inputs() []convert.Format { return slices.Sorted(maps.Keys(demuxers)) }

// output is how a format is written: by which muxer, with which encoders unless a task names others, and what else the format
// insists on.
type output struct {
	muxer, video, audio string
	extra               []string
}

func (o output) isSound() bool { return o.video == "" }

// What several formats need.
var (
	streamed   = []string{"-movflags", "+faststart"}
	quick      = []string{"-deadline", "good", "-cpu-used", "4", "-row-mt", "1"} // else libvpx takes minutes for seconds
	bluray     = []string{"-mpegts_m2ts_mode", "1"}
	studio     = []string{"-ar", "48000", "-r", "25"}
	flashRate  = []string{"-ar", "44100"}
	palettes   = []string{"-loop", "0"}
	mostCommon = "libx264"
)

var outputs = map[convert.Format]output{
	"3g2": {"3g2", mostCommon, "aac", nil}, "3gp": {"3gp", mostCommon, "aac", nil}, "avi": {"avi", "mpeg4", "libmp3lame", nil},
	"f4v": {"f4v", mostCommon, "aac", nil}, "flv": {"flv", mostCommon, "aac", flashRate}, "gif": {"gif", "gif", "", palettes},
	"m2ts": {"mpegts", mostCommon, "aac", bluray}, "m4v": {"ipod", mostCommon, "aac", streamed},
	"mkv": {"matroska", mostCommon, "aac", nil}, "mov": {"mov", mostCommon, "aac", streamed},
	"mp4": {"mp4", mostCommon, "aac", streamed}, "mpeg": {"mpeg", "mpeg2video", "mp2", nil},
	"mts": {"mpegts", mostCommon, "aac", bluray}, "mxf": {"mxf", "mpeg2video", "pcm_s16le", studio},
	"ogv": {"ogv", "libtheora", "libvorbis", []string{"-q:v", "7"}}, "swf": {"swf", "flv", "libmp3lame", flashRate},
	"ts": {"mpegts", mostCommon, "aac", nil}, "vob": {"vob", "mpeg2video", "mp2", nil},
	"webm": {"webm", "libvpx-vp9", "libopus", quick}, "wmv": {"asf", "wmv2", "wmav2", nil}, "wtv": {"wtv", "mpeg2video", "mp2", nil},

	"aac": {"adts", "", "aac", nil}, "ac3": {"ac3", "", "ac3", nil}, "aiff": {"aiff", "", "pcm_s16be", nil},
	"au": {"au", "", "pcm_s16be", nil}, "caf": {"caf", "", "pcm_s16le", nil}, "flac": {"flac", "", "flac", nil},
	"m4a": {"ipod", "", "aac", streamed}, "m4b": {"ipod", "", "aac", streamed}, "m4r": {"ipod", "", "aac", nil},
	"mka": {"matroska", "", "aac", nil}, "mp2": {"mp2", "", "mp2", nil}, "mp3": {"mp3", "", "libmp3lame", nil},
	"oga": {"oga", "", "libvorbis", nil}, "ogg": {"ogg", "", "libvorbis", nil}, "opus": {"opus", "", "libopus", nil},
	"tta": {"tta", "", "tta", nil}, "voc": {"voc", "", "pcm_s16le", nil}, "w64": {"w64", "", "pcm_s16le", nil},
	"wav": {"wav", "", "pcm_s16le", nil}, "weba": {"webm", "", "libopus", nil}, "wma": {"asf", "", "wmav2", nil},
	"wv": {"wv", "", "wavpack", nil},
}
