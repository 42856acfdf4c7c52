package azureblob

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/exporters"
)

// byCode are the error codes whose status says too little, or the wrong thing. What is left out goes by its status.
var byCode = map[bloberror.Code]engine.Code{
	bloberror.AuthenticationFailed: engine.Unauthorized, bloberror.InvalidAuthenticationInfo: engine.Unauthorized,
	bloberror.NoAuthenticationInformation: engine.Unauthorized, "AuthorizationFailure": engine.Denied,
	bloberror.MD5Mismatch: engine.Unavailable, "Crc64Mismatch": engine.Unavailable, bloberror.InvalidBlockList: engine.Unavailable,
	bloberror.OperationTimedOut: engine.Timeout, bloberror.InternalError: engine.Unavailable, bloberror.ServerBusy: engine.RateLimited,
	bloberror.InvalidBlobOrBlock: engine.Conflict, bloberror.BlockCountExceedsLimit: engine.Conflict,
	"PublicAccessNotPermitted": engine.Denied, bloberror.AccountIsDisabled: engine.Denied,
}

// advice are texts for what persons can do something about. The rest is told as the service tells it.
var advice = map[bloberror.Code]string{
	bloberror.ContainerNotFound:     "There is no container of that name in the storage account. It has to be made first.",
	bloberror.ContainerDisabled:     "The container is disabled.",
	bloberror.ContainerBeingDeleted: "The container is being deleted.",
	bloberror.AccountIsDisabled:     "The storage account is disabled.",
	bloberror.BlobNotFound:          "There is no such blob.",
	bloberror.BlobArchived:          "The blob is archived, and cannot be read or overwritten until it is moved to another tier.",
	bloberror.BlobBeingRehydrated:   "The blob is being brought back from the archive.",
	bloberror.InvalidResourceName:   "Azure does not take the name of the container or of the blob.",
	bloberror.OutOfRangeInput:       "Azure does not take the name of the container or of the blob.",
	bloberror.LeaseIDMissing:        "The blob or the container has a lease, so only its holder may write there.",
	bloberror.SnapshotsPresent:      "The blob has snapshots that keep it.",
	"BlobImmutableDueToPolicy":      "A policy of the container forbids to overwrite the blob.",
	"ConditionNotMet":               "The blob was changed while it was read.",
	"PublicAccessNotPermitted":      "The storage account refuses access without a signature. Set storage_access_key or sas_token.",
	"KeyBasedAuthenticationNotPermitted": "The storage account does not take its keys: that is switched off in its settings. " +
		"Use a sas_token made with a user delegation key.",
	"AuthorizationFailure": "The storage account refuses this server: its firewall may let only some networks in, or the sas_token " +
		"may be for another address, protocol, service or resource.",
	"AuthorizationSourceIPMismatch":     "The sas_token is for other addresses than this server's.",
	"AuthorizationProtocolMismatch":     "The sas_token is for https alone.",
	"AuthorizationServiceMismatch":      "The sas_token is not for the blob service.",
	"AuthorizationResourceTypeMismatch": "The sas_token is not for objects: an account's needs the resource type o, and c to list.",
	bloberror.MD5Mismatch:               "The file was damaged on its way to Azure.",
	"Crc64Mismatch":                     "The file was damaged on its way to Azure.",
	bloberror.InvalidBlobOrBlock:        crowdedAdvice,
	bloberror.BlockCountExceedsLimit:    crowdedAdvice,
}

const crowdedAdvice = "The blob has blocks of another program's unfinished upload, beside which no others can be. Azure removes them a " +
	"week after the last of them; until then, delete the blob or export under another name."

// rights are what each kind of call needs of a SAS.
var rights = map[string]string{"write": "c (create) and w (write)", "read": "r (read)", "list": "l (list)", "delete": "d (delete)"}

// fault returns the error for a call that failed, with what it was to do: one of the rights.
func (c *client) fault(ctx context.Context, err error, verb string) error {
	var a *azcore.ResponseError
	if !errors.As(err, &a) || a.RawResponse == nil || ctx.Err() != nil {
		return exporters.Fault(ctx, err, "Azure")
	}
	said := bloberror.Code(a.ErrorCode)
	if c.late(a) != "" || strings.HasPrefix(c.sentence(a.RawResponse), "Server failed to authenticate") {
		said = bloberror.AuthenticationFailed // which not every version says by its code
	}
	code, known := byCode[said]
	if !known {
		code = exporters.Classify(a.StatusCode)
	}
	cause := &refusal{status: a.StatusCode, code: said, request: a.RawResponse.Header.Get("X-Ms-Request-Id")}
	failure := engine.Wrap(cause, code, "%s", c.explain(a, said, verb))
	if engine.Retryable(failure) {
		failure.RetryAfter = exporters.RetryAfter(a.RawResponse.Header.Get("Retry-After"))
	}
	return failure
}

// refusal is an answer for the log, without the address and the text, either of which could hold a signature.
type refusal struct {
	status  int
	code    bloberror.Code
	request string // the service's id of it
}

// Error implements error.
func (r *refusal) Error() string {
	return fmt.Sprintf("azure answered %d %s to request %s", r.status, r.code, r.request)
}

// says reports whether err is an answer with one of the codes.
func says(err error, codes ...bloberror.Code) bool {
	var r *refusal
	return errors.As(err, &r) && slices.Contains(codes, r.code)
}

func (c *client) explain(a *azcore.ResponseError, said bloberror.Code, verb string) string {
	refused := isRefused(a)
	switch {
	case c.late(a) != "":
		return c.late(a)
	case (said == bloberror.InvalidResourceName || said == bloberror.ResourceNotFound) && !strings.Contains(c.address, c.place.Account):
		return "There is no such container at the endpoint. Where the account is not in the host's name, the endpoint has to end in it."
	case advice[said] != "":
		return advice[said]
	case refused && c.key == nil && said == bloberror.AuthenticationFailed:
		return "The sas_token is not valid for this container: it was altered, is for another one, or the key it was made with has changed."
	case refused && c.key == nil:
		return "The sas_token does not allow to " + verb + " here: it needs the right " + rights[verb] + "."
	case said == bloberror.AuthenticationFailed, said == bloberror.InvalidAuthenticationInfo:
		return "The storage_access_key is not one of the storage_account."
	case refused:
		return "The storage account does not allow to " + verb + " here."
	case a.StatusCode == http.StatusNotFound && said == "":
		return "There is no such blob or container."
	case a.StatusCode >= 300 && a.StatusCode < 400:
		return "The endpoint sends requests elsewhere, which is not followed. Set endpoint to where it leads."
	}
	return strings.TrimRight(fmt.Sprintf("Azure answered %d %s: %s", a.StatusCode, a.ErrorCode, c.sentence(a.RawResponse)), " :.") + "."
}

// sentence is the first line of what the service says, without the credentials.
func (c *client) sentence(response *http.Response) string {
	var said struct {
		Message string `xml:"Message"`
	}
	if payload, err := runtime.Payload(response); err != nil || xml.Unmarshal(payload, &said) != nil {
		return ""
	}
	line, _, _ := strings.Cut(said.Message, "\n")
	for _, secret := range []string{c.place.AccessKey.Reveal(), c.place.SAS.Reveal(), c.query().Get("sig")} {
		if secret != "" {
			line = strings.ReplaceAll(line, secret, "[redacted]")
		}
	}
	return line
}

// query is the SAS, field by field.
func (c *client) query() url.Values {
	values, err := url.ParseQuery(c.sas)
	if err != nil {
		return url.Values{}
	}
	return values
}

// mostSkew is by how much clocks may differ for a signature by the key.
const mostSkew = 15 * time.Minute

func isRefused(a *azcore.ResponseError) bool {
	return a.StatusCode == http.StatusForbidden || a.StatusCode == http.StatusUnauthorized
}

// late says what is wrong with the time of a call that was refused; nothing if that is not it. The service's clock counts.
func (c *client) late(a *azcore.ResponseError) string {
	at, err := http.ParseTime(a.RawResponse.Header.Get("Date"))
	if err != nil || !isRefused(a) {
		return ""
	}
	skew := time.Since(at).Round(time.Second)
	differs := fmt.Sprintf("This server's clock differs by %d s from Azure's.", int(skew.Abs().Seconds()))
	if c.key != nil {
		if skew.Abs() < mostSkew {
			return ""
		}
		return differs + " Its operator has to set it."
	}
	if end, ok := sasTime(c.query().Get("se")); ok && !at.Before(end) {
		return "The sas_token has expired: it was valid until " + end.Format(time.RFC3339) + "."
	}
	if start, ok := sasTime(c.query().Get("st")); ok && at.Before(start) {
		return "The sas_token is not valid yet: it begins at " + start.Format(time.RFC3339) + ". " + differs +
			" Whoever makes one should let it begin 15 minutes earlier, or leave its begin out."
	}
	return ""
}

// sasTime reads a time of a SAS in any of its three forms.
func sasTime(value string) (time.Time, bool) {
	for _, form := range []string{time.RFC3339, "2006-01-02T15:04Z", time.DateOnly} {
		if at, err := time.Parse(form, value); err == nil {
			return at, true
		}
	}
	return time.Time{}, false
}
