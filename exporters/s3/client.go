package s3

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/exporters"
)

// client makes calls to one bucket. It finds out by itself when the bucket is in another region than it was told.
type client struct {
	place    Place
	endpoint *url.URL // nil: Amazon's own
	profile  profile
	options  s3.Options

	mu     sync.Mutex
	region string
	s3     *s3.Client
}

// newClient returns a client. It has nothing from the process: no environment, no files, no instance's credentials.
func newClient(env exporters.Env, p Place) (*client, error) {
	c := &client{place: p}
	host := ""
	if p.Endpoint != "" {
		endpoint, err := endpointOf(p.Endpoint)
		if err != nil {
			return nil, err
		}
		c.endpoint, host = endpoint, endpoint.Hostname()
	}
	c.profile = profileOf(host, p.Bucket)
	c.options = s3.Options{
		HTTPClient:   newCaller(env.HTTP),
		UsePathStyle: !c.profile.virtual,
		Retryer:      aws.NopRetryer{},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: p.AccessKeyID.Reveal(), SecretAccessKey: p.SecretAccessKey.Reveal(),
				SessionToken: p.SessionToken.Reveal()}, nil
		}),
		RequestChecksumCalculation:  aws.RequestChecksumCalculationWhenRequired,
		ResponseChecksumValidation:  aws.ResponseChecksumValidationWhenRequired,
		DisableS3ExpressSessionAuth: aws.Bool(true), // a session would be a call more, and takes a right of its own
		APIOptions:                  []func(*middleware.Stack) error{plainRequests},
	}
	if c.endpoint != nil {
		c.options.BaseEndpoint = text(c.endpoint.String())
	}
	c.use(strings.TrimSpace(p.Region))
	return c, nil
}

// caller is the HTTP client that is lent, as the SDK needs it.
type caller struct{ http.Client }

func newCaller(lent *http.Client) *caller {
	c := &caller{*lent}
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse } // a signature is for one host
	return c
}

// Do sends a request. The SDK's say no version of the protocol, and net/http waits for "100 Continue" in no version before 1.1.
func (c *caller) Do(req *http.Request) (*http.Response, error) {
	req.Proto, req.ProtoMajor, req.ProtoMinor = "HTTP/1.1", 1, 1
	return c.Client.Do(req)
}

// endpointOf reads the address of a service, which many write without a scheme.
func endpointOf(address string) (*url.URL, error) {
	address = strings.TrimSpace(address)
	if !strings.Contains(address, "://") {
		address = "https://" + address
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, engine.Errorf(engine.Invalid, "The endpoint is not an http or https URL with a host.")
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host, Path: strings.TrimSuffix(u.Path, "/")}, nil
}

// askBefore is the size from which on a body is announced, so that a refusal arrives before it is sent. Who answers early
// and closes would otherwise be heard as a broken connection.
const askBefore = mib

// plainRequests leaves out what the SDK adds, what services and the proxies before them alter or refuse, and what is of no use.
func plainRequests(stack *middleware.Stack) error {
	return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc("PlainRequests", func(
		ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler,
	) (middleware.FinalizeOutput, middleware.Metadata, error) {
		if req, ok := in.Request.(*smithyhttp.Request); ok {
			req.Header.Del("Accept-Encoding") // Google's front alters it, and it would be signed
			req.Header.Del("Amz-Sdk-Invocation-Id")
			req.Header.Del("Amz-Sdk-Request")
			query := req.URL.Query()
			query.Del("x-id")
			if size, err := strconv.ParseInt(req.Header.Get("Content-Length"), 10, 64); err == nil && size >= askBefore {
				req.Header.Set("Expect", "100-continue")
			}
			req.URL.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20")
		}
		return next.HandleFinalize(ctx, in)
	}), "Signing", middleware.Before)
}

// use makes the calls that follow go to the region.
func (c *client) use(region string) {
	c.region = region
	options := c.options.Copy()
	options.Region = region
	c.s3 = s3.New(options)
}

// current returns what calls are made with, and the region they go to.
func (c *client) current() (*s3.Client, string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.s3, c.region
}

// moved returns the region in which the bucket was found, if that is not the one that the task names.
func (c *client) moved() string {
	if _, region := c.current(); region != c.place.Region {
		return region
	}
	return ""
}

// try makes a call, and once more when the answer says that the bucket is in another region. The call must bear repeating.
func (c *client) try(ctx context.Context, call func(ctx context.Context, api *s3.Client) error) error {
	api, region := c.current()
	err := call(ctx, api)
	other := regionIn(err)
	if err == nil || other == "" || other == region || ctx.Err() != nil {
		return err
	}
	c.mu.Lock()
	if c.region == region {
		c.use(other)
	}
	api = c.s3
	c.mu.Unlock()
	return call(ctx, api)
}

// unsigned makes the body of a call part of the signature by the checksum that goes with it alone, so that it need not be
// read beforehand.
func unsigned(o *s3.Options) {
	o.APIOptions = append(o.APIOptions, v4.SwapComputePayloadSHA256ForUnsignedPayloadMiddleware)
}

var (
	regionName = regexp.MustCompile(`^[a-z0-9-]{1,40}$`)
	expecting  = regexp.MustCompile(`expecting '([a-z0-9-]{1,40})'`)
)

// regionIn returns the region that a refusal names as the right one.
func regionIn(err error) string {
	return answerOf(err).region()
}

// region is what the answer calls the right region; empty if it calls none.
func (a answer) region() string {
	if a.status != http.StatusMovedPermanently && a.status != http.StatusTemporaryRedirect && a.status != http.StatusBadRequest {
		return ""
	}
	if region := a.header.Get("X-Amz-Bucket-Region"); regionName.MatchString(region) {
		return region
	}
	if found := expecting.FindStringSubmatch(a.message); found != nil {
		return found[1]
	}
	return ""
}

// location is the address of an object, without anything that would give access to it.
func (c *client) location(key string) string {
	escaped := (&url.URL{Path: "/" + key}).EscapedPath()
	_, region := c.current()
	host, scheme, path := "s3."+region+".amazonaws.com", "https", ""
	if c.endpoint != nil {
		host, scheme, path = c.endpoint.Host, c.endpoint.Scheme, c.endpoint.EscapedPath()
	}
	if c.profile.virtual {
		return scheme + "://" + c.place.Bucket + "." + host + path + escaped
	}
	return scheme + "://" + host + path + "/" + url.PathEscape(c.place.Bucket) + escaped
}
