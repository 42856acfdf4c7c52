package media

import (
	"slices"
	"strings"

	"github.com/gantry-engine/gantry/engine/param"
)

// What the words of the options mean to ffmpeg. Pcm is, where a format has a kind of its own, that one.
var videoEncoders = map[string]string{
	"x264": "libx264", "h264": "libx264", "x265": "libx265", "h265": "libx265", "hevc": "libx265", "vp8": "libvpx",
	"vp9": "libvpx-vp9", "av1": "libsvtav1", "mpeg1": "mpeg1video", "mpeg2": "mpeg2video", "mpeg4": "mpeg4", "xvid": "libxvid",
	"theora": "libtheora", "wmv": "wmv2", "flv": "flv", "prores": "prores_ks", "dnxhd": "dnxhd", "mjpeg": "mjpeg", "copy": "copy",
}

var audioEncoders = map[string]string{
	"aac": "aac", "mp3": "libmp3lame", "opus": "libopus", "vorbis": "libvorbis", "flac": "flac", "alac": "alac", "ac3": "ac3",
	"wma": "wmav2", "pcm": "pcm_s16le", "pcm_s16le": "pcm_s16le", "pcm_s24le": "pcm_s24le", "copy": "copy",
}

// held are the encoders beside its own whose work a muxer writes so that it can be read back, as it was tried with ffmpeg 5.1.
var held = map[string]string{
	"3g2": "libx264 mpeg4 libxvid", "3gp": "libx264 mpeg4 libxvid", "adts": "", "aiff": "pcm_s16le", "au": "",
	"asf": "libx264 libvpx libvpx-vp9 libsvtav1 mpeg1video mpeg2video mpeg4 libxvid libtheora flv mjpeg aac libmp3lame " +
		"libvorbis ac3 pcm_s16le pcm_s24le",
	"avi": "libx264 libvpx libvpx-vp9 libsvtav1 mpeg1video mpeg2video mpeg4 libxvid libtheora wmv2 flv prores_ks mjpeg aac libvorbis " +
		"ac3 wmav2 pcm_s16le pcm_s24le",
	"caf": "libmp3lame libopus flac alac ac3 pcm_s24le", "f4v": "libmp3lame", "flv": "flv libmp3lame pcm_s16le",
	"ipod": "mpeg4 libxvid alac ac3",
	"matroska": "libx265 libvpx libvpx-vp9 libsvtav1 mpeg1video mpeg2video mpeg4 libxvid libtheora wmv2 flv prores_ks dnxhd mjpeg " +
		"libmp3lame libopus libvorbis flac alac ac3 wmav2 pcm_s16le pcm_s24le",
	"mov": "libx265 mpeg1video mpeg2video mpeg4 libxvid libtheora wmv2 flv prores_ks dnxhd mjpeg libmp3lame libvorbis alac ac3 " +
		"pcm_s16le pcm_s24le",
	"mp4":    "libx265 libvpx-vp9 libsvtav1 mpeg1video mpeg2video mpeg4 libxvid mjpeg libmp3lame libopus libvorbis alac ac3",
	"mpeg":   "libx265 mpeg1video mpeg4 libxvid libmp3lame ac3",
	"mpegts": "libx265 mpeg1video mpeg2video mpeg4 libxvid libmp3lame libopus ac3", "mxf": "libx264 dnxhd pcm_s24le",
	"oga": "libopus flac", "ogg": "libopus flac", "ogv": "libvpx libopus flac", "swf": "mjpeg",
	"vob": "libx265 mpeg1video mpeg4 libxvid libmp3lame ac3", "wav": "libmp3lame libvorbis flac ac3 wmav2 pcm_s24le",
	"webm": "libvpx libsvtav1 libvorbis", "wtv": "libx264 libvpx libvpx-vp9 libsvtav1 mpeg1video mpeg4 libxvid flv libmp3lame " +
		"libvorbis ac3 wmav2 pcm_s16le pcm_s24le",
}

// videoEncoder is what encodes pictures as the word says, or, without one, as the format has them.
func (o output) videoEncoder(word string) string {
	if word == "" || o.video == "gif" {
		return o.video
	}
	return videoEncoders[word]
}

// audioEncoder is the same for sound.
func (o output) audioEncoder(word string) string {
	if word == "" || word == "none" || word == "pcm" && strings.HasPrefix(o.audio, "pcm_") {
		return o.audio
	}
	return audioEncoders[word]
}

// narrow leaves of the words for codecs those that the format holds, and that this ffmpeg knows.
func (e *Engine) narrow(options []param.Field, o output) []param.Field {
	fits := func(encoder string) bool {
		return encoder == "copy" || slices.Contains(e.encoders, encoder) &&
			(encoder == o.video || encoder == o.audio || slices.Contains(strings.Fields(held[o.muxer]), encoder))
	}
	narrowed := slices.Clone(options)
	for i, f := range narrowed {
		switch f.Name {
		case "video_codec":
			narrowed[i].Enum = words(f.Enum, func(word string) bool { return word == "none" || fits(o.videoEncoder(word)) })
		case "audio_codec":
			narrowed[i].Enum = words(f.Enum, func(word string) bool {
				return word == "none" && !o.isSound() || word != "none" && fits(o.audioEncoder(word))
			})
		}
	}
	return narrowed
}

func words(all []string, fits func(string) bool) (kept []string) {
	for _, word := range all {
		if fits(word) {
			kept = append(kept, word)
		}
	}
	return kept
}
