// Package gcs is the exporter to, and the source from, Google Cloud Storage. It speaks the JSON API by itself: the vendor's
// Writer keeps the address of an upload to itself, so that no other process could go on with it, and takes its endpoint from
// the environment where that names one. What is left are five plain calls, which with the vendor's library would have a
// second way to sign in, to try again and to tell errors.
package gcs

import (
	"context"
	"errors"
	"strings"

	"github.com/gantry-engine/gantry/engine/param"
	"github.com/gantry-engine/gantry/exporters"
)

// Place says which bucket, and who asks.
type Place struct {
	Project    string       `json:"project_id" doc:"The project's id, such as api-project-1234." rule:"required,role=address"`
	Bucket     string       `json:"bucket" doc:"The bucket. It is never created." rule:"required,role=address"`
	Email      string       `json:"client_email" doc:"The service account's address, such as NAME@PROJECT.iam.gserviceaccount.com. It needs storage.objects.create to export, with storage.objects.get and storage.objects.delete to replace; storage.objects.get to import, with storage.objects.list to import several." rule:"required,role=credential"`
	PrivateKey param.Secret `json:"private_key" doc:"The service account's private key in PEM, as its key file has it." rule:"required,role=credential"`
	Endpoint   string       `json:"endpoint" doc:"URL of an emulator, or of another way to the service; by default https://storage.googleapis.com." rule:"role=address"`
	TokenURL   string       `json:"token_url" doc:"URL at which the key is exchanged for a token; by default https://oauth2.googleapis.com/token." rule:"role=address"`
}

// Params are the parameters of export/google-cloud-storage.
type Params struct {
	Place
	File   string `json:"file" doc:"The object's name in full; %d is the number of one of several files." rule:"role=name"`
	Prefix string `json:"file_prefix" doc:"What is put before the file's own name, where there is no file." rule:"role=prefix"`
}

// ReadParams are the parameters of import/google-cloud-storage.
type ReadParams struct {
	Place
	File   string `json:"file" doc:"The object's name in full, or a pattern with * and ? for several." rule:"role=name"`
	Prefix string `json:"file_prefix" doc:"Imports all objects whose names begin with it, where there is no file." rule:"role=prefix"`
}

// Definition returns the definition of the kind google-cloud-storage.
func Definition() exporters.Definition {
	def := exporters.Define("google-cloud-storage", "Exports files to a Google Cloud Storage bucket.", Params{},
		func(_ context.Context, env exporters.Env, p Params) (exporters.Exporter, error) { return open(env, p) })
	def.Promises.LostOpening = "only Google knows the address of an upload when the answer that says it is lost; it has no bytes, is in no " +
		"listing, costs nothing, and ends after a week"
	def.Clean = exporters.FlatNames("Google", 1024, refuse)
	def.Discard = exporters.DiscardWith(discard)
	def.Check = exporters.CheckWith(check)
	def.Reading = exporters.NewReading("Imports files from a Google Cloud Storage bucket.", ReadParams{},
		func(_ context.Context, env exporters.Env, p ReadParams) (exporters.Source, error) {
			return openSource(env, p)
		})
	return def
}

// refuse returns what Google does not take.
func refuse(name string) error {
	switch {
	case strings.ContainsAny(name, "\r\n"):
		return errors.New("it has characters that Google does not take")
	case strings.HasPrefix(name, ".well-known/acme-challenge/"):
		return errors.New("names that begin with .well-known/acme-challenge/ are not taken by Google")
	}
	return nil
}
