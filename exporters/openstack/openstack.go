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
	Username  string       `json:"username" doc:"The user. It is required where there is no application_credential_id." rule:"role=credential"`
	Password  param.Secret `json:"password" doc:"The user's password." rule:"role=credential"`
	Domain    string       `json:"domain_name" doc:"The domain of the user and of the project, by its name; by default Default." rule:"role=address"`
	AppID     string       `json:"application_credential_id" doc:"The id of an application credential, in the place of username and password. It is good for one project." rule:"role=credential"`
	AppSecret param.Secret `json:"application_credential_secret" doc:"The application credential's secret." rule:"role=credential"`
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
	def.Validate = exporters.ValidateWith(Params.validate)
	def.Discard = exporters.DiscardWith(discard)
	def.Check = exporters.CheckWith(check)
	def.Reading = exporters.NewReading("Imports files from a container of OpenStack Object Storage (Swift).", ReadParams{},
		func(_ context.Context, env exporters.Env, p ReadParams) (exporters.Source, error) {
			return openSource(env, p)
		})
	def.Reading.Validate = exporters.ValidateWith(ReadParams.validate)
	return def
}

// validate returns what can never work: a user needs a password, an application credential its secret, and one of the two has
// to be there.
func (p Place) validate() (problems []param.Problem) {
	applied := p.AppID != "" || p.AppSecret != ""
	need := func(field, value, otherwise string) {
		if value == "" {
			problems = append(problems, param.Problemf(field, "%s", otherwise))
		}
	}
	if applied {
		need("application_credential_id", p.AppID, "is required beside application_credential_secret")
		need("application_credential_secret", p.AppSecret.Reveal(), "is required beside application_credential_id")
	} else {
		need("username", p.Username, "or application_credential_id is required")
		need("password", p.Password.Reveal(), "or application_credential_secret is required")
	}
	if applied && (p.Username != "" || p.Password != "") {
		problems = append(problems, param.Problemf("username", "and password cannot be beside an application credential, which is somebody's already"))
	}
	return problems
}

// refuse returns what Swift does not take.
func refuse(name string) error {
	if strings.Contains(name, "\x00") {
		return errors.New("it has characters that Swift does not take")
	}
	return nil
}
