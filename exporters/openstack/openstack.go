// Package openstack is the exporter to, and the source from, OpenStack Object Storage (Swift) and what speaks its protocol,
// with Keystone v3 to log in. What is too large for one object is a static large object, whose segments are ours to remove.
package openstack

import (
	"context"
	"errors"
	"strings"

	"github.com/gantry-engine/gantry/engine/param"
	"github.com/gantry-engine/gantry/exporters"
)

// Place says which container, and who asks.
type Place struct {
	AuthURL   string       `json:"auth_url" doc:"URL of the identity service (Keystone), with or without a version; it has to offer version 3." rule:"required,role=address"`
	Username  string       `json:"username" doc:"The user, of the domain Default." rule:"required,role=credential"`
	Password  param.Secret `json:"password" doc:"The user's password." rule:"required,role=credential"`
	Region    string       `json:"region" doc:"The region of the object store, as the service catalog calls it." rule:"required,role=address"`
	Tenant    string       `json:"tenant_name" doc:"The project (tenant) by its name or id; by default the user's own default project, else the only one there is." rule:"role=address"`
	Container string       `json:"container" doc:"The container. It is never created." rule:"required,role=address"`
}

// Params are the parameters of export/openstack.
type Params struct {
	Place
	File   string `json:"file" doc:"The object's name in full; %d is the number of one of several files." rule:"role=name"`
	Prefix string `json:"file_prefix" doc:"What is put before the file's own name, where there is no file." rule:"role=prefix"`
}

// ReadParams are the parameters of import/openstack.
type ReadParams struct {
	Place
	File   string `json:"file" doc:"The object's name in full, or a pattern with * and ? for several." rule:"role=name"`
	Prefix string `json:"file_prefix" doc:"Imports all objects whose names begin with it, where there is no file." rule:"role=prefix"`
}

// Definition returns the definition of the kind openstack.
func Definition() exporters.Definition {
	def := exporters.Define("openstack", "Exports files to a container of OpenStack Object Storage (Swift).", Params{},
		func(_ context.Context, env exporters.Env, p Params) (exporters.Exporter, error) { return open(env, p) })
	def.Promises.LateCommit = "Swift knows no condition by which a write could be refused, so a worker that lost its task in that " +
		"very moment may write the same bytes once more"
	def.Clean = exporters.FlatNames("Swift", 1024, refuse)
	def.Discard = exporters.DiscardWith(discard)
	def.Check = exporters.CheckWith(check)
	def.Reading = exporters.NewReading("Imports files from a container of OpenStack Object Storage (Swift).", ReadParams{},
		func(_ context.Context, env exporters.Env, p ReadParams) (exporters.Source, error) {
			return openSource(env, p)
		})
	return def
}

// refuse returns what Swift does not take.
func refuse(name string) error {
	if strings.Contains(name, "\x00") {
		return errors.New("it has characters that Swift does not take")
	}
	return nil
}
