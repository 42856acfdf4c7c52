// Package watermark puts a text or a picture on the pages of PDFs, on pictures and on films.
package watermark

import (
	"strconv"
	"strings"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/param"
	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/convert/filetype"
	"github.com/gantry-engine/gantry/tasks/pdf"
)

// Params are what a watermark task takes. Lengths are in points on a PDF (72 an inch) and in pixels elsewhere.
type Params struct {
	InputFormat string `json:"input_format" doc:"What the files are; their content decides."`
	Pages       string `json:"pages" doc:"Which pages of a PDF, such as 1-3,7,9-; by default all."`
	Layer       string `json:"layer" doc:"Whether it lies above or below what a PDF's pages show." rule:"oneof=above|below"`

	Text             string  `json:"text" doc:"The text; this or image is required."`
	FontSize         int     `json:"font_size" doc:"Height of the text." rule:"min=1,max=2000"`
	FontWidthPercent float64 `json:"font_width_percent" doc:"Width of the text in percent of what it is put on, in place of font_size." rule:"min=0.1,max=100"`
	FontColor        string  `json:"font_color" doc:"Color of the text as #rrggbb."`
	FontName         string  `json:"font_name" doc:"Font of the text; of unknown ones the nearest that is there."`
	FontAlign        string  `json:"font_align" doc:"How lines lie below each other." rule:"oneof=left|center|right"`

	Image             string  `json:"image" doc:"The task whose file is the picture; this or text is required." rule:"role=task"`
	ImageWidth        int     `json:"image_width" doc:"Width of the picture; by default its own." rule:"min=1,max=16384"`
	ImageHeight       int     `json:"image_height" doc:"Height of the picture; by default it follows from the width." rule:"min=1,max=16384"`
	ImageWidthPercent float64 `json:"image_width_percent" doc:"Width of the picture in percent of what it is put on." rule:"min=0.1,max=100"`

	PositionVertical   string  `json:"position_vertical" doc:"Where it lies." rule:"oneof=top|center|bottom"`
	PositionHorizontal string  `json:"position_horizontal" doc:"Where it lies." rule:"oneof=left|center|right"`
	MarginVertical     int     `json:"margin_vertical" doc:"Distance to the upper or lower edge." rule:"min=0,max=16384"`
	MarginHorizontal   int     `json:"margin_horizontal" doc:"Distance to the left or right edge." rule:"min=0,max=16384"`
	Opacity            int     `json:"opacity" doc:"From 0, which is invisible, to 100." rule:"min=0,max=100"`
	Rotation           float64 `json:"rotation" doc:"Degrees clockwise." rule:"min=-360,max=360"`

	Engine        string `json:"engine" doc:"Which engine does the work; there is one for each kind of file."`
	EngineVersion string `json:"engine_version" doc:"The version of the engine."`
	Filename      string `json:"filename" doc:"Name of the output with its extension; %d is its number."`
}

// want is what the task asks for, whatever its files are.
func (p Params) want() convert.Want {
	return convert.Want{From: filetype.Parse(p.InputFormat), Engine: p.Engine, Version: p.EngineVersion}
}

// defaults hold for what a task leaves out.
func defaults() Params {
	return Params{Layer: "above", FontSize: 40, FontColor: "#000000", FontName: "Helvetica", FontAlign: "center",
		PositionVertical: "center", PositionHorizontal: "center", MarginVertical: 25, MarginHorizontal: 25, Opacity: 100}
}

// maxText bounds what a watermark can say.
const maxText = 2000

func check(p Params, _ []engine.File) (problems []param.Problem) {
	if (strings.TrimSpace(p.Text) == "") == (p.Image == "") {
		problems = append(problems, param.Problemf("text", "is required, or image, but not both"))
	}
	if len(p.Text) > maxText {
		problems = append(problems, param.Problemf("text", "must be at most %d bytes", maxText))
	}
	if _, ok := parseColor(p.FontColor); !ok {
		problems = append(problems, param.Problemf("font_color", "must be #rrggbb"))
	}
	if _, err := convert.ParsePages(p.Pages); err != nil {
		problems = append(problems, param.Problemf("pages", "%s", err))
	}
	return problems
}

func parseColor(text string) (rgb [3]byte, ok bool) {
	n, err := strconv.ParseUint(strings.TrimPrefix(text, "#"), 16, 24)
	return [3]byte{byte(n >> 16), byte(n >> 8), byte(n)}, err == nil && len(strings.TrimPrefix(text, "#")) == 6
}

// anchor is the position in the words of package pdf.
func (p Params) anchor() pdf.Anchor {
	return map[string]pdf.Anchor{
		"top left": pdf.TopLeft, "top center": pdf.TopCenter, "top right": pdf.TopRight,
		"center left": pdf.Left, "center center": pdf.Center, "center right": pdf.Right,
		"bottom left": pdf.BottomLeft, "bottom center": pdf.BottomCenter, "bottom right": pdf.BottomRight,
	}[p.PositionVertical+" "+p.PositionHorizontal]
}

// font is the nearest of the fonts that every reader of PDF has.
func (p Params) font() pdf.Font {
	name := strings.ToLower(p.FontName)
	bold, italic := strings.Contains(name, "bold"), strings.Contains(name, "italic") || strings.Contains(name, "oblique")
	family, slanted := "Helvetica", "Oblique"
	switch {
	case strings.Contains(name, "courier"), strings.Contains(name, "mono"):
		family = "Courier"
	case strings.Contains(name, "times"), strings.Contains(name, "georgia"):
		family, slanted = "Times", "Italic"
	}
	switch {
	case bold && italic:
		return pdf.Font(family + "-Bold" + slanted)
	case bold:
		return pdf.Font(family + "-Bold")
	case italic:
		return pdf.Font(family + "-" + slanted)
	case family == "Times":
		return pdf.FontTimes
	}
	return pdf.Font(family)
}
