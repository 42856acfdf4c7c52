package media

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/convert"
)

// args are what stands behind the input: which streams, how they are encoded, and the muxer.
func (o output) args(job convert.Job, in Info) ([]string, error) {
	var args []string
	if o.isSound() || job.Options.VideoCodec == "none" {
		args = append(args, "-vn")
	} else {
		pictures, err := o.pictures(job.Options, job.Limits.Pixels)
		if err != nil {
			return nil, err
		}
		args = append(args, pictures...)
	}
	if o.audio == "" || !in.Sound || job.Options.AudioCodec == "none" && !o.isSound() {
		args = append(args, "-an")
	} else {
		args = append(args, o.sound(job.Options)...)
	}
	return append(append(args, o.extra...), "-sn", "-dn", "-f", o.muxer), nil
}

func (o output) sound(opt convert.Options) []string {
	codec := o.audioEncoder(opt.AudioCodec)
	args := []string{"-map", "0:a:0", "-c:a", codec}
	if codec == "copy" {
		return args
	}
	add := func(name string, n int, unit string) {
		if n > 0 {
			args = append(args, name, strconv.Itoa(n)+unit)
		}
	}
	add("-b:a", opt.AudioBitrate, "k")
	add("-ar", opt.SampleRate, "")
	add("-ac", opt.Channels, "")
	var filters []string
	if opt.Volume != nil {
		filters = append(filters, "volume="+number(*opt.Volume))
	}
	if codec == "aac" { // which refuses sound that has channels but no order of them
		filters = append(filters, "aformat=channel_layouts=mono|stereo|3.0|4.0|5.0|5.1|7.1|7.1(wide)")
	}
	if filters != nil {
		args = append(args, "-af", strings.Join(filters, ","))
	}
	return args
}

func number(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }

// pictures are the arguments of the first stream of pictures that is not a cover.
func (o output) pictures(opt convert.Options, limit int64) ([]string, error) {
	codec := o.videoEncoder(opt.VideoCodec)
	args := []string{"-map", "0:V:0", "-c:v", codec}
	if codec == "copy" {
		return args, nil
	}
	filters, err := filters(opt, codec, limit)
	if err != nil {
		return nil, err
	}
	return append(append(args, "-vf", strings.Join(filters, ",")), quality(opt, codec)...), nil
}

// quality are the arguments that decide between size and looks, for the encoders that know them.
func quality(opt convert.Options, codec string) []string {
	var args []string
	x26, vpx := codec == "libx264" || codec == "libx265", codec == "libvpx" || codec == "libvpx-vp9"
	if opt.CRF != nil && (x26 || vpx || codec == "libsvtav1") {
		most := 63
		if x26 {
			most = 51
		}
		args = append(args, "-crf", strconv.Itoa(min(*opt.CRF, most)))
	}
	switch {
	case opt.VideoBitrate > 0:
		args = append(args, "-b:v", strconv.Itoa(opt.VideoBitrate)+"k")
	case opt.CRF != nil && vpx:
		args = append(args, "-b:v", "0")
	}
	if x26 && opt.Preset != "" {
		args = append(args, "-preset", opt.Preset)
	}
	if opt.Profile != "" && (codec == "libx264" || codec == "libx265" && strings.HasPrefix(opt.Profile, "main")) {
		args = append(args, "-profile:v", opt.Profile)
	}
	if codec == "dnxhd" { // which else knows only the sizes of television
		args = append(args, "-profile:v", "dnxhr_hq", "-pix_fmt", "yuv422p")
	}
	return args
}

// pixelFormats are what profiles need; nearly all players know only the first.
var pixelFormats = map[string]string{
	"": "yuv420p", "high10": "yuv420p10le", "main10": "yuv420p10le", "high422": "yuv422p", "high444": "yuv444p",
}

// subsampled encoders store colours for two by two pixels, so that sides are even.
var subsampled = []string{"libx264", "libx265", "libvpx", "libvpx-vp9", "libsvtav1", "libxvid", "libtheora", "mpeg4", "wmv2", "flv",
	"mpeg1video", "mpeg2video"}

// usualRates are the pictures per second of what cannot have as many as the input: MPEG-1 knows but a few numbers.
var usualRates = map[string]float64{"gif": 12, "mpeg1video": 25}

func filters(opt convert.Options, codec string, limit int64) ([]string, error) {
	filters, err := turned(opt.Rotate)
	if err != nil {
		return nil, err
	}
	if int64(opt.Width)*int64(max(opt.Height, 1)) > limit || opt.Width > maxSide || opt.Height > maxSide {
		return nil, engine.Errorf(engine.TooLarge, "The asked size is larger than the limit of %d pixels a side.", maxSide)
	}
	filters = append(filters, sized(opt)...)
	rate := usualRates[codec]
	if opt.FPS != nil {
		rate = *opt.FPS
	}
	if rate > 0 {
		filters = append(filters, "fps="+number(rate))
	}
	if codec == "gif" { // a palette for each picture: one for all would hold all in memory
		return append(filters, "split[a][b];[a]palettegen=stats_mode=single[p];[b][p]paletteuse=new=1"), nil
	}
	if slices.Contains(subsampled, codec) {
		format := pixelFormats[opt.Profile]
		if format == "" || codec != "libx264" && codec != "libx265" {
			format = "yuv420p"
		}
		filters = append(filters, "scale=trunc(iw/2)*2:trunc(ih/2)*2", "format="+format)
	}
	return append(filters, "setsar=1"), nil
}

// maxSide is the largest side of pictures that move.
const maxSide = 16_384

func turned(degrees int) ([]string, error) {
	switch (degrees%360 + 360) % 360 {
	case 0:
		return nil, nil
	case 90:
		return []string{"transpose=clock"}, nil
	case 180:
		return []string{"hflip", "vflip"}, nil
	case 270:
		return []string{"transpose=cclock"}, nil
	}
	return nil, engine.Errorf(engine.Invalid, "The parameter rotate must be a multiple of 90.")
}

// sized applies width, height and fit. A side that was not given follows from the other.
func sized(opt convert.Options) []string {
	w, h := opt.Width, opt.Height
	both := w > 0 && h > 0
	switch {
	case w == 0 && h == 0:
		return nil
	case both && opt.Fit == "scale":
		return []string{fmt.Sprintf("scale=%d:%d", w, h)}
	case both && opt.Fit == "crop":
		return []string{fmt.Sprintf("scale=%d:%d:force_original_aspect_ratio=increase,crop=%d:%d", w, h, w, h)}
	case both:
		return []string{fmt.Sprintf(`scale=min(%d\,iw):min(%d\,ih):force_original_aspect_ratio=decrease`, w, h)}
	case opt.Fit == "scale" || opt.Fit == "crop":
		return []string{fmt.Sprintf("scale=%d:%d", side(w), side(h))}
	case w > 0:
		return []string{fmt.Sprintf(`scale=min(%d\,iw):-1`, w)}
	}
	return []string{fmt.Sprintf(`scale=-1:min(%d\,ih)`, h)}
}

func side(n int) int {
	if n == 0 {
		return -1
	}
	return n
}

// span is the part of the input that is converted.
type span struct {
	args   []string
	length time.Duration
}

func spanOf(opt convert.Options, whole time.Duration) (span, error) {
	start, err := convert.ParseTime(opt.TrimStart)
	if err != nil {
		return span{}, engine.Errorf(engine.Invalid, "The parameter trim_start %s.", err)
	}
	end, err := convert.ParseTime(opt.TrimEnd)
	if err != nil {
		return span{}, engine.Errorf(engine.Invalid, "The parameter trim_end %s.", err)
	}
	s := span{length: whole - start}
	if end > 0 && (whole == 0 || end < whole) {
		s.length = end - start
	}
	if end > 0 && end <= start || whole > 0 && start >= whole {
		return span{}, engine.Errorf(engine.Invalid, "Nothing is left between trim_start and trim_end: the file is %s long.",
			whole.Round(10*time.Millisecond))
	}
	if start > 0 {
		s.args = append(s.args, "-ss", number(start.Seconds()))
	}
	if end > 0 {
		s.args = append(s.args, "-to", number(end.Seconds()))
	}
	return s, nil
}
