package media

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/toolbox"
)

// Info is what a file says of itself.
type Info struct {
	Duration        time.Duration // 0 if it does not say
	Sound, Pictures bool          // a cover of a sound is no picture
	Width, Height   int           // of the pictures
}

// probeTime bounds a look at a file.
const probeTime = time.Minute

// Probe looks at the file at path, which is of that format. Pictures beyond the limits are an error.
func (e *Engine) Probe(ctx context.Context, path string, format convert.Format, limits convert.Limits) (Info, error) {
	reader, ok := demuxers[format]
	if !ok {
		return Info{}, engine.Errorf(engine.Unsupported, "ffmpeg does not read %s files here.", format)
	}
	c := e.box.Command(e.ffprobe, "")
	c.Bounds.Wall = probeTime
	var out bytes.Buffer
	c.Stdout = &out
	c.Args = []string{"-hide_banner", "-v", "error", "-protocol_whitelist", "file", "-f", reader.name, "-of", "json",
		"-show_entries", "format=duration:stream=codec_type,width,height:stream_disposition=attached_pic", "-i", "file:" + c.In(path)}
	outcome, err := c.Run(ctx)
	if err != nil {
		return Info{}, err
	}
	if outcome.Err() != nil {
		return Info{}, engine.Wrap(outcome.Err(), engine.Invalid, "The %s file is damaged or not what its type says.", format)
	}
	info, err := parseProbe(out.Bytes())
	if err != nil {
		return Info{}, err
	}
	if int64(info.Width)*int64(info.Height) > limits.Pixels || info.Width > maxSide || info.Height > maxSide {
		return Info{}, engine.Errorf(engine.TooLarge, "The pictures are %d by %d pixels, which is more than the limit.",
			info.Width, info.Height)
	}
	return info, nil
}

func parseProbe(text []byte) (Info, error) {
	var said struct {
		Format  struct{ Duration string }
		Streams []struct {
			Type          string `json:"codec_type"`
			Width, Height int
			Disposition   struct {
				Cover int `json:"attached_pic"`
			}
		}
	}
	if err := json.Unmarshal(text, &said); err != nil {
		return Info{}, fmt.Errorf("ffprobe: read its answer: %w", err)
	}
	var info Info
	if seconds, err := strconv.ParseFloat(said.Format.Duration, 64); err == nil && seconds > 0 && seconds < 1e9 {
		info.Duration = time.Duration(seconds * float64(time.Second))
	}
	for _, s := range said.Streams {
		switch {
		case s.Type == "audio":
			info.Sound = true
		case s.Type == "video" && s.Disposition.Cover == 0:
			info.Pictures = true
			info.Width, info.Height = max(info.Width, s.Width), max(info.Height, s.Height)
		}
	}
	return info, nil
}

// encode runs ffmpeg over a part of the input.
func (e *Engine) encode(ctx context.Context, job convert.Job, s span, args []string) error {
	c := e.box.Command(e.ffmpeg, job.Dir)
	c.Bounds.File = job.Limits.Unpacked
	c.Args = append(reading(job), s.args...)
	c.Args = append(c.Args, "-i", "file:"+c.In(job.In))
	c.Args = append(c.Args, args...)
	return e.finish(ctx, c, job, s.length)
}

// finish runs a command that lacks only its output, and makes sure that it came to the end: stopped early, ffmpeg leaves a file
// that looks whole.
func (e *Engine) finish(ctx context.Context, c *toolbox.Command, job convert.Job, length time.Duration) error {
	said := &progress{length: length, report: job.Progress}
	c.Stdout = said
	c.Args = append(c.Args, "-progress", "pipe:1", "-stats_period", "0.5", "-threads", strconv.Itoa(min(runtime.NumCPU(), 16)),
		"file:"+c.Path(job.Out()))
	outcome, err := c.Run(ctx)
	if err != nil {
		return err
	}
	if err := outcome.Err(); err != nil {
		return err
	}
	if !said.ended {
		return fmt.Errorf("ffmpeg stopped before the end of %s", filepath.Base(job.In))
	}
	return nil
}

// progress reads what ffmpeg says of itself: lines of name=value.
type progress struct {
	length time.Duration
	report func(percent int)
	rest   []byte
	ended  bool
}

// Write never fails.
func (p *progress) Write(text []byte) (int, error) {
	p.rest = append(p.rest, text...)
	for {
		line, rest, found := bytes.Cut(p.rest, []byte("\n"))
		if !found {
			break
		}
		p.rest = rest
		p.line(strings.TrimSpace(string(line)))
	}
	if len(p.rest) > 4096 { // not what ffmpeg writes
		p.rest = nil
	}
	return len(text), nil
}

func (p *progress) line(line string) {
	name, value, _ := strings.Cut(line, "=")
	switch name {
	case "out_time_us":
		if us, err := strconv.ParseInt(value, 10, 64); err == nil && us > 0 && p.length > 0 {
			p.report(int(min(99, us*100/max(1, p.length.Microseconds()))))
		}
	case "progress":
		p.ended = value == "end"
	}
}
