package office

import (
	"github.com/gantry-engine/gantry/tasks/convert"
)

// saveOptions are the options of the export filter for a job.
func saveOptions(job convert.Job) string {
	return targets[sources[job.From].kind][job.To].options
}
