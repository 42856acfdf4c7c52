package s3

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/exporters"
)

// answer is what a service said when it refused a call. The zero answer is none.
type answer struct {
	status        int
	code, message string
	header        http.Header
}

func answerOf(err error) answer {
	var a answer
	var response *smithyhttp.ResponseError
	if errors.As(err, &response) && response.Response != nil {
		a.status, a.header = response.HTTPStatusCode(), response.Response.Header
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		a.code, a.message = api.ErrorCode(), api.ErrorMessage()
	}
	return a
}

// says reports whether err is an answer with one of the codes.
func says(err error, codes ...string) bool {
	got := answerOf(err).code
	for _, code := range codes {
		if got == code {
			return true
		}
	}
	return false
}

// byCode are the error codes whose status says too little, or the wrong thing. What is left out goes by its status.
var byCode = map[string]engine.Code{
	"NoSuchBucket": engine.NotFound, "NoSuchKey": engine.NotFound, "NotFound": engine.NotFound,
	"InvalidAccessKeyId": engine.Unauthorized, "SignatureDoesNotMatch": engine.Unauthorized, "ExpiredToken": engine.Unauthorized,
	"InvalidToken": engine.Unauthorized, "InvalidTokenId": engine.Unauthorized, "TokenRefreshRequired": engine.Unauthorized,
	"AccessDenied": engine.Denied, "Forbidden": engine.Denied, "AccountProblem": engine.Denied, "AllAccessDisabled": engine.Denied,
	"RequestTimeTooSkewed": engine.Denied,
	"SlowDown":             engine.RateLimited, "Throttling": engine.RateLimited, "ThrottlingException": engine.RateLimited,
	"RequestLimitExceeded": engine.RateLimited, "TooManyRequests": engine.RateLimited,
	"RequestTimeout": engine.Unavailable, "InternalError": engine.Unavailable, "OperationAborted": engine.Unavailable,
	"ConditionalRequestConflict": engine.Unavailable, "BadDigest": engine.Unavailable, "IncompleteBody": engine.Unavailable,
	"XAmzContentSHA256Mismatch": engine.Unavailable, "XAmzContentChecksumMismatch": engine.Unavailable,
	"NoSuchUpload": engine.Unavailable, "TemporaryRedirect": engine.Unavailable,
	"EntityTooLarge": engine.TooLarge, "QuotaExceeded": engine.TooLarge, "XMinioStorageFull": engine.Unavailable,
}

// advice are texts for what persons can do something about. The rest is told as the service tells it.
var advice = map[string]string{
	"NoSuchBucket":          "There is no bucket of that name in this service and region.",
	"InvalidAccessKeyId":    "The service does not know the access_key_id.",
	"SignatureDoesNotMatch": "The secret_access_key is not the one of the access_key_id.",
	"ExpiredToken":          "The session_token has expired.",
	"InvalidToken":          "The session_token is not valid, or belongs to another key.",
	"InvalidTokenId":        "The access_key_id is a temporary one that needs its session_token.",
	"AccessControlListNotSupported": "The bucket takes no ACL, since its owner owns all objects. Leave acl out; " +
		"who may read is set by the bucket's policy.",
	"PreconditionFailed": "The object was changed while it was read.",
	"BadDigest":          "The file was damaged on its way to the service.",
}

// fault returns the error for a call that failed, with the verb for the person: "put", "read".
func (c *client) fault(ctx context.Context, err error, verb string) error {
	a := answerOf(err)
	var unsent *smithyhttp.RequestSendError
	var ours *engine.Error
	switch broken := a.status/100 == 2 && a.code == ""; {
	case broken, errors.As(err, &unsent), errors.As(err, &ours), ctx.Err() != nil:
		return exporters.Fault(ctx, err, "The S3 endpoint")
	case a.status == 0:
		return errors.New(c.scrub(err.Error())) // a fault of ours: nothing was sent
	}
	code, known := byCode[a.code]
	if !known {
		code = exporters.Classify(a.status)
	}
	failure := engine.Wrap(err, code, "%s", c.scrub(c.explain(a, code, verb)))
	failure.Err = errors.New(c.scrub(err.Error()))
	if engine.Retryable(failure) {
		failure.RetryAfter = exporters.RetryAfter(a.header.Get("Retry-After"))
	}
	return failure
}

func (c *client) explain(a answer, code engine.Code, verb string) string {
	switch {
	case advice[a.code] != "":
		return advice[a.code]
	case a.code == "RequestTimeTooSkewed":
		return "This server's clock differs from the service's" + skew(a.header) + ". Its operator has to set it."
	case a.status == http.StatusMovedPermanently, a.status == http.StatusTemporaryRedirect, a.code == "AuthorizationHeaderMalformed":
		return "The bucket is in another region: " + orElse(a.region(), "the service does not say which") +
			". Set region, and endpoint if there is one, to that."
	case a.status == http.StatusNotImplemented:
		return "The service does not know something that the task asks for: " + orElse(a.message, "it does not say what") +
			". Try without tagging, acl or server_side_encryption."
	case code == engine.Denied:
		return "The key may not " + verb + " this object" + rights[verb] + "."
	case code == engine.NotFound:
		return "There is no such object or bucket."
	}
	return strings.TrimRight("The service answered "+orElse(a.code, http.StatusText(a.status))+": "+a.message, " :.") + "."
}

// rights are what each kind of call may need.
var rights = map[string]string{
	"put": ": it needs s3:PutObject, s3:PutObjectAcl where acl is set, s3:PutObjectTagging where tagging is, and the right to use " +
		"the KMS key where there is one",
	"abort": ": it needs s3:AbortMultipartUpload, without which the parts of an unfinished upload stay, and are paid for, until the " +
		"bucket's own rules remove them",
	"read": ": it needs s3:GetObject",
	"list": ": it needs s3:ListBucket to find objects by their beginning",
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// skew says by how much the clocks differ.
func skew(header http.Header) string {
	at, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		return ""
	}
	return " by " + time.Since(at).Abs().Round(time.Second).String()
}

// scrub takes the credentials out of a text that the service made.
func (c *client) scrub(s string) string {
	for _, secret := range []string{c.place.SecretAccessKey.Reveal(), c.place.SessionToken.Reveal(), c.place.AccessKeyID.Reveal()} {
		if secret != "" {
			s = strings.ReplaceAll(s, secret, "[redacted]")
		}
	}
	return s
}
