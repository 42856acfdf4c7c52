//go:build linux && (amd64 || arm64)

package lok

import (
	"errors"
	"net/url"
	"path/filepath"
	"unsafe"

	"github.com/ebitengine/purego"
)

// Of LibreOfficeKitEnums.h.
const (
	callbackProgress         = 10
	callbackPassword         = 20
	callbackPasswordToModify = 21

	featurePassword         = 1 << 0
	featurePasswordToModify = 1 << 1
)

// officeClass and documentClass are the beginnings of the tables of functions of LibreOfficeKit.h. They have only grown at
// their ends, size is the whole in bytes. Fields that nobody reads keep the others at their places.
type officeClass struct {
	size                    uintptr
	_                       [2]uintptr // destroy, documentLoad
	getError                uintptr
	documentLoadWithOptions uintptr
	_                       uintptr // freeError
	registerCallback        uintptr
	_                       uintptr // getFilterTypes
	setOptionalFeatures     uintptr
	setDocumentPassword     uintptr
}

type documentClass struct {
	_       uintptr // size
	destroy uintptr
	saveAs  uintptr
}

type (
	office   struct{ class *officeClass }
	document struct{ class *documentClass }
)

// kit is a running LibreOffice.
type kit struct {
	office      *office
	documentFor func(*office, string, string) *document
	errorText   func(*office) string
	setPassword func(*office, string, *byte)
}

// start loads LibreOffice into this process. It can be done once.
func start(program, profile string, called func(kind int, payload string)) (*kit, error) {
	hook, err := openHook(program)
	if err != nil {
		return nil, err
	}
	var initialise func(program, profile string) *office
	purego.RegisterFunc(&initialise, hook)
	o := initialise(program, fileURL(profile))
	if o == nil {
		return nil, errors.New("LibreOffice did not start")
	}
	if o.class.size < unsafe.Sizeof(officeClass{}) {
		return nil, errors.New("this LibreOffice is older than 6.0")
	}
	k := &kit{office: o}
	purego.RegisterFunc(&k.documentFor, o.class.documentLoadWithOptions)
	purego.RegisterFunc(&k.errorText, o.class.getError)
	purego.RegisterFunc(&k.setPassword, o.class.setDocumentPassword)
	k.listen(called)
	return k, nil
}

// openHook finds the function that starts LibreOffice. Its library lies alone or merged with all others.
func openHook(program string) (uintptr, error) {
	var failed error
	for _, name := range []string{"libsofficeapp.so", "libmergedlo.so"} {
		lib, err := purego.Dlopen(filepath.Join(program, name), purego.RTLD_LAZY|purego.RTLD_GLOBAL)
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		return purego.Dlsym(lib, "libreofficekit_hook_2")
	}
	return 0, failed
}

func (k *kit) listen(called func(kind int, payload string)) {
	var register func(*office, uintptr, unsafe.Pointer)
	purego.RegisterFunc(&register, k.office.class.registerCallback)
	register(k.office, purego.NewCallback(func(kind int32, payload *byte, _ unsafe.Pointer) {
		called(int(kind), text(payload))
	}), nil)
	// Without these features an encrypted document is one that cannot be read; with them LibreOffice asks, and waits.
	var features func(*office, uint64)
	purego.RegisterFunc(&features, k.office.class.setOptionalFeatures)
	features(k.office, featurePassword|featurePasswordToModify)
}

// load returns nil when LibreOffice cannot read the document; problem says why. Batch keeps it from asking anything.
func (k *kit) load(path, options string) *document {
	return k.documentFor(k.office, fileURL(path), "Batch=true,"+options)
}

func (k *kit) problem() string { return k.errorText(k.office) }

// answerPassword gives the password, or says that there is none.
func (k *kit) answerPassword(path, password string, known bool) {
	if !known {
		k.setPassword(k.office, fileURL(path), nil)
		return
	}
	b := append([]byte(password), 0)
	k.setPassword(k.office, fileURL(path), &b[0])
}

func (d *document) save(path, format, options string) bool {
	var saveAs func(*document, string, string, string) int32
	purego.RegisterFunc(&saveAs, d.class.saveAs)
	return saveAs(d, fileURL(path), format, options) != 0
}

func (d *document) close() {
	var destroy func(*document)
	purego.RegisterFunc(&destroy, d.class.destroy)
	destroy(d)
}

func fileURL(path string) string {
	return (&url.URL{Scheme: "file", Path: path}).String()
}

// text copies a string of C.
func text(p *byte) string {
	if p == nil {
		return ""
	}
	var n int
	for *(*byte)(unsafe.Add(unsafe.Pointer(p), n)) != 0 {
		n++
	}
	return string(unsafe.Slice(p, n))
}
