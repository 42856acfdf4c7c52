package downloads

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/link"
)

// download hands out a file. The state of the task is asked on every request, whatever it is for: HEAD, a range, a
// revalidation.
func (h *handler) download(w http.ResponseWriter, r *http.Request, task engine.ID, name string) {
	if err := h.links.signer.Verify(link.Read, r.Host, r.URL.EscapedPath(), r.URL.RawQuery, h.now()); err != nil {
		h.fail(w, r, errLink)
		return
	}
	d, err := h.engine.Download(r.Context(), task, name)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.handOut(w, r, d)
}

// stored hands out a file of an organisation.
func (h *handler) stored(w http.ResponseWriter, r *http.Request, file engine.ID) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.fail(w, r, wrongMethod(w, "GET, HEAD"))
		return
	}
	if err := h.links.signer.Verify(link.Read, r.Host, r.URL.EscapedPath(), r.URL.RawQuery, h.now()); err != nil {
		h.fail(w, r, errLink)
		return
	}
	d, err := h.engine.OpenStored(r.Context(), file)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	d.Until = link.Ends(r.URL.RawQuery)
	h.handOut(w, r, d)
}

func (h *handler) handOut(w http.ResponseWriter, r *http.Request, d *engine.Download) {
	defer d.Close()
	if err := h.serve(w, r, d); err != nil {
		h.fail(w, r, err)
	}
}

// Serve hands out an open file to a caller who may have it, as a link to it would, and closes it. An error is returned before
// anything is sent. See New for what w must be, and how a download is broken off.
func Serve(w http.ResponseWriter, r *http.Request, e *engine.Engine, d *engine.Download) error {
	defer d.Close()
	protect(w)
	return (&handler{engine: e}).serve(w, r, d)
}

// protect sets the headers of all files, and of errors in their place.
func protect(w http.ResponseWriter) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.Header().Set("Cache-Control", "private")
}

func (h *handler) serve(w http.ResponseWriter, r *http.Request, d *engine.Download) error {
	kind, policy, err := h.display(d)
	if err != nil {
		return err
	}
	if h.redirect(w, r, d, kind) {
		return nil
	}
	header := w.Header()
	header.Set("Content-Type", contentType(d))
	header.Set("Content-Disposition", Disposition(kind, d.Name))
	header.Set("Content-Security-Policy", policy)
	header.Set("ETag", `"`+d.SHA256+`"`)
	h.send(w, r, d)
	return nil
}

// redirect sends the client to where the bytes lie, if it may go there: what is displayed needs headers that only this
// server sends.
func (h *handler) redirect(w http.ResponseWriter, r *http.Request, d *engine.Download, kind string) bool {
	if h.options.Elsewhere == nil || kind != "attachment" {
		return false
	}
	address, err := h.options.Elsewhere(r.Context(), d.Blob, contentType(d), Disposition(kind, d.Name), d.Until)
	if err != nil {
		h.engine.Log.Warn("a download could not be redirected to the store of the files", "error", err)
		return false
	}
	w.Header().Set("Cache-Control", "no-store") // the address ends
	http.Redirect(w, r, address, http.StatusFound)
	return true
}

// send lets net/http answer conditions and ranges. It copies from d.Bytes, a bare file, into w: between the two may
// stand a LimitedReader and nothing else, or the copy goes through memory.
func (h *handler) send(w http.ResponseWriter, r *http.Request, d *engine.Download) {
	if several := strings.Contains(r.Header.Get("Range"), ","); several || r.Method == http.MethodHead {
		// A list of ranges would be answered in parts with a header each, which a client can make much larger than the file.
		// Ranges are for GET alone. Both may be ignored (RFC 9110, 14.2).
		r = r.Clone(r.Context())
		r.Header.Del("Range")
	}
	paced := newPacedWriter(w, h.engine.Limits.Idle)
	stop := func() {}
	if d.Size > chunk { // less is handed to the kernel at once, before anybody could cut it
		stop = paced.cutAfter(d.Gone)
	}
	http.ServeContent(paced, r, "", bornAt(d.Blob), d.Bytes)
	stop()
	paced.lift()
	if paced.failed() {
		panic(http.ErrAbortHandler) // the only way to end an answer that must not look complete
	}
}

// bornAt returns the time that a UUIDv7 carries (RFC 9562: milliseconds in its first 48 bits), to whole seconds, or
// zero.
func bornAt(id engine.ID) time.Time {
	digits := strings.ReplaceAll(string(id), "-", "")
	if len(digits) != 32 || digits[12] != '7' {
		return time.Time{}
	}
	ms, err := strconv.ParseInt(digits[:12], 16, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMilli(ms).Truncate(time.Second)
}
