// Package all lists the exporters that come with Gantry.
package all

import (
	"github.com/gantry-engine/gantry/exporters"
	"github.com/gantry-engine/gantry/exporters/sftp"
	"github.com/gantry-engine/gantry/exporters/upload"
	"github.com/gantry-engine/gantry/exporters/url"
)

// Definitions returns the definition of every kind.
func Definitions() []exporters.Definition {
	return []exporters.Definition{
		sftp.Definition(),
		upload.Definition(),
		url.Definition(),
	}
}
