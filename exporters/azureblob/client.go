package azureblob

import (
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/exporters"
)

// client makes calls to one container. It has nothing from the process: no environment, no files, no instance's identity.
type client struct {
	place   Place
	address string // of the container, without what gives access to it
	sas     string // the query of every call; empty with a key
	key     *container.SharedKeyCredential
	options azcore.ClientOptions
}

func newClient(env exporters.Env, p Place) (*client, error) {
	service, err := p.service()
	if err != nil {
		return nil, err
	}
	c := &client{place: p, address: service + "/" + url.PathEscape(p.Container)}
	if p.AccessKey == "" {
		c.sas, err = tokenOf(p.SAS.Reveal())
	} else if c.key, err = container.NewSharedKeyCredential(p.Account, strings.TrimSpace(p.AccessKey.Reveal())); err != nil {
		err = engine.Errorf(engine.Invalid, "The storage_access_key is not one of Azure: it is not base64.")
	}
	caller := *env.HTTP
	caller.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse } // a signature is for one host
	c.options = azcore.ClientOptions{
		Transport: &caller,
		Retry:     policy.RetryOptions{MaxRetries: -1}, // Deliver does that
		Telemetry: policy.TelemetryOptions{Disabled: true},
	}
	return c, err
}

// accountName is what may become part of a host.
var accountName = regexp.MustCompile(`^[A-Za-z0-9-]{1,63}$`)

// service returns the URL of the blob service, without a slash at its end.
func (p Place) service() (string, error) {
	if p.Endpoint == "" {
		if !accountName.MatchString(p.Account) {
			return "", engine.Errorf(engine.Invalid, "The storage_account is not the name of one: it is what stands before .blob.core.windows.net.")
		}
		return "https://" + p.Account + ".blob.core.windows.net", nil
	}
	address := strings.TrimSpace(p.Endpoint)
	if !strings.Contains(address, "://") {
		address = "https://" + address
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", engine.Errorf(engine.Invalid, "The endpoint is not an http or https URL with a host.")
	}
	path, within := strings.TrimSuffix(u.Path, "/"), "/"+p.Container
	if path == "/"+p.Account+within || path == within && strings.HasPrefix(u.Host, p.Account+".") {
		return "", engine.Errorf(engine.Invalid, "The endpoint ends in the name of the container, which would become a folder. Leave it out there.")
	}
	return u.Scheme + "://" + u.Host + strings.TrimSuffix(u.EscapedPath(), "/"), nil
}

// tokenOf returns a SAS as the query of a URL. It may have been copied with its question mark, with the URL before it, or
// with a signature whose plus signs are not escaped.
func tokenOf(text string) (string, error) {
	text = strings.TrimSpace(text)
	if _, after, isURL := strings.Cut(text, "?"); isURL {
		text = after
	}
	values, err := url.ParseQuery(text)
	if err != nil || values.Get("sig") == "" {
		return "", engine.Errorf(engine.Invalid, "The sas_token is not one: it has no signature (sig).")
	}
	values.Set("sig", strings.ReplaceAll(values.Get("sig"), " ", "+"))
	return values.Encode(), nil
}

// location is the address of a blob, without what would give access to it.
func (c *client) location(name string) string {
	parts := strings.Split(name, "/")
	for i, part := range parts {
		parts[i] = url.PathEscape(part)
	}
	return c.address + "/" + strings.Join(parts, "/")
}

// signed is the address for a call.
func (c *client) signed(address string) string {
	if c.sas == "" {
		return address
	}
	return address + "?" + c.sas
}

// blob returns the calls to one blob.
func (c *client) blob(name string) (api *blockblob.Client, err error) {
	options := &blockblob.ClientOptions{ClientOptions: c.options}
	options.ExpectContinueBehavior.Mode = azblob.ExpectContinueModeOff
	if c.key != nil {
		api, err = blockblob.NewClientWithSharedKeyCredential(c.location(name), c.key, options)
	} else {
		api, err = blockblob.NewClientWithNoCredential(c.signed(c.location(name)), options)
	}
	return api, hideAddress(err)
}

// container returns the calls to the container.
func (c *client) container() (api *container.Client, err error) {
	options := &container.ClientOptions{ClientOptions: c.options}
	options.ExpectContinueBehavior.Mode = azblob.ExpectContinueModeOff
	if c.key != nil {
		api, err = container.NewClientWithSharedKeyCredential(c.address, c.key, options)
	} else {
		api, err = container.NewClientWithNoCredential(c.signed(c.address), options)
	}
	return api, hideAddress(err)
}

// hideAddress keeps an address with a SAS out of the log.
func hideAddress(err error) error {
	if err == nil {
		return nil
	}
	return errors.New("make a client for Azure")
}
