package media_test

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/convert/converttest"
	"github.com/gantry-engine/gantry/tasks/convert/filetype"
	"github.com/gantry-engine/gantry/tasks/convert/media"
)

func newEngine(t *testing.T) *media.Engine {
	t.Helper()
	return converttest.Engine(t, "ffmpeg", media.New)
}

// clip is two seconds of pictures and sound, made by ffmpeg outside of the box.
func clip(t *testing.T, name string, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	args = append([]string{"-v", "error", "-f", "lavfi", "-i", "testsrc=size=160x120:rate=10:duration=2",
		"-f", "lavfi", "-i", "sine=duration=2"}, append(args, path)...)
	if out, err := exec.CommandContext(t.Context(), "ffmpeg", args...).CombinedOutput(); err != nil {
		t.Fatalf("make a clip: %v: %s", err, out)
	}
	return path
}

// made is the output of a conversion as ffprobe, which was not told what it is, sees it.
type made struct {
	path     string
	seconds  float64
	streams  string // of which codecs, sorted
	size     string
	percents []int
}

func run(t *testing.T, e convert.Engine, in string, from, to convert.Format, o convert.Options) (made, error) {
	t.Helper()
	var m made
	job := convert.Job{In: in, Name: "-i.x", From: from, To: to, Dir: t.TempDir(), Options: o,
		Limits: convert.LimitsOf(engine.DefaultLimits()), Progress: func(n int) { m.percents = append(m.percents, n) }}
	outputs, err := convert.Convert(t.Context(), e, job)
	if err != nil {
		return m, err
	}
	if left, _ := os.ReadDir(job.Dir); len(left) != 1 {
		t.Errorf("got %v left, want the output alone", left)
	}
	m.path = outputs[0]
	probe(t, &m)
	return m, nil
}

// probe fills in what ffprobe says.
func probe(t *testing.T, m *made) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ffprobe", "-v", "error", "-of", "default=nw=1", "-show_entries",
		"format=duration:stream=codec_name,width,height", m.path).Output()
	if err != nil {
		t.Fatalf("ffprobe: %v", err)
	}
	said, codecs := map[string]string{}, []string(nil)
	for line := range strings.Lines(string(out)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		said[name] = value
		if name == "codec_name" {
			codecs = append(codecs, value)
		}
	}
	m.seconds, _ = strconv.ParseFloat(said["duration"], 64)
	slices.Sort(codecs)
	m.streams = strings.Join(slices.Compact(codecs), " ")
	if said["width"] != "" {
		m.size = said["width"] + "x" + said["height"]
	}
}

func TestFormats(t *testing.T) {
	e := newEngine(t)
	mp4 := clip(t, "in.mp4", "-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac", "-shortest")
	for to, streams := range map[convert.Format]string{
		"mov": "aac h264", "mkv": "aac h264", "webm": "opus vp9", "avi": "mp3 mpeg4", "wmv": "wmav2 wmv2", "flv": "aac h264",
		"ts": "aac h264", "mpeg": "mp2 mpeg2video", "vob": "mp2 mpeg2video", "ogv": "theora vorbis", "3gp": "aac h264",
		"m2ts": "aac h264", "mxf": "mpeg2video pcm_s16le", "gif": "gif", "m4v": "aac h264", "swf": "flv1 mp3",
		"mp3": "mp3", "wav": "pcm_s16le", "flac": "flac", "aac": "aac", "ac3": "ac3", "aiff": "pcm_s16be", "au": "pcm_s16be",
		"caf": "pcm_s16le", "m4a": "aac", "m4r": "aac", "ogg": "vorbis", "opus": "opus", "wma": "wmav2", "weba": "opus",
		"voc": "pcm_s16le", "wv": "wavpack", "tta": "tta", "mp2": "mp2", "mka": "aac", "w64": "pcm_s16le", "wtv": "mp2 mpeg2video",
	} {
		t.Run(string(to), func(t *testing.T) {
			m, err := run(t, e, mp4, "mp4", to, convert.DefaultOptions())
			if err != nil {
				t.Fatal(err)
			}
			if m.streams != streams {
				t.Errorf("got streams %q, want %q", m.streams, streams)
			}
			if to != "swf" && to != "aac" && math.Abs(m.seconds-2) > 0.35 {
				t.Errorf("got %v seconds, want 2", m.seconds)
			}
			if from, err := filetype.DetectFile(m.path, "x."+string(to)); err != nil || from != to {
				t.Fatalf("detected %s, %v", from, err)
			}
			limits := convert.LimitsOf(engine.DefaultLimits())
			if info, err := e.Probe(t.Context(), m.path, to, limits); err != nil || !info.Sound && to != "gif" {
				t.Errorf("read again: got %+v, %v", info, err)
			}
		})
	}
}

func TestOptions(t *testing.T) {
	e := newEngine(t)
	mp4 := clip(t, "in.mp4", "-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac", "-shortest")
	crf, fps, louder := 30, 5.0, 0.5
	for name, c := range map[string]struct {
		media  convert.Media
		width  int
		height int
		fit    string
		to     convert.Format
		size   string
		codecs string
		length float64
	}{
		"hevc":    {media: convert.Media{VideoCodec: "x265", CRF: &crf, Preset: "ultrafast", AudioCodec: "mp3"}, size: "160x120", codecs: "hevc mp3"},
		"profile": {media: convert.Media{Profile: "high444", FPS: &fps, Volume: &louder, AudioBitrate: 64}, size: "160x120", codecs: "aac h264"},
		"copy":    {media: convert.Media{VideoCodec: "copy", AudioCodec: "none"}, size: "160x120", codecs: "h264"},
		"no film": {media: convert.Media{VideoCodec: "none"}, codecs: "aac"},
		"trim":    {media: convert.Media{TrimStart: "00:00:00.5", TrimEnd: "1.5"}, size: "160x120", codecs: "aac h264", length: 1},
		"turn":    {media: convert.Media{Rotate: 90}, size: "120x160", codecs: "aac h264"},
		"max":     {width: 80, height: 80, fit: "max", size: "80x60", codecs: "aac h264"},
		"larger":  {width: 800, fit: "max", size: "160x120", codecs: "aac h264"},
		"crop":    {width: 50, height: 80, fit: "crop", size: "50x80", codecs: "aac h264"},
		"scale":   {width: 51, height: 81, fit: "scale", size: "50x80", codecs: "aac h264"},
		"gif":     {width: 80, fit: "max", to: "gif", size: "80x60", codecs: "gif"},
	} {
		t.Run(name, func(t *testing.T) {
			to, length := c.to, c.length
			if to == "" {
				to = "mp4"
			}
			if length == 0 {
				length = 2
			}
			m, err := run(t, e, mp4, "mp4", to, convert.Options{Width: c.width, Height: c.height, Fit: c.fit, Media: c.media})
			if err != nil {
				t.Fatal(err)
			}
			if m.streams != c.codecs || m.size != c.size || math.Abs(m.seconds-length) > 0.35 {
				t.Errorf("got %q, %s, %vs, want %q, %s, %vs", m.streams, m.size, m.seconds, c.codecs, c.size, length)
			}
		})
	}
}

// TestCodecs encodes as the words for codecs say that a format lists: a word of every third list, or, with GANTRY_MATRIX=all,
// each word.
func TestCodecs(t *testing.T) {
	e := newEngine(t)
	in := clip(t, "in.mp4", "-c:v", "libx264", "-pix_fmt", "yuv420p", "-vf", "scale=320:240", "-c:a", "aac", "-shortest")
	names := map[string]string{
		"x264": "h264", "x265": "hevc", "h265": "hevc", "mpeg1": "mpeg1video", "mpeg2": "mpeg2video", "xvid": "mpeg4", "wmv": "wmv2",
		"flv": "flv1", "wma": "wmav2", "pcm": "pcm_",
	}
	n := 0
	for _, p := range e.Pairs() {
		if p.From != "mp4" {
			continue
		}
		for _, f := range p.Options {
			if f.Name != "video_codec" && f.Name != "audio_codec" {
				continue
			}
			words := slices.DeleteFunc(slices.Clone(f.Enum), func(w string) bool { return w == "copy" || w == "none" })
			if n++; os.Getenv("GANTRY_MATRIX") != "all" {
				if n%3 > 0 || len(words) == 0 {
					continue
				}
				words = words[n%len(words):][:1]
			}
			for _, word := range words {
				t.Run(fmt.Sprint(p.To, " ", f.Name, " ", word), func(t *testing.T) {
					o := convert.Options{Media: convert.Media{VideoCodec: word}}
					if f.Name == "audio_codec" {
						o.Media = convert.Media{AudioCodec: word}
					}
					m, err := run(t, e, in, "mp4", p.To, o)
					if err != nil {
						t.Fatal(err)
					}
					if want := cmp.Or(names[word], word); !strings.Contains(m.streams, want) || math.Abs(m.seconds-2) > 0.35 && m.seconds > 0 {
						t.Errorf("got %q of %v seconds, want %s", m.streams, m.seconds, want)
					}
				})
			}
		}
	}
}

// TestStills makes pictures of a film: turned, and the coarser the smaller.
func TestStills(t *testing.T) {
	e := newEngine(t)
	mp4 := clip(t, "in.mp4", "-c:v", "libx264", "-pix_fmt", "yuv420p", "-an")
	for _, to := range []convert.Format{"jpg", "webp", "png"} {
		var sizes []int64
		for _, quality := range []int{5, 85, 100} {
			m, err := run(t, e, mp4, "mp4", to, convert.Options{Quality: quality, Media: convert.Media{Rotate: 270}})
			if err != nil {
				t.Fatal(err)
			}
			if m.size != "120x160" {
				t.Errorf("%s: got %s, want it turned", to, m.size)
			}
			info, err := os.Stat(m.path)
			if err != nil {
				t.Fatal(err)
			}
			sizes = append(sizes, info.Size())
		}
		if to != "png" && (sizes[0] >= sizes[1] || sizes[1] >= sizes[2]) {
			t.Errorf("%s: got %v bytes, want more the better", to, sizes)
		}
	}
}

func TestProgressComesToTheEnd(t *testing.T) {
	e := newEngine(t)
	m, err := run(t, e, clip(t, "in.wav", "-map", "1:a"), "wav", "mp3", convert.DefaultOptions())
	if err != nil || len(m.percents) == 0 || slices.Max(m.percents) < 90 {
		t.Errorf("got %v, %v, want percents up to the end", m.percents, err)
	}
}

func TestWhatIsMissingIsSaid(t *testing.T) {
	e := newEngine(t)
	silent := clip(t, "in.mp4", "-map", "0:v", "-c:v", "libx264", "-pix_fmt", "yuv420p")
	sound := clip(t, "in.m4a", "-map", "1:a", "-c:a", "aac")
	for name, c := range map[string]struct {
		in       string
		from, to convert.Format
		options  convert.Options
		want     string
	}{
		"no sound":    {silent, "mp4", "mp3", convert.Options{}, "no sound"},
		"no pictures": {sound, "mp4", "webm", convert.Options{}, "no moving pictures"},
		"past end":    {silent, "mp4", "mkv", convert.Options{Media: convert.Media{TrimStart: "5"}}, "trim_start"},
		"too large":   {silent, "mp4", "mkv", convert.Options{Width: 99999}, "limit"},
		"angle":       {silent, "mp4", "mkv", convert.Options{Media: convert.Media{Rotate: 45}}, "rotate"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := run(t, e, c.in, c.from, c.to, c.options)
			if err == nil || !strings.Contains(engine.MessageOf(err), c.want) {
				t.Errorf("got %v, want it to say %q", err, c.want)
			}
		})
	}
}

// TestPlaylistsAndTextsAreRefused sends what makes an unwary ffmpeg read other files, call servers or draw text.
func TestPlaylistsAndTextsAreRefused(t *testing.T) {
	e := newEngine(t)
	secret := clip(t, "canary.mp4", "-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac", "-shortest")
	calls, address := canaryServer(t)
	for name, content := range map[string]string{
		"text":        "just words\n",
		"hls":         "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nfile://" + secret + "\n#EXT-X-ENDLIST\n",
		"hls by http": "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nhttp://" + address + "/x.ts\n#EXT-X-ENDLIST\n",
		"hls concat":  "#EXTM3U\n#EXTINF:2,\nconcat:file://" + secret + "|http://" + address + "/y\n#EXT-X-ENDLIST\n",
		"concat":      "ffconcat version 1.0\nfile '" + secret + "'\n",
		"subfile":     "#EXTM3U\n#EXTINF:2,\nsubfile,,start,0,end,64,,:" + secret + "\n",
		"dash": `<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period><AdaptationSet><Representation id="1"><BaseURL>http://` +
			address + `/z</BaseURL></Representation></AdaptationSet></Period></MPD>`,
		"sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
	} {
		for _, from := range []convert.Format{"mp4", "avi", "mkv", "ts", "mp3", "wav", "ogg", "gif"} {
			t.Run(name+" as "+string(from), func(t *testing.T) {
				in := filepath.Join(t.TempDir(), "in."+string(from))
				if err := os.WriteFile(in, []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
				if got, err := filetype.DetectFile(in, "in."+string(from)); err == nil && got == from {
					t.Errorf("its content passes for %s", from)
				}
				to := convert.Format("mp3")
				if from == "gif" {
					to = "mp4"
				}
				_, err := run(t, e, in, from, to, convert.Options{})
				message := engine.MessageOf(err)
				if engine.CodeOf(err) != engine.Invalid || strings.Contains(message, os.TempDir()) {
					t.Errorf("got %v, want that the file is at fault, and no path", err)
				}
			})
		}
	}
	if n := calls.Load(); n != 0 {
		t.Errorf("got %d calls of the canary server, want none", n)
	}
}

// TestPlaylistBehindAMark puts a playlist behind the first bytes of a film.
func TestPlaylistBehindAMark(t *testing.T) {
	e := newEngine(t)
	secret := clip(t, "canary.mp3", "-map", "1:a")
	content := append([]byte("\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom"), "\n#EXTM3U\n#EXTINF:2,\nfile://"+secret+"\n"...)
	in := filepath.Join(t.TempDir(), "in.mp4")
	if err := os.WriteFile(in, bytes.Clone(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := run(t, e, in, "mp4", "mp3", convert.Options{}); engine.CodeOf(err) != engine.Invalid {
		t.Errorf("got %v, want that the file is at fault", err)
	}
}

func TestCutFilmFails(t *testing.T) {
	e := newEngine(t)
	whole, err := os.ReadFile(clip(t, "in.mp4", "-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac", "-shortest"))
	if err != nil {
		t.Fatal(err)
	}
	in := filepath.Join(t.TempDir(), "-i file.mp4")
	if err := os.WriteFile(in, whole[:len(whole)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := run(t, e, in, "mp4", "mkv", convert.Options{}); engine.CodeOf(err) != engine.Invalid {
		t.Errorf("got %v, want that the file is at fault", err)
	}
}
