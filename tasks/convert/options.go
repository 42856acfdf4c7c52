package convert

import (
	"cmp"
	"slices"
	"sync"

	"github.com/gantry-engine/gantry/engine/param"
)

// Options are the parameters of one conversion. The zero value of a field means that it was not given; an engine ignores
// the fields its pair does not list.
type Options struct {
	Width   int    `json:"width" doc:"Width of the output in pixels." rule:"min=1"`
	Height  int    `json:"height" doc:"Height of the output in pixels." rule:"min=1"`
	Fit     string `json:"fit" doc:"max shrinks to fit, crop fills and cuts, scale distorts." rule:"oneof=max|crop|scale"`
	Strip   bool   `json:"strip" doc:"Leave out EXIF and ICC profile, which jpg, png and webp otherwise hand on to each other; formats beside them never keep either."`
	Quality int    `json:"quality" doc:"Quality of a lossy picture." rule:"min=1,max=100"`

	Pages        string       `json:"pages" doc:"Which pages of a document, such as 1-3,7,9-; by default all."`
	PageRange    string       `json:"page_range" doc:"An old name of pages." rule:"hidden"`
	PixelDensity int          `json:"pixel_density" doc:"Dots per inch at which pages become pictures; 150, or what width and height ask for." rule:"min=1,max=2400"`
	Password     param.Secret `json:"password" doc:"The password that opens the document."`

	Document
	Print
	Media
}

// Document are the options of office documents.
type Document struct {
	PDFA                 bool   `json:"pdf_a" doc:"Make a PDF/A-2b of it."`
	OptimizePrint        *bool  `json:"optimize_print" doc:"Keep pictures at the resolution that a printer needs; by default they are kept as they are."`
	IncludeMarkup        bool   `json:"include_markup" doc:"Show comments and tracked changes in the output."`
	HiddenSlides         bool   `json:"hidden_slides" doc:"Put hidden slides into the output too."`
	OutputType           string `json:"output_type" doc:"What of a presentation is shown." rule:"oneof=slides|notes|handout|outline"`
	SlidesPerHandoutPage int    `json:"slides_per_handout_page" doc:"With output_type handout." rule:"min=1,max=9"`
}

// Print are the options of web pages that become documents or pictures. Lengths are in centimetres for the page and in
// millimetres for its margins.
type Print struct {
	Zoom                *float64 `json:"zoom" doc:"How much larger than usual things are drawn." rule:"min=0.1,max=10"`
	PageWidth           *float64 `json:"page_width" doc:"Width of a page in cm; 21 if not given." rule:"min=1,max=500"`
	PageHeight          *float64 `json:"page_height" doc:"Height of a page in cm; 29.7 if not given." rule:"min=1,max=500"`
	MarginTop           *float64 `json:"margin_top" doc:"Margin in mm; 10 if not given." rule:"min=0,max=1000"`
	MarginBottom        *float64 `json:"margin_bottom" doc:"Margin in mm; 10 if not given." rule:"min=0,max=1000"`
	MarginLeft          *float64 `json:"margin_left" doc:"Margin in mm; 10 if not given." rule:"min=0,max=1000"`
	MarginRight         *float64 `json:"margin_right" doc:"Margin in mm; 10 if not given." rule:"min=0,max=1000"`
	PrintBackground     bool     `json:"print_background" doc:"Draw backgrounds."`
	DisplayHeaderFooter bool     `json:"display_header_footer" doc:"Draw the header and the footer on every page."`
	HeaderTemplate      string   `json:"header_template" doc:"HTML of the header; elements of class date, title, url, pageNumber and totalPages are filled in."`
	FooterTemplate      string   `json:"footer_template" doc:"HTML of the footer, like header_template."`
	WaitUntil           string   `json:"wait_until" doc:"Which event says that the page is there." rule:"oneof=load|domcontentloaded|networkidle0|networkidle2"`
	WaitForElement      string   `json:"wait_for_element" doc:"A CSS selector; the page is there when something matches it."`
	WaitTime            int      `json:"wait_time" doc:"Milliseconds to wait beyond that." rule:"min=0,max=300000"`
	ScreenWidth         int      `json:"screen_width" doc:"Width of the browser's window in pixels; 1440 if not given." rule:"min=1,max=16384"`
	ScreenHeight        int      `json:"screen_height" doc:"Height of the browser's window in pixels; by default that of the whole page." rule:"min=1,max=16384"`
}

// Media are the options of sound and moving pictures.
type Media struct {
	VideoCodec   string   `json:"video_codec" doc:"How pictures are encoded; copy keeps them as they are, none leaves them out." rule:"oneof=copy|none|x264|h264|x265|h265|hevc|vp8|vp9|av1|mpeg1|mpeg2|mpeg4|xvid|theora|wmv|flv|prores|dnxhd|mjpeg"`
	VideoBitrate int      `json:"video_bitrate" doc:"Kilobits per second of the pictures." rule:"min=1,max=1000000"`
	CRF          *int     `json:"crf" doc:"Constant quality of the pictures; lower is better and larger." rule:"min=0,max=63"`
	Preset       string   `json:"preset" doc:"How much time the encoder takes to save space." rule:"oneof=ultrafast|superfast|veryfast|faster|fast|medium|slow|slower|veryslow"`
	Profile      string   `json:"profile" doc:"Which features of the codec are used." rule:"oneof=baseline|main|high|high10|high422|high444|main10"`
	FPS          *float64 `json:"fps" doc:"Pictures per second." rule:"min=0.1,max=1000"`
	AudioCodec   string   `json:"audio_codec" doc:"How sound is encoded; copy keeps it as it is, none leaves it out." rule:"oneof=copy|none|aac|mp3|opus|vorbis|flac|alac|ac3|wma|pcm|pcm_s16le|pcm_s24le"`
	AudioBitrate int      `json:"audio_bitrate" doc:"Kilobits per second of the sound." rule:"min=1,max=10000"`
	SampleRate   int      `json:"sample_rate" doc:"Samples of sound per second." rule:"min=1000,max=384000"`
	Channels     int      `json:"channels" doc:"Channels of sound." rule:"min=1,max=8"`
	Volume       *float64 `json:"volume" doc:"How much louder: 1 is as it is, 0 is silence." rule:"min=0,max=100"`
	TrimStart    string   `json:"trim_start" doc:"Where to begin, as hh:mm:ss or in seconds."`
	TrimEnd      string   `json:"trim_end" doc:"Where to end, as hh:mm:ss or in seconds."`
	Timestamp    string   `json:"timestamp" doc:"From where in a film a picture is made, as hh:mm:ss or in seconds; by default after a tenth of it."`
	Count        int      `json:"count" doc:"How many pictures are made of a film; 1 if not given." rule:"min=1,max=100"`
	Rotate       int      `json:"rotate" doc:"Degrees to turn the pictures clockwise." rule:"min=-270,max=270"`
}

// DefaultOptions hold for what a task leaves out.
func DefaultOptions() Options {
	return Options{Fit: "max", Quality: 85, Print: Print{PrintBackground: true}}
}

// Resizes reports whether the options ask for a size in pixels.
func (o Options) Resizes() bool { return o.Width > 0 || o.Height > 0 }

// Selection is what the options say of pages. The error is that of ParsePages.
func (o Options) Selection() (Pages, error) {
	return ParsePages(cmp.Or(o.Pages, o.PageRange))
}

// used returns the options for what comes after a step that obeyed the fields: an output of chosen pages has only these, and
// no password any more.
func (o Options) used(obeyed []param.Field) Options {
	for _, f := range obeyed {
		switch f.Name {
		case "pages":
			o.Pages, o.PageRange = "", ""
		case "password":
			o.Password = ""
		}
	}
	return o
}

// Fields describes the named options, for a Pair.
func Fields(names ...string) []param.Field {
	return slices.DeleteFunc(slices.Clone(allFields()), func(f param.Field) bool { return !slices.Contains(names, f.Name) })
}

// allFields are described once: an engine asks for each of thousands of pairs.
var allFields = sync.OnceValue(func() []param.Field { return param.Of(DefaultOptions()).Fields() })
