package convert

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/gantry-engine/gantry/engine"
)

// Catalog knows every pair of its engines, and the ways over several of them. It does not change after New and is safe for
// concurrent use.
type Catalog struct {
	engines []Engine
	offers  map[leg][]Offer
	routes  map[leg][]Route
}

type leg struct{ from, to Format }

// Offer is one pair with the engine that makes it.
type Offer struct {
	Engine Engine
	Pair   Pair
}

// New makes a catalog of engines in order of preference: of two engines for one pair with the same merit the earlier one is
// used, unless a job names the other.
func New(engines ...Engine) *Catalog {
	c := &Catalog{engines: engines, offers: map[leg][]Offer{}, routes: map[leg][]Route{}}
	for _, e := range engines {
		for _, p := range e.Pairs() {
			key := leg{p.From, p.To}
			c.offers[key] = append(c.offers[key], Offer{Engine: e, Pair: p})
		}
	}
	for key, offers := range c.offers {
		slices.SortStableFunc(offers, func(a, b Offer) int { return cmp.Compare(b.Pair.Merit, a.Pair.Merit) })
		for _, o := range offers {
			c.routes[key] = append(c.routes[key], Route{o})
		}
	}
	c.chain()
	return c
}

// Engines lists the engines in order of preference.
func (c *Catalog) Engines() []Engine { return slices.Clone(c.engines) }

// Routes lists every way from a format to another, ordered by input, output and preference.
func (c *Catalog) Routes() []Route {
	var all []Route
	for _, from := range c.froms() {
		for _, to := range c.Outputs(from) {
			all = append(all, c.routes[leg{from, to}]...)
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

// Size is how many pairs of formats there are, however many engines make each.
func (c *Catalog) Size() int { return len(c.routes) }

func (c *Catalog) froms() []Format {
	return c.collect(func(l leg) (Format, bool) { return l.from, true })
}

func (c *Catalog) collect(pick func(leg) (Format, bool)) []Format {
	found := map[Format]bool{}
	for l := range c.routes {
		if f, ok := pick(l); ok {
			found[f] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// Route is the way to use from a format to another: that of the engine of that name, or the preferred one when name is "".
// When there is none the error has the code engine.Unsupported and says what the input can become.
func (c *Catalog) Route(from, to Format, name string) (Route, error) {
	for _, r := range c.routes[leg{from, to}] {
		if name == "" || r.Engine() == name {
			return r, nil
		}
	}
	return nil, unsupported(from, to, c.possible(from, name))
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
		return name != "" && !slices.ContainsFunc(c.routes[leg{from, to}], func(r Route) bool { return r.Engine() == name })
	})
}

func join(formats []Format) string {
	words := make([]string, len(formats))
	for i, f := range formats {
		words[i] = string(f)
	}
	return strings.Join(words, ", ")
}
