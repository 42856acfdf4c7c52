package pdf

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/pdfcpu/pdfcpu/pkg/pdfcpu/model"
	"github.com/pdfcpu/pdfcpu/pkg/pdfcpu/types"
)

// CheckArchive returns nil if the file says that it is PDF/A of that part (1, 2 or 3) at level b, and what of the standard
// (ISO 19005) can be told without looking at what is drawn holds: the profile of its colours is in it, so are all fonts; it is
// not encrypted; nothing runs, plays or, before part 3, is attached. Else the error has the code engine.Invalid.
func (*Library) CheckArchive(ctx context.Context, in, part string) error {
	return look(ctx, in, settings(model.LISTINFO), func(d *document) error {
		if err := (archiveCheck{d, part}).whole(); err != nil {
			return fmt.Errorf("%w: %w", errNotArchivable, err)
		}
		return nil
	})
}

// archiveCheck looks at a document as PDF/A of a part.
type archiveCheck struct {
	*document
	part string
}

func (c archiveCheck) whole() error {
	root, err := c.Catalog()
	if err != nil {
		return err
	}
	if c.Encrypt != nil {
		return errors.New("it is encrypted")
	}
	if err := c.claims(root); err != nil {
		return err
	}
	if err := c.intends(root); err != nil {
		return err
	}
	for number, entry := range c.Table {
		if entry == nil || entry.Free {
			continue
		}
		if err := c.object(entry.Object); err != nil {
			return fmt.Errorf("object %d: %w", number, err)
		}
	}
	return nil
}

const namespacePDFA = "http://www.aiim.org/pdfa/ns/id/"

// claims looks for the part and level in the document's XMP, where they are elements or attributes (ISO 19005-1, 6.7.11).
func (c archiveCheck) claims(root types.Dict) error {
	stream, _, err := c.DereferenceStreamDict(root["Metadata"])
	if err != nil {
		return fmt.Errorf("find its metadata: %w", err)
	}
	if stream == nil {
		return errors.New("it has no metadata")
	}
	if err := stream.Decode(); err != nil {
		return fmt.Errorf("decode its metadata: %w", err)
	}
	said, err := pdfaSays(stream.Content)
	if err != nil {
		return fmt.Errorf("read its metadata: %w", err)
	}
	if said["part"] != c.part || said["conformance"] != "B" {
		return fmt.Errorf("it claims to be part %q, level %q", said["part"], said["conformance"])
	}
	return nil
}

// pdfaSays returns the properties of PDF/A in XMP.
func pdfaSays(xmp []byte) (map[string]string, error) {
	said := map[string]string{}
	inside := ""
	for x := xml.NewDecoder(bytes.NewReader(xmp)); ; {
		token, err := x.Token()
		if err == io.EOF {
			return said, nil
		}
		if err != nil {
			return nil, err
		}
		switch t := token.(type) {
		case xml.StartElement:
			inside = ""
			if t.Name.Space == namespacePDFA {
				inside = t.Name.Local
			}
			for _, a := range t.Attr {
				if a.Name.Space == namespacePDFA {
					said[a.Name.Local] = a.Value
				}
			}
		case xml.CharData:
			if inside != "" {
				said[inside] += strings.TrimSpace(string(t))
			}
		case xml.EndElement:
			inside = ""
		}
	}
}

// intends looks for the profile of the colours.
func (c archiveCheck) intends(root types.Dict) error {
	intents, err := c.DereferenceArray(root["OutputIntents"])
	if err != nil {
		return err
	}
	for _, o := range intents {
		intent, err := c.DereferenceDict(o)
		if err != nil || intent == nil {
			continue
		}
		kind, profile := intent.NameEntry("S"), intent["DestOutputProfile"]
		if stream, _, err := c.DereferenceStreamDict(profile); err == nil && stream != nil && kind != nil && *kind == "GTS_PDFA1" {
			return nil
		}
	}
	return errors.New("it has no output intent with a profile")
}

// What PDF/A forbids to happen (ISO 19005-2, 6.5.1), and the fonts that it wants embedded (6.2.11.4).
var (
	forbiddenActions = []string{"Launch", "Sound", "Movie", "ResetForm", "ImportData", "JavaScript", "Hide", "SetOCGState",
		"Rendition", "Trans", "GoTo3DView"}
	fontFiles       = []string{"FontFile", "FontFile2", "FontFile3"}
	fontsToBeInside = []string{"Type1", "MMType1", "TrueType", "CIDFontType0", "CIDFontType2"}
)

func (c archiveCheck) object(o types.Object) error {
	switch o := o.(type) {
	case types.Dict:
		if err := c.dict(o); err != nil {
			return err
		}
		for _, inner := range o {
			if err := c.object(inner); err != nil {
				return err
			}
		}
	case types.StreamDict:
		return c.object(o.Dict)
	case types.Array:
		for _, inner := range o {
			if err := c.object(inner); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c archiveCheck) dict(d types.Dict) error {
	if kind := d.NameEntry("S"); kind != nil && slices.Contains(forbiddenActions, *kind) && !d.HasEntry("DestOutputProfile") {
		return fmt.Errorf("an action %s", *kind)
	}
	if d.HasEntry("EF") && c.part != "3" {
		return errors.New("an attached file")
	}
	kind, sub := d.Type(), d.Subtype()
	if kind == nil || *kind != "Font" || sub == nil || !slices.Contains(fontsToBeInside, *sub) {
		return nil
	}
	descriptor, err := c.DereferenceDict(d["FontDescriptor"])
	if err != nil || descriptor == nil || !slices.ContainsFunc(fontFiles, descriptor.HasEntry) {
		return errors.New("a font that is not in the file")
	}
	return nil
}
