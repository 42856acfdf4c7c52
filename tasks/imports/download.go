package imports

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/egress"
	"github.com/gantry-engine/gantry/exporters"
)

// download reads a URL to its end. Where the connection breaks and the server has said by a strong validator which
// bytes it sends, it goes on where it stopped. It never ends without an error before all bytes are there.
type download struct {
	ctx      context.Context
	client   *http.Client
	params   urlParams
	limits   engine.Limits
	progress func(percent int)

	first   *http.Response
	body    io.ReadCloser
	size    int64 // by Content-Length; -1 if not said
	got     int64
	resumed int64 // got at the last resumption: without a byte since then there is no other
	percent int
}

// notOurs are headers of the connection, which a request cannot choose, and those that say which bytes we can take.
var notOurs = map[string]bool{
	"Host": true, "Connection": true, "Content-Length": true, "Transfer-Encoding": true, "Te": true, "Trailer": true,
	"Upgrade": true, "Keep-Alive": true, "Accept-Encoding": true, "Range": true, "If-Range": true,
}

// open asks for the file.
func (d *download) open() error {
	address, err := url.Parse(strings.TrimSpace(d.params.URL))
	if err != nil {
		return engine.Errorf(engine.Invalid, "The URL is malformed.")
	}
	resp, err := d.ask(address, d.headers(address))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusNonAuthoritativeInfo {
		resp.Body.Close()
		return refusal(resp)
	}
	d.first, d.size, d.resumed = resp, resp.ContentLength, -1
	d.body = egress.IdleReader(resp.Body, d.limits.Idle)
	if d.size > d.limits.Transfer {
		d.Close()
		return engine.Errorf(engine.TooLarge,
			"The file has %d bytes; this server takes %d for one file.", d.size, d.limits.Transfer)
	}
	return nil
}

// headers are those for the host that the task names, and for no other.
func (d *download) headers(address *url.URL) http.Header {
	header := http.Header{}
	if user := address.User; user != nil {
		password, _ := user.Password()
		header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(user.Username()+":"+password)))
	}
	for name, value := range d.params.Headers {
		if !notOurs[http.CanonicalHeaderKey(name)] {
			header.Set(name, value.Reveal())
		}
	}
	return header
}

// ask sends one request. The user in the address is left out: it is a header by now.
func (d *download) ask(address *url.URL, header http.Header) (*http.Response, error) {
	bare := *address
	bare.User = nil
	req, err := http.NewRequestWithContext(d.ctx, http.MethodGet, bare.String(), nil)
	if err != nil {
		return nil, engine.Errorf(engine.Invalid, "The URL is malformed.")
	}
	req.Header = header
	req.Header.Set("Accept-Encoding", "identity")
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", "Gantry")
	}
	resp, err := d.client.Do(req)
	if err != nil {
		return nil, exporters.Fault(d.ctx, err, "The server of the URL")
	}
	return resp, nil
}

// askRest asks for what is missing, where the file was found after all redirects.
func (d *download) askRest(validator string) (*http.Response, error) {
	header, found := http.Header{}, d.first.Request.URL
	named, err := url.Parse(strings.TrimSpace(d.params.URL))
	if err == nil && named.Scheme == found.Scheme && named.Host == found.Host {
		header = d.headers(named)
	}
	header.Set("Range", fmt.Sprintf("bytes=%d-", d.got))
	header.Set("If-Range", validator)
	return d.ask(found, header)
}

// Close ends the download.
func (d *download) Close() error { return d.body.Close() }

// Read reads the bytes as the server sends them.
func (d *download) Read(p []byte) (int, error) {
	for {
		n, err := d.body.Read(p)
		d.advance(n)
		switch {
		case n > 0 && err != io.EOF:
			return n, nil // an error comes again, or is gone with the connection that had it
		case err == io.EOF && (d.size < 0 || d.got == d.size):
			return n, io.EOF
		case err == nil:
			return 0, nil
		case err == io.EOF:
			err = io.ErrUnexpectedEOF
		}
		if rerr := d.resume(err); rerr != nil {
			return n, rerr
		}
		if n > 0 {
			return n, nil
		}
	}
}

func (d *download) advance(n int) {
	d.got += int64(n)
	if d.size <= 0 {
		return
	}
	if percent := int(100 * d.got / d.size); percent != d.percent {
		d.percent = percent
		d.progress(percent)
	}
}

// resume goes on after the connection broke with err, or returns what the download failed with.
func (d *download) resume(err error) error {
	validator := d.first.Header.Get("ETag")
	strong := strings.HasPrefix(validator, `"`)
	if d.ctx.Err() != nil || !strong || d.got == d.resumed || d.first.Header.Get("Accept-Ranges") == "none" {
		return d.broken(err)
	}
	d.resumed = d.got
	d.body.Close()
	resp, aerr := d.askRest(validator)
	if aerr != nil {
		return aerr
	}
	d.body = egress.IdleReader(resp.Body, d.limits.Idle)
	switch {
	case resp.StatusCode == http.StatusPartialContent && d.continues(resp):
		return nil
	case resp.StatusCode >= 400 && resp.StatusCode != http.StatusRequestedRangeNotSatisfiable:
		return refusal(resp)
	}
	return engine.Wrap(err, engine.Unavailable,
		"The download broke off, and the server does not continue it with the same file.")
}

// continues reports whether a partial answer begins where we stopped, is of the same file and goes to its end.
func (d *download) continues(resp *http.Response) bool {
	var from, to int64
	var total string
	_, err := fmt.Sscanf(resp.Header.Get("Content-Range"), "bytes %d-%d/%s", &from, &to, &total)
	if err != nil || from != d.got {
		return false
	}
	sameSize := d.size < 0 || to == d.size-1 && (total == "*" || total == fmt.Sprint(d.size))
	return sameSize && resp.Header.Get("ETag") == d.first.Header.Get("ETag") &&
		resp.Header.Get("Content-Encoding") == d.first.Header.Get("Content-Encoding")
}

func (d *download) broken(err error) error {
	switch {
	case d.ctx.Err() != nil:
		return context.Cause(d.ctx)
	case errors.Is(err, egress.ErrIdle):
		return engine.Wrap(err, engine.Timeout, "The server of the URL sent no byte for %s.", d.limits.Idle)
	case d.size >= 0:
		return engine.Wrap(err, engine.Unavailable, "The download broke off after %d of %d bytes.", d.got, d.size)
	}
	var address *url.Error
	if errors.As(err, &address) {
		err = address.Err
	}
	return engine.Wrap(err, engine.Unavailable, "The download broke off after %d bytes.", d.got)
}
