package downloads

import (
	"errors"
	"io"
	"net/http"

	"github.com/gantry-engine/gantry/api"
	"github.com/gantry-engine/gantry/api/downloads/formdata"
	"github.com/gantry-engine/gantry/engine"
)

// What is said about uploads that are not taken.
var (
	errForm = engine.Errorf(engine.Denied, "The upload form is not valid or has expired. "+
		"Send every parameter of the form unchanged, before the file; if it has expired, make a new import/upload task.")
	errNoFile = malformed("The form has no part named file. " +
		"Send the parameters first and then the file, as a part of that name.")
	errAfterFile = malformed("The form goes on after the file. " +
		"Send every parameter before the file; the part named file must be the last.")
	errFields = malformed("The form has too many or too large fields before the file. " +
		"Send the parameters of the form and then the file, as a part named file.")
	errEarly = malformed("The upload ended early, and nothing of it was kept. Send it again.")
	errIdle  = api.Refusal(http.StatusRequestTimeout, "TIMEOUT", "No byte of the upload came for too long, and nothing of "+
		"it was kept. Send it again.")
)

// malformed returns what is said about a form that cannot be taken as one.
func malformed(format string, args ...any) *engine.Error {
	return engine.Wrap(api.ErrMalformed, engine.Invalid, format, args...)
}

// complaint turns what reading an upload failed with into what is said about it.
func complaint(err error) error {
	var known *engine.Error
	switch {
	case errors.As(err, &known):
		return err
	case errors.Is(err, formdata.ErrNotForm):
		return malformed("A POST must be multipart/form-data with a boundary. " +
			"To send the bare bytes, PUT them with the form's parameters and filename= in the query.")
	case errors.Is(err, formdata.ErrHeader), errors.Is(err, formdata.ErrBoundary), errors.Is(err, formdata.ErrEncoding):
		return malformed("The form cannot be read: %v.", err)
	case errors.Is(err, io.ErrUnexpectedEOF): // of the form: the boundary that closes it did not come
		return errEarly
	}
	return err
}
