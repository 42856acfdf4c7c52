// Package sftp is the exporter to, and the source from, servers that speak SFTP. A file is written under a temporary name
// beside its place and renamed; no command is ever run there, no mode, owner or time is set, and no folder removed.
package sftp

import (
	"context"
	"errors"
	"net/netip"
	"path"
	"strings"

	"github.com/gantry-engine/gantry/engine/param"
	"github.com/gantry-engine/gantry/exporters"
)

// Place says which server, and who asks.
type Place struct {
	Host       string       `json:"host" doc:"The SFTP server's host name or address." rule:"required,role=address"`
	Port       int          `json:"port" doc:"The SFTP server's port." rule:"min=1,max=65535,role=address"`
	Username   string       `json:"username" doc:"The user to log in as." rule:"required,role=credential"`
	Password   param.Secret `json:"password" doc:"The user's password." rule:"role=credential"`
	PrivateKey param.Secret `json:"private_key" doc:"A private key in place of the password, as OpenSSH, PEM or PKCS #8." rule:"role=credential"`
	Passphrase param.Secret `json:"passphrase" doc:"What an encrypted private key is decrypted with." rule:"role=credential"`
	HostKey    string       `json:"host_key" doc:"The server's key, as TYPE BASE64 or SHA256:FINGERPRINT; no other is accepted then." rule:"role=address"`
	Legacy     bool         `json:"legacy_algorithms" doc:"Also use algorithms that are not safe any more, for old servers: ssh-rsa, CBC, SHA-1." rule:"role=address"`
}

// Params are the parameters of export/sftp.
type Params struct {
	Place
	File    string `json:"file" doc:"The file's path in full, from the login folder unless it begins with a slash; %d is the number of one of several files." rule:"role=name"`
	Path    string `json:"path" doc:"The folder for the files, which keep their own names, where there is no file." rule:"role=folder"`
	InPlace bool   `json:"in_place" doc:"Write under the final name at once, for servers that let nobody rename. Readers may then see half a file, and a failure loses the old one."`
}

// ReadParams are the parameters of import/sftp.
type ReadParams struct {
	Place
	File string `json:"file" doc:"The file's path in full, or a pattern with * and ? for several." rule:"role=name"`
	Path string `json:"path" doc:"Imports all files in this folder and the folders in it, where there is no file." rule:"role=folder"`
	Root string `json:"root" doc:"A folder that file and path are below. Nothing outside of it is read, whatever names and links say."`
}

// Definition returns the definition of the kind sftp.
func Definition() exporters.Definition {
	place := Place{Port: 22}
	def := exporters.Define("sftp", "Exports files to an SFTP server.", Params{Place: place},
		func(_ context.Context, env exporters.Env, p Params) (exporters.Exporter, error) { return open(env, p) })
	def.Promises.NoResume = "SFTP has no checksums to tell what has arrived, so a file is sent anew"
	def.Promises.LateCommit = "an SFTP rename bears no condition, so a worker that lost its task in that very moment may put the " +
		"same bytes there once more"
	def.Clean = clean
	def.Validate = exporters.ValidateWith(Params.problems)
	def.Discard = exporters.DiscardWith(discard)
	def.Check = exporters.CheckWith(check)
	def.Reading = exporters.NewReading("Imports files from an SFTP server.", ReadParams{Place: place},
		func(_ context.Context, env exporters.Env, p ReadParams) (exporters.Source, error) {
			return openSource(env, p)
		})
	def.Reading.Validate = exporters.ValidateWith(ReadParams.problems)
	return def
}

func (p Place) problems() (problems []param.Problem) {
	host := strings.TrimSpace(p.Host)
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	if err != nil && strings.ContainsAny(host, ":/@") {
		problems = append(problems, param.Problemf("host", "is the name or address of a host alone: a port belongs to port, a user to username, a path to file or path"))
	}
	if p.Password == "" && p.PrivateKey == "" {
		problems = append(problems, param.Problemf("password", "or private_key is required: they say how to log in"))
	}
	return problems
}

// clean returns the name by which the same file is always known: ~/ is where relative paths begin anyway.
func clean(name string) (string, error) {
	name = strings.TrimPrefix(name, "~/")
	switch base := path.Base(name); {
	case strings.HasSuffix(name, "/"), base == ".", base == "..":
		return "", errors.New("it is the name of a folder")
	case strings.ContainsRune(name, 0):
		return "", errors.New("it has a zero byte in it")
	}
	return path.Clean(name), nil
}
