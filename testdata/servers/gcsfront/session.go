package main

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"time"
)

// quantum is what a session keeps of a request that breaks off: whole multiples of it.
const quantum = 256 << 10

// session is an upload that can be gone on with.
type session struct {
	id, bucket, name string
	about            map[string]any
	condition        url.Values

	turn sync.Mutex // held by the request that is served
	file *os.File
	have int64
	done []byte // the object that it became
	gone bool

	mu  sync.Mutex
	cut func() // ends the request that is served: a newer one counts
}

// open opens a session.
func (f *front) open(w http.ResponseWriter, r *http.Request, t token, bucket string) {
	s := &session{id: rand.Text() + rand.Text(), bucket: bucket, condition: url.Values{"uploadType": {"multipart"}}}
	if err := json.NewDecoder(r.Body).Decode(&s.about); err != nil {
		refuse(w, http.StatusBadRequest, "parseError", "Parse Error")
		return
	}
	s.name = fmt.Sprint(s.about["name"])
	if status, _ := f.ask("/storage/v1/b/" + bucket + "/o/" + url.PathEscape(s.name)); status == http.StatusOK && !t.may("storage.objects.delete") {
		deny(w, t, "storage.objects.delete")
		return
	}
	if match := r.URL.Query().Get("ifGenerationMatch"); match != "" {
		s.condition.Set("ifGenerationMatch", match)
	}
	var err error
	if s.file, err = os.Create(filepath.Join(f.dir, s.id)); err != nil {
		refuse(w, http.StatusInternalServerError, "internalError", "Internal Error")
		return
	}
	f.mu.Lock()
	f.sessions[s.id] = s
	f.mu.Unlock()
	w.Header().Set("Location", "http://"+r.Host+"/upload/storage/v1/b/"+bucket+"/o?uploadType=resumable&upload_id="+s.id)
	w.WriteHeader(http.StatusOK)
}

// list shows what is unfinished.
func (f *front) list(w http.ResponseWriter) {
	open := []string{}
	f.mu.Lock()
	for id, s := range f.sessions {
		if s.done == nil {
			open = append(open, s.name+" "+id)
		}
	}
	f.mu.Unlock()
	answer(w, http.StatusOK, open)
}

// proceed serves a request to a session.
func (f *front) proceed(w http.ResponseWriter, r *http.Request, id string) {
	f.mu.Lock()
	s := f.sessions[id]
	f.mu.Unlock()
	if s == nil {
		refuse(w, http.StatusNotFound, "notFound", "Upload session not found")
		return
	}
	connection := http.NewResponseController(w)
	s.take(func() { _ = connection.SetReadDeadline(time.Now()) })
	defer s.leave()
	switch {
	case r.Method == http.MethodDelete && s.done == nil:
		f.end(s, nil)
		w.WriteHeader(499)
	case s.done != nil:
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json; charset=UTF-8")
		_, _ = w.Write(s.done)
	case s.gone:
		refuse(w, http.StatusGone, "gone", "Gone")
	default:
		f.receive(w, r, s)
	}
}

// take waits for the turn of a request, and ends the one before it.
func (s *session) take(cut func()) {
	s.mu.Lock()
	if s.cut != nil {
		s.cut()
	}
	s.mu.Unlock()
	s.turn.Lock()
	s.mu.Lock()
	s.cut = cut
	s.mu.Unlock()
}

// leave ends the turn. The connection may serve other requests now, which nobody must cut.
func (s *session) leave() {
	s.mu.Lock()
	s.cut = nil
	s.mu.Unlock()
	s.turn.Unlock()
}

// end closes a session, which became that object or none.
func (f *front) end(s *session, object []byte) {
	s.file.Close()
	os.Remove(s.file.Name())
	f.mu.Lock()
	defer f.mu.Unlock()
	if s.done, s.gone = object, true; object == nil {
		delete(f.sessions, s.id)
	}
}

var contentRange = regexp.MustCompile(`^bytes (?:\*|(\d+)-(\d+))/(\*|\d+)$`)

// receive takes bytes, or says how many there are.
func (f *front) receive(w http.ResponseWriter, r *http.Request, s *session) {
	said := contentRange.FindStringSubmatch(r.Header.Get("Content-Range"))
	if said == nil {
		refuse(w, http.StatusBadRequest, "invalid", "Failed to parse Content-Range header.")
		return
	}
	total, err := strconv.ParseInt(said[3], 10, 64)
	if err != nil {
		total = -1
	}
	if said[1] != "" {
		first, _ := strconv.ParseInt(said[1], 10, 64)
		last, _ := strconv.ParseInt(said[2], 10, 64)
		switch {
		case first > s.have:
			refuse(w, http.StatusServiceUnavailable, "backendError", "There is a gap.")
			return
		case last+1 != total && (last+1-first)%quantum != 0:
			refuse(w, http.StatusBadRequest, "badRequest", "Chunks have to be multiples of 256 KiB.")
			return
		}
		if err := s.append(r.Body, first, last); err != nil {
			panic(http.ErrAbortHandler) // it has broken off, or a newer request counts
		}
	}
	if total < 0 || s.have < total {
		s.goOn(w, r)
		return
	}
	f.finish(w, s)
}

// append takes the bytes from first to last. Those that are there already are read and forgotten.
func (s *session) append(body io.Reader, first, last int64) error {
	if _, err := io.CopyN(io.Discard, body, min(s.have, last+1)-first); err != nil {
		return err
	}
	if last < s.have {
		return nil
	}
	n, err := io.CopyN(io.NewOffsetWriter(s.file, s.have), body, last+1-s.have)
	if err != nil {
		n = (s.have+n)/quantum*quantum - s.have
	}
	s.have += max(n, 0)
	return errors.Join(err, s.file.Truncate(s.have))
}

// goOn says what there is, which is nothing said where there is nothing. Some clients do not want to hear 308.
func (s *session) goOn(w http.ResponseWriter, r *http.Request) {
	if s.have > 0 {
		w.Header().Set("Range", fmt.Sprintf("bytes=0-%d", s.have-1))
	}
	status := http.StatusPermanentRedirect
	if r.Header.Get("X-Guploader-No-308") != "" {
		w.Header().Set("X-Http-Status-Code-Override", "308")
		status = http.StatusOK
	}
	w.WriteHeader(status)
}

// finish makes the object, on the condition that the session was opened with.
func (f *front) finish(w http.ResponseWriter, s *session) {
	resp, err := f.hand(s)
	if err != nil {
		refuse(w, http.StatusServiceUnavailable, "backendError", "Backend Error")
		return
	}
	defer resp.Body.Close()
	object, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= 500 {
		refuse(w, http.StatusServiceUnavailable, "backendError", "Backend Error")
		return
	}
	if resp.StatusCode == http.StatusOK {
		f.end(s, object)
	} else {
		f.end(s, nil)
	}
	w.Header().Set("Content-Type", resp.Header.Get("Content-Type"))
	w.WriteHeader(resp.StatusCode)
	_, _ = w.Write(object)
}

// hand hands all bytes on to the backend.
func (f *front) hand(s *session) (*http.Response, error) {
	var frame bytes.Buffer
	form := multipart.NewWriter(&frame)
	about, err := form.CreatePart(textproto.MIMEHeader{"Content-Type": {"application/json"}})
	if err != nil {
		return nil, err
	}
	if err := json.NewEncoder(about).Encode(s.about); err != nil {
		return nil, err
	}
	if _, err := form.CreatePart(textproto.MIMEHeader{"Content-Type": {fmt.Sprint(s.about["contentType"])}}); err != nil {
		return nil, err
	}
	before := frame.Len()
	if err := form.Close(); err != nil {
		return nil, err
	}
	body := io.MultiReader(bytes.NewReader(frame.Bytes()[:before]), io.NewSectionReader(s.file, 0, s.have), bytes.NewReader(frame.Bytes()[before:]))
	return http.Post(f.backend.String()+"/upload/storage/v1/b/"+s.bucket+"/o?"+s.condition.Encode(),
		"multipart/related; boundary="+form.Boundary(), body)
}
