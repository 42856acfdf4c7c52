package office

import (
	"cmp"
	"encoding/json"
	"slices"

	"github.com/gantry-engine/gantry/engine/param"
	"github.com/gantry-engine/gantry/tasks/convert"
)

// fields are the options of a pair.
func fields(from, to convert.Format) []param.Field {
	var names []string
	if sources[from].kind != sheet || slices.Contains(lockable, from) {
		names = append(names, "password")
	}
	if to == "pdf" {
		names = append(names, "pages", "page_range", "pdf_a", "optimize_print", "include_markup")
		if sources[from].kind == slides {
			names = append(names, "hidden_slides", "output_type")
		}
	}
	return convert.Fields(names...)
}

// saveOptions are the options of the export filter for a job.
func saveOptions(job convert.Job) string {
	if job.To == "pdf" {
		return pdfOptions(job.Options, sources[job.From].kind)
	}
	return targets[sources[job.From].kind][job.To].options
}

// value is how a filter takes an option.
type value struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

// pdfOptions are the options of LibreOffice's PDF export, as JSON, or nothing.
func pdfOptions(o convert.Options, k kind) string {
	set := map[string]value{}
	yes := value{"boolean", "true"}
	if pages := cmp.Or(o.Pages, o.PageRange); pages != "" {
		set["PageRange"] = value{"string", pages}
	}
	if o.PDFA {
		set["SelectPdfVersion"] = value{"long", "2"}
	}
	if o.OptimizePrint != nil {
		set["ReduceImageResolution"], set["MaxImageResolution"] = yes, value{"long", "300"}
		if !*o.OptimizePrint {
			set["MaxImageResolution"], set["Quality"] = value{"long", "150"}, value{"long", "75"}
		}
	}
	if o.IncludeMarkup {
		set["ExportNotesInMargin"] = yes
	}
	if k == slides && o.HiddenSlides {
		set["ExportHiddenSlides"] = yes
	}
	if k == slides && o.OutputType == "notes" {
		set["ExportNotesPages"], set["ExportOnlyNotesPages"] = yes, yes
	}
	if len(set) == 0 {
		return ""
	}
	text, err := json.Marshal(set)
	if err != nil {
		return "" // a map of strings always marshals
	}
	return string(text)
}
