// Package media converts sound and moving pictures with ffmpeg. What reads a file is chosen by its content, never by ffmpeg:
// playlists, and texts that it would draw, are no formats here.
package media

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/toolbox"
)

// Engine is ffmpeg. It is safe for concurrent use.
type Engine struct {
	box      *toolbox.Box
	ffmpeg   toolbox.Tool
	ffprobe  toolbox.Tool
	encoders []string
}

// New returns the engine, or nil where ffmpeg or ffprobe is not installed.
func New(ctx context.Context, box *toolbox.Box) *Engine {
	version := regexp.MustCompile(`version (\S+)`)
	ffmpeg, found := box.Find(ctx, toolbox.Program{Name: "ffmpeg", Args: []string{"-version"}, Version: version})
	ffprobe, foundToo := box.Find(ctx, toolbox.Program{Name: "ffprobe", Args: []string{"-version"}, Version: version})
	if !found || !foundToo {
		return nil
	}
	e := &Engine{box: box, ffmpeg: ffmpeg, ffprobe: ffprobe}
	var list strings.Builder
	c := box.Command(ffmpeg, "", "-hide_banner", "-nostdin", "-encoders")
	c.Stdout = &list
	if outcome, err := c.Run(ctx); err != nil || outcome.Err() != nil {
		return nil
	}
	for line := range strings.Lines(list.String()) {
		if words := strings.Fields(line); len(words) > 1 {
			e.encoders = append(e.encoders, words[1])
		}
	}
	return e
}

// Name is "ffmpeg".
func (*Engine) Name() string { return "ffmpeg" }

// Version is that of ffmpeg.
func (e *Engine) Version() string { return e.ffmpeg.Version }

// What the pairs obey.
var (
	soundOptions   = []string{"audio_codec", "audio_bitrate", "sample_rate", "channels", "volume", "trim_start", "trim_end"}
	pictureOptions = []string{"video_codec", "video_bitrate", "crf", "preset", "profile", "fps", "width", "height", "fit", "rotate"}
	gifOptions     = []string{"fps", "width", "height", "fit", "rotate", "trim_start", "trim_end"}
)

// Pairs lists all sounds into each other, all moving pictures into each other, into sounds, GIF and single pictures, and GIF
// into them. What this ffmpeg has no encoder for is left out.
func (e *Engine) Pairs() []convert.Pair {
	sound, moving := convert.Fields(soundOptions...), convert.Fields(append(soundOptions, pictureOptions...)...)
	var pairs []convert.Pair
	for _, from := range inputs() {
		for _, to := range e.outputs() {
			options := moving
			switch {
			case demuxers[from].sound && !outputs[to].isSound(), from == "gif" && (outputs[to].isSound() || to == "gif"):
				continue
			case outputs[to].isSound():
				options = sound
			case to == "gif":
				options = convert.Fields(gifOptions...)
			}
			pairs = append(pairs, convert.Pair{From: from, To: to, Options: e.narrow(options, outputs[to])})
		}
		for to, encoder := range stills {
			if !demuxers[from].sound && from != "gif" && slices.Contains(e.encoders, encoder) {
				pairs = append(pairs, convert.Pair{From: from, To: to, Options: convert.Fields(stillOptions(to)...)})
			}
		}
	}
	return pairs
}

func (e *Engine) outputs() []convert.Format {
	var all []convert.Format
	for to, o := range outputs {
		if (o.video == "" || slices.Contains(e.encoders, o.video)) && (o.audio == "" || slices.Contains(e.encoders, o.audio)) {
			all = append(all, to)
		}
	}
	slices.Sort(all)
	return all
}

// Convert makes one file.
func (e *Engine) Convert(ctx context.Context, job convert.Job) ([]string, error) {
	in, err := e.Probe(ctx, job.In, job.From, job.Limits)
	if err != nil {
		return nil, err
	}
	if stills[job.To] != "" {
		return e.frames(ctx, job, in)
	}
	o := outputs[job.To]
	if o.isSound() && !in.Sound {
		return nil, engine.Errorf(engine.Invalid, "The %s file has no sound.", job.From)
	}
	if !o.isSound() && !in.Pictures {
		return nil, engine.Errorf(engine.Invalid, "The %s file has no moving pictures.", job.From)
	}
	span, err := spanOf(job.Options, in.Duration)
	if err != nil {
		return nil, err
	}
	args, err := o.args(job, in)
	if err != nil {
		return nil, err
	}
	if err := e.encode(ctx, job, span, args); err != nil {
		return nil, err
	}
	made, err := e.Probe(ctx, job.Out(), job.To, job.Limits)
	if err != nil || !made.Pictures && (!made.Sound || !o.isSound() && job.Options.VideoCodec != "none") {
		return nil, engine.Wrap(err, engine.Invalid, "ffmpeg could not make a whole %s file of this one.", job.To)
	}
	return []string{job.Out()}, nil
}
