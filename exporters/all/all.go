// Package all lists the exporters that come with Gantry.
package all

import (
	"github.com/gantry-engine/gantry/exporters"
	"github.com/gantry-engine/gantry/exporters/s3"
	"github.com/gantry-engine/gantry/exporters/url"
)

// Definitions returns the definition of every kind.
func Definitions() []exporters.Definition {
	return []exporters.Definition{
		s3.Definition(),
		url.Definition(),
	}
}
