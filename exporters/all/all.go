// Package all lists the exporters that come with Gantry.
package all

import (
	"github.com/gantry-engine/gantry/exporters"
	"github.com/gantry-engine/gantry/exporters/azureblob"
	"github.com/gantry-engine/gantry/exporters/gcs"
	"github.com/gantry-engine/gantry/exporters/openstack"
	"github.com/gantry-engine/gantry/exporters/s3"
	"github.com/gantry-engine/gantry/exporters/sftp"
	"github.com/gantry-engine/gantry/exporters/upload"
	"github.com/gantry-engine/gantry/exporters/url"
)

// Definitions returns the definition of every kind.
func Definitions() []exporters.Definition {
	return []exporters.Definition{
		azureblob.Definition(),
		gcs.Definition(),
		openstack.Definition(),
		s3.Definition(),
		sftp.Definition(),
		upload.Definition(),
		url.Definition(),
	}
}
