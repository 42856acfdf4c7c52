package metadata

import (
	"slices"
	"strings"

	"github.com/gantry-engine/gantry/engine/param"
)

// writable are the tags that can be written, in lower case. There is no list of what must not be: exiftool has tags that
// rename, link and overwrite files, and new ones with every version.
var writable = strings.Fields(`
	title author subject keywords creator producer description comment copyright copyrightnotice artist credit source
	headline instructions caption caption-abstract by-line by-linetitle city state province-state country
	country-primarylocationname location sub-location label language rating rights publisher contributor coverage
	identifier relation type usageterms webstatement marked owner ownername cameraownername imagedescription usercomment
	software make model lensmake lensmodel lens serialnumber orientation xresolution yresolution resolutionunit
	datetimeoriginal createdate modifydate metadatadate datecreated timecreated digitalcreationdate offsettime
	offsettimeoriginal exposuretime fnumber iso focallength whitebalance flash colorspace
	gpslatitude gpslatituderef gpslongitude gpslongituderef gpsaltitude gpsaltituderef gpsdatestamp gpstimestamp
	gpsimgdirection gpsimgdirectionref gpsspeed gpsspeedref
	album genre track year composer performer encodedby creatortool documentid trapped transmissionreference
	specialinstructions category supplementalcategories objectname urgency editstatus writer-editor personinimage event`)

// groups may stand before a tag, with a colon.
var groups = strings.Fields(`exif xmp iptc pdf png quicktime gps ifd0 exififd xmp-dc xmp-xmp xmp-pdf xmp-photoshop
	xmp-iptccore xmp-iptcext xmp-xmprights xmp-tiff xmp-exif xmp-xmpdm jfif photoshop itemlist keys userdata`)

// checkTags finds tags that cannot be written, and values that are too long.
func checkTags(tags map[string]string) (problems []param.Problem) {
	if len(tags) > maxTags {
		return []param.Problem{param.Problemf("metadata", "must have at most %d tags", maxTags)}
	}
	for name, value := range tags {
		group, tag, grouped := strings.Cut(strings.ToLower(name), ":")
		if !grouped {
			tag = group
		}
		switch {
		case grouped && !slices.Contains(groups, group) || !slices.Contains(writable, tag):
			problems = append(problems, param.Problemf("metadata", "has %q, which is no tag that this server writes", name))
		case len(value) > maxValue || strings.ContainsRune(value, 0):
			problems = append(problems, param.Problemf("metadata", "has a value of %q that is longer than %d bytes or has a zero in it", name, maxValue))
		}
	}
	return problems
}
