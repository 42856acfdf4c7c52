// Package azureblob is the exporter to, and the source from, Azure Blob Storage and what speaks its protocol.
package azureblob

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gantry-engine/gantry/engine/param"
	"github.com/gantry-engine/gantry/exporters"
)

// Place says which container, and who asks.
type Place struct {
	Account   string       `json:"storage_account" doc:"The storage account: what stands before .blob.core.windows.net." rule:"required,role=address"`
	AccessKey param.Secret `json:"storage_access_key" doc:"One of the account's keys. It is required where there is no sas_token." rule:"role=credential"`
	SAS       param.Secret `json:"sas_token" doc:"A shared access signature, with or without its question mark; it is not used where there is a key. It needs the rights c and w to export, r to import, and l to import several by their beginning." rule:"role=credential"`
	Container string       `json:"container" doc:"The container. It is never created." rule:"required,role=address"`
	Endpoint  string       `json:"endpoint" doc:"URL of the blob service of an emulator or another cloud, with the account where that is in its path; by default https://ACCOUNT.blob.core.windows.net." rule:"role=address"`
}

// Params are the parameters of export/azure/blob.
type Params struct {
	Place
	Blob     string            `json:"blob" doc:"The blob's name in full; %d is the number of one of several files." rule:"role=name"`
	Prefix   string            `json:"blob_prefix" doc:"What is put before the file's own name, where there is no blob." rule:"role=prefix"`
	Metadata map[string]string `json:"metadata" doc:"Metadata of the blob; its names consist of letters, digits and underscores."`
}

// ReadParams are the parameters of import/azure/blob.
type ReadParams struct {
	Place
	Blob   string `json:"blob" doc:"The blob's name in full, or a pattern with * and ? for several." rule:"role=name"`
	Prefix string `json:"blob_prefix" doc:"Imports all blobs whose names begin with it, where there is no blob." rule:"role=prefix"`
}

// Definition returns the definition of the kind azure/blob.
func Definition() exporters.Definition {
	def := exporters.Define("azure/blob", "Exports files to an Azure blob container.", Params{},
		func(_ context.Context, env exporters.Env, p Params) (exporters.Exporter, error) { return open(env, p) })
	def.Aliases = []string{"azure-blob"}
	def.Promises.StaysUnder = "Azure has no call that removes the blocks of an unfinished upload alone. For a new blob they are removed " +
		"by an empty one that is deleted at once; over a blob that exists they stay, unseen, until it is written again, a week at most"
	def.Promises.LateCommit = "a worker that loses its task while the last bytes of a file of up to 8 MiB are under way may write " +
		"the same bytes once more; a late list of blocks is refused when anybody else has written meanwhile"
	def.Clean = exporters.FlatNames("Azure", maxName*utf8.UTFMax, refuse)
	def.Validate = exporters.ValidateWith(Params.validate)
	def.Discard = exporters.DiscardWith(discard)
	def.Check = exporters.CheckWith(check)
	def.Reading = exporters.NewReading("Imports files from an Azure blob container.", ReadParams{},
		func(_ context.Context, env exporters.Env, p ReadParams) (exporters.Source, error) {
			return openSource(env, p)
		})
	def.Reading.Validate = exporters.ValidateWith(ReadParams.validate)
	return def
}

// validate returns what can never work.
func (p Params) validate() []param.Problem {
	return append(p.Place.validate(), validateMetadata(p.Metadata)...)
}

func (p Place) validate() []param.Problem {
	if p.AccessKey == "" && p.SAS == "" {
		return []param.Problem{param.Problemf("storage_access_key", "or sas_token is required")}
	}
	return nil
}

// maxName is what Azure takes for a name, in characters.
const maxName = 1024

// refuse returns what Azure does not take, or would store under another name.
func refuse(name string) error {
	switch {
	case strings.ContainsFunc(name, unicode.IsControl):
		return errors.New("it has characters that Azure does not take")
	case utf8.RuneCountInString(name) > maxName:
		return fmt.Errorf("it has %d characters, and Azure takes %d at most", utf8.RuneCountInString(name), maxName)
	case strings.Contains(name, `\`):
		return errors.New("its backslash would become a slash at Azure")
	}
	for part := range strings.SplitSeq(name, "/") {
		if strings.HasSuffix(part, ".") {
			return fmt.Errorf("at Azure its part %s would lose the dots at its end", exporters.Quoted(part))
		}
	}
	return nil
}
