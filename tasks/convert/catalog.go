package convert

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	"github.com/gantry-engine/gantry/engine"
)

// Catalog knows every pair of its engines. It does not change after New and is safe for concurrent use.
type Catalog struct {
	engines []Engine
	offers  map[leg][]Offer
}

type leg struct{ from, to Format }

// Offer is one pair with the engine that makes it.
type Offer struct {
	Engine Engine
	Pair   Pair
}

// New makes a catalog of engines in order of preference: of two engines for one pair the earlier one is used, unless a
// job names the other.
func New(engines ...Engine) *Catalog {
	c := &Catalog{engines: engines, offers: map[leg][]Offer{}}
	for _, e := range engines {
		for _, p := range e.Pairs() {
			key := leg{p.From, p.To}
			c.offers[key] = append(c.offers[key], Offer{Engine: e, Pair: p})
		}
	}
	return c
}

// Embedded is the catalog of the engines of this package.
func Embedded() *Catalog {
	return New(NewImages(), NewSheets(), NewDocuments(), NewArchives())
}

// Engines lists the engines in order of preference.
func (c *Catalog) Engines() []Engine { return slices.Clone(c.engines) }

// Offers lists every pair of every engine, ordered by input, output and preference.
func (c *Catalog) Offers() []Offer {
	var all []Offer
	for _, from := range c.froms() {
		for _, to := range c.Outputs(from) {
			all = append(all, c.offers[leg{from, to}]...)
		}
	}
	return all
}

// Outputs lists what a file of format from can become, sorted. It is empty when there is nothing.
func (c *Catalog) Outputs(from Format) []Format {
	return c.collect(func(l leg) (Format, bool) { return l.to, l.from == from })
}

// Inputs lists what can become a file of format to, sorted.
func (c *Catalog) Inputs(to Format) []Format {
	return c.collect(func(l leg) (Format, bool) { return l.from, l.to == to })
}

// AllOutputs lists everything that something can become, sorted.
func (c *Catalog) AllOutputs() []Format {
	return c.collect(func(l leg) (Format, bool) { return l.to, true })
}

func (c *Catalog) froms() []Format {
	return c.collect(func(l leg) (Format, bool) { return l.from, true })
}

func (c *Catalog) collect(pick func(leg) (Format, bool)) []Format {
	found := map[Format]bool{}
	for l := range c.offers {
		if f, ok := pick(l); ok {
			found[f] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// Route is the offer to use for a pair: that of the engine of that name, or the preferred one when name is "". When
// there is none the error has the code engine.Unsupported and says what the input can become.
func (c *Catalog) Route(from, to Format, name string) (Offer, error) {
	for _, offer := range c.offers[leg{from, to}] {
		if name == "" || offer.Engine.Name() == name {
			return offer, nil
		}
	}
	return Offer{}, unsupported(from, to, c.possible(from, name))
}

func unsupported(from, to Format, possible []Format) *engine.Error {
	if len(possible) == 0 {
		return engine.Errorf(engine.Unsupported, "This server cannot convert %s files.", from)
	}
	return engine.Errorf(engine.Unsupported, "This server cannot convert %s to %s. It can convert %s to %s.",
		from, to, from, join(possible))
}

func (c *Catalog) possible(from Format, name string) []Format {
	return slices.DeleteFunc(c.Outputs(from), func(to Format) bool {
		return name != "" && !slices.ContainsFunc(c.offers[leg{from, to}], func(o Offer) bool {
			return o.Engine.Name() == name
		})
	})
}

// Convert runs job on e and checks what came out: at least one file, each of the asked format. An engine that panics
// fails this job only: its decoder has met a broken file, so the error has the code engine.Invalid.
func Convert(ctx context.Context, e Engine, job Job) (outputs []string, err error) {
	if job.Progress == nil {
		job.Progress = func(int) {}
	}
	outputs, err = guarded(ctx, e, job)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, err
	}
	if len(outputs) == 0 {
		return nil, fmt.Errorf("%s made no %s file", e.Name(), job.To)
	}
	for _, path := range outputs {
		if err := checkOutput(path, job.To); err != nil {
			return nil, fmt.Errorf("%s: %w", e.Name(), err)
		}
	}
	return outputs, nil
}

func guarded(ctx context.Context, e Engine, job Job) (outputs []string, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = engine.Wrap(fmt.Errorf("panic: %v", v), engine.Invalid,
				"The %s file is damaged: it could not be read.", job.From)
		}
	}()
	return e.Convert(ctx, job)
}

func checkOutput(path string, want Format) error {
	f, err := os.Open(path)
	if err != nil {
		return errors.New("the output is missing")
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return errors.New("the output is missing")
	}
	if info.Size() == 0 && !isText(want) {
		return errors.New("the output is empty")
	}
	got, err := Detect(f, info.Size(), "out."+string(want))
	if err != nil {
		return fmt.Errorf("check the output: %w", err)
	}
	if got != want {
		return fmt.Errorf("the output is %s, not %s", got, want)
	}
	return nil
}
