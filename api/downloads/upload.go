package downloads

import (
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/gantry-engine/gantry/api/downloads/formdata"
	"github.com/gantry-engine/gantry/engine"
)

const (
	fileField = "file" // the name of the part that is the file
	nameField = "filename"
	maxFields = 100
	maxValues = 64 << 10 // bytes of all fields before the file
	maxForm   = 1 << 20  // bytes that a form may be larger than its file
)

// Redirector is what the parameters of an operation with an upload form may be: they then say to which http or https
// URL a browser is sent after the upload, or nothing.
type Redirector interface{ RedirectURL() string }

// form takes the file of an upload form.
func (h *handler) form(w http.ResponseWriter, r *http.Request, task engine.ID) {
	allowAnyOrigin(w, r)
	var err error
	switch r.Method {
	case http.MethodOptions:
		w.WriteHeader(http.StatusNoContent)
		return
	case http.MethodPost:
		err = h.post(w, r, task)
	case http.MethodPut:
		err = h.put(w, r, task)
	default:
		err = wrongMethod(w, "POST, PUT, OPTIONS")
	}
	if err != nil {
		h.fail(w, r, complaint(err))
	}
}

// allowAnyOrigin lets pages of any origin upload: the form's own parameters are the permission, no cookie is.
func allowAnyOrigin(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Access-Control-Allow-Origin", "*")
	header.Set("Access-Control-Expose-Headers", "ETag, Location")
	if r.Method == http.MethodOptions {
		header.Set("Access-Control-Allow-Methods", "POST, PUT")
		header.Set("Access-Control-Allow-Headers", "*")
		if asked := r.Header.Get("Access-Control-Request-Headers"); asked != "" {
			header.Set("Access-Control-Allow-Headers", asked) // "*" covers neither Authorization nor old browsers
		}
		header.Set("Access-Control-Max-Age", "86400")
	}
}

// post takes a form whose parameters come before the file.
func (h *handler) post(w http.ResponseWriter, r *http.Request, task engine.ID) error {
	form, err := formdata.NewReader(h.paced(w, r), r.Header.Get("Content-Type"))
	if err != nil {
		return err
	}
	fields, file, err := readFields(form)
	if err != nil {
		return err
	}
	for name := range fields { // submit buttons and what else a page adds is no concern of ours
		if name != "expires" && name != "signature" {
			fields.Del(name)
		}
	}
	return h.arrive(w, r, fields, incoming{task, file.FileName, &lastPart{form, file}})
}

// put takes the bare bytes; the parameters and the file's name are in the query.
func (h *handler) put(w http.ResponseWriter, r *http.Request, task engine.ID) error {
	fields, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil || len(fields[nameField]) > 1 {
		return errForm
	}
	name := fields.Get(nameField)
	fields.Del(nameField)
	return h.arrive(w, r, fields, incoming{task, name, h.paced(w, r)})
}

// incoming is a file on its way to the task.
type incoming struct {
	task engine.ID
	name string
	body io.Reader
}

// arrive checks the permission and passes the file on.
func (h *handler) arrive(w http.ResponseWriter, r *http.Request, fields url.Values, in incoming) error {
	if h.links.signer.VerifyForm(r.Host, r.URL.EscapedPath(), fields, h.now()) != nil {
		return errForm
	}
	upload, err := h.engine.Uploadable(r.Context(), in.task)
	if err != nil {
		return err
	}
	if limit := h.engine.Limits.Transfer; r.ContentLength > limit+maxForm {
		return engine.Errorf(engine.TooLarge,
			"The file is larger than the %d bytes that this server takes for one file.", limit)
	}
	if err := h.engine.Arrive(r.Context(), in.task, in.name, in.body); err != nil {
		return err
	}
	h.created(w, r, upload)
	return nil
}

// created answers in the manner of the storage services that the clients were written for.
func (h *handler) created(w http.ResponseWriter, r *http.Request, upload engine.Upload) {
	var answer struct {
		XMLName  xml.Name `xml:"PostResponse"`
		Location string
		Key      string
		ETag     string
	}
	if f, ok := h.arrived(r, upload.Task.ID); ok {
		answer.Key = string(upload.Task.ID) + "/" + f.Name
		answer.Location = h.links.base + "/" + string(upload.Task.ID) + "/" + url.PathEscape(f.Name)
		answer.ETag = `"` + f.MD5 + `"`
		w.Header().Set("ETag", answer.ETag)
		w.Header().Set("Location", answer.Location)
	}
	if to, ok := upload.Params.(Redirector); ok && isWeb(to.RedirectURL()) {
		w.Header().Set("Location", to.RedirectURL())
		w.WriteHeader(http.StatusSeeOther)
		return
	}
	w.Header().Set("Content-Type", "application/xml")
	w.Header().Set("Content-Security-Policy", sandboxed)
	w.WriteHeader(http.StatusCreated)
	body, _ := xml.Marshal(answer)
	_, _ = io.WriteString(w, xml.Header+string(body))
}

// arrived returns the file as it was stored. It may be gone already, when somebody deleted the task at once.
func (h *handler) arrived(r *http.Request, task engine.ID) (engine.File, bool) {
	inputs, err := h.engine.Store.Reader.Inputs(r.Context(), task)
	if err != nil {
		return engine.File{}, false
	}
	for _, in := range inputs {
		if in.Task == "" && len(in.Files) == 1 {
			return in.Files[0], true
		}
	}
	return engine.File{}, false
}

func isWeb(address string) bool {
	u, err := url.Parse(address)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

// readFields reads the fields before the file, and the beginning of the file.
func readFields(form *formdata.Reader) (url.Values, *formdata.Part, error) {
	fields, left := url.Values{}, int64(maxValues)
	for range maxFields {
		part, err := form.Next()
		if err == io.EOF {
			return nil, nil, errNoFile
		}
		if err != nil {
			return nil, nil, err
		}
		if part.Name == fileField {
			return fields, part, nil
		}
		value, err := io.ReadAll(io.LimitReader(part, left+1))
		if err != nil {
			return nil, nil, err
		}
		if left -= int64(len(value)); left < 0 {
			return nil, nil, errFields
		}
		fields.Add(part.Name, string(value))
	}
	return nil, nil, errFields
}

// lastPart is the file of a form. It ends only where the form does: bytes after which another field comes, or nothing,
// are never taken for a file.
type lastPart struct {
	form *formdata.Reader
	file *formdata.Part
}

// Read reads the file.
func (l *lastPart) Read(p []byte) (int, error) {
	n, err := l.file.Read(p)
	if err != io.EOF {
		return n, err
	}
	if _, err = l.form.Next(); err == nil {
		err = errAfterFile
	}
	return n, err
}

// paced returns the request's body, which fails with a time-out when no byte comes for the idle time.
func (h *handler) paced(w http.ResponseWriter, r *http.Request) io.Reader {
	return Body(w, r, h.engine.Limits.Idle)
}

// Body returns the request's body, the bytes of a file. It fails in words for the sender when it ends early, or when no byte
// comes for the idle time.
func Body(w http.ResponseWriter, r *http.Request, idle time.Duration) io.Reader {
	return &pacedReader{src: r.Body, control: http.NewResponseController(w), idle: idle}
}

// FileName returns the file's name that a Content-Disposition header gives (RFC 6266), also one that does not keep to the
// grammar; empty if it gives none.
func FileName(disposition string) string { return formdata.FileName(disposition) }

type pacedReader struct {
	src     io.Reader
	control *http.ResponseController
	idle    time.Duration
}

// Read reads from the body.
func (p *pacedReader) Read(b []byte) (int, error) {
	_ = p.control.SetReadDeadline(time.Now().Add(p.idle)) // only the writers of tests have none
	n, err := p.src.Read(b)
	switch {
	case err == nil:
	case err == io.EOF:
		_ = p.control.SetReadDeadline(time.Time{}) // else net/http would take the deadline for the client's end
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = errIdle
	default:
		err = errors.Join(errEarly, err)
	}
	return n, err
}
