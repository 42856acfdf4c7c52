package media

import (
	"cmp"
	"context"
	"fmt"
	"image"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/convert"
)

// stills are the encoders of single pictures.
var stills = map[convert.Format]string{"jpg": "mjpeg", "png": "png", "webp": "libwebp"}

// stillOptions are what the pairs of films and pictures obey.
func stillOptions(to convert.Format) []string {
	names := []string{"width", "height", "fit", "rotate", "timestamp", "count"}
	if to != "png" {
		names = append(names, "quality")
	}
	return names
}

// stillArgs are the arguments of the encoder. That of jpg counts from 1, the best, to 31.
func stillArgs(to convert.Format, quality int) []string {
	quality = cmp.Or(quality, convert.DefaultOptions().Quality)
	switch to {
	case "jpg":
		return []string{"-q:v", strconv.Itoa(1 + (100-quality)*2/15), "-pix_fmt", "yuvj420p"}
	case "webp":
		return []string{"-quality", strconv.Itoa(quality)}
	}
	return nil
}

// frameTime bounds the making of one picture.
const frameTime = 5 * time.Minute

// frames makes pictures of places of a film: of one, or of several that lie equally far from each other.
func (e *Engine) frames(ctx context.Context, job convert.Job, in Info) ([]string, error) {
	if !in.Pictures {
		return nil, engine.Errorf(engine.Invalid, "The %s file has no moving pictures.", job.From)
	}
	at, err := convert.ParseTime(job.Options.Timestamp)
	if err != nil {
		return nil, engine.Errorf(engine.Invalid, "The parameter timestamp %s.", err)
	}
	if job.Options.Timestamp == "" {
		at = in.Duration / 10
	}
	if in.Duration > 0 && at >= in.Duration {
		return nil, engine.Errorf(engine.Invalid, "The parameter timestamp is beyond the end of the film, which is %s long.",
			in.Duration.Round(10*time.Millisecond))
	}
	count := max(1, job.Options.Count)
	var made []string
	for i := range count {
		path := filepath.Join(job.Dir, fmt.Sprintf("frame-%d.%s", i+1, job.To))
		if err := e.frame(ctx, job, at+(in.Duration-at)*time.Duration(i)/time.Duration(count), path); err != nil {
			return nil, err
		}
		made = append(made, path)
		job.Progress(100 * (i + 1) / count)
	}
	return made, nil
}

func (e *Engine) frame(ctx context.Context, job convert.Job, at time.Duration, out string) error {
	chain, err := filters(job.Options, "", job.Limits.Pixels)
	if err != nil {
		return err
	}
	c := e.box.Command(e.ffmpeg, job.Dir)
	c.Bounds.Wall = frameTime
	c.Args = append(reading(job), "-ss", number(at.Seconds()), "-i", "file:"+c.In(job.In), "-map", "0:V:0", "-frames:v", "1", "-vf",
		strings.Join(chain, ","), "-c:v", stills[job.To])
	c.Args = append(append(c.Args, stillArgs(job.To, job.Options.Quality)...), "-f", "image2", "-update", "1", "file:"+c.Path(out))
	outcome, err := c.Run(ctx)
	if err != nil {
		return err
	}
	return outcome.Err()
}

// reading are the arguments before an input: it is what its content says, and nothing but itself is read.
func reading(job convert.Job) []string {
	return []string{"-hide_banner", "-nostdin", "-v", "error", "-y", "-protocol_whitelist", "file", "-max_pixels",
		strconv.FormatInt(job.Limits.Pixels, 10), "-f", demuxers[job.From].name}
}

// Films lists the formats of moving pictures that are both read and written, sorted.
func Films() []convert.Format {
	return slices.DeleteFunc(inputs(), func(f convert.Format) bool { return !IsFilm(f) })
}

// IsFilm reports whether f is one of Films.
func IsFilm(f convert.Format) bool {
	return f != "gif" && demuxers[f].name != "" && !demuxers[f].sound && outputs[f].video != ""
}

// Overlay puts the PNG at the path stamp on every picture of the film job.In, with its upper left corner at a place, and
// returns the path of the film in the same format. The sound is encoded anew.
func (e *Engine) Overlay(ctx context.Context, job convert.Job, stamp string, at image.Point) (string, error) {
	in, err := e.Probe(ctx, job.In, job.From, job.Limits)
	if err != nil {
		return "", err
	}
	o := outputs[job.To]
	chain, err := filters(convert.Options{}, o.video, job.Limits.Pixels)
	if err != nil {
		return "", err
	}
	c := e.box.Command(e.ffmpeg, job.Dir)
	c.Bounds.File = job.Limits.Unpacked
	c.Args = append(reading(job), "-i", "file:"+c.In(job.In), "-protocol_whitelist", "file", "-f", "png_pipe", "-i", "file:"+c.In(stamp),
		"-filter_complex", fmt.Sprintf("[0:V:0][1:v]overlay=%d:%d:eof_action=repeat,%s[v]", at.X, at.Y, strings.Join(chain, ",")),
		"-map", "[v]", "-c:v", o.video)
	if in.Sound {
		c.Args = append(c.Args, "-map", "0:a:0", "-c:a", o.audio)
	}
	c.Args = append(append(c.Args, o.extra...), "-sn", "-dn", "-f", o.muxer)
	if err := e.finish(ctx, c, job, in.Duration); err != nil {
		return "", err
	}
	_, err = e.Probe(ctx, job.Out(), job.To, job.Limits)
	return job.Out(), err
}
