package oci

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestClassify(t *testing.T) {
	for name, tc := range map[string]struct {
		status        int
		code, message string
		want          Class
	}{
		"out of host capacity comes as 500":                 {500, "InternalError", "Out of host capacity.", ClassCapacity},
		"out of capacity for a shape":                       {500, "InternalError", "Out of capacity for shape VM.Standard.A1.Flex in availability domain AD-1.", ClassCapacity},
		"out of host capacity as a code":                    {400, "OutOfHostCapacity", "no hosts", ClassCapacity},
		"out of host capacity in a work request":            {0, "InternalError", "Out of host capacity.", ClassCapacity},
		"a shape that the domain does not have":             {404, "NotAuthorizedOrNotFound", "shape VM.Standard.A1.Flex not found", ClassCapacity},
		"a service limit":                                   {400, "LimitExceeded", "The following service limits were exceeded: standard-a1-core-count.", ClassLimit},
		"a compartment quota":                               {400, "QuotaExceeded", "quota", ClassLimit},
		"a full subnet":                                     {400, "LimitExceeded", "There are no free private IP addresses in subnet ocid1.subnet.x", ClassAddresses},
		"too many requests":                                 {429, "TooManyRequests", "Too many requests for the user", ClassThrottled},
		"an object that is not there":                       {404, "NotAuthorizedOrNotFound", "Authorization failed or requested resource not found.", ClassNotFound},
		"an image or subnet that is not there":              {400, "RelatedResourceNotAuthorizedOrNotFound", "image", ClassConfig},
		"a parameter that is wrong":                         {400, "InvalidParameter", "x", ClassConfig},
		"a request that can not be parsed":                  {400, "CannotParseRequest", "x", ClassConfig},
		"an operation that is not there":                    {501, "NotImplemented", "x", ClassConfig},
		"a clock that is wrong or a token that ran out":     {401, "NotAuthenticated", "x", ClassNotAuthorized},
		"a right that is missing":                           {403, "NotAuthorized", "x", ClassNotAuthorized},
		"an instance between two states":                    {409, "IncorrectState", "x", ClassConflict},
		"a retry token of another request":                  {409, "InvalidatedRetryToken", "x", ClassConflict},
		"an etag that is old":                               {412, "NoEtagMatch", "x", ClassConflict},
		"an internal error that does not speak of capacity": {500, "InternalError", "Internal server error", ClassTransient},
		"a service that is away":                            {503, "ServiceUnavailable", "x", ClassTransient},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, Classify(tc.status, tc.code, tc.message))
		})
	}
}

func TestClassOfLooksThroughWrapping(t *testing.T) {
	err := fmt.Errorf("launching: %w", errors.Join(errors.New("x"), &Error{Class: ClassLimit}))
	require.Equal(t, ClassLimit, ClassOf(err))
	require.Empty(t, ClassOf(errors.New("x")))
	require.Empty(t, ClassOf(nil))
}

func TestRetryAfterNeverGoesWrongOnBadHeaders(t *testing.T) {
	const most = time.Hour
	for header, want := range map[string]time.Duration{
		"3": 3 * time.Second, "0.5": time.Second / 2, "": 0, "-1": 0, "soon": 0, "NaN": 0, "-Inf": 0, "Wed, 21 Oct 2026 07:28:00 GMT": 0,
		"86400": most, "99999999999999999999": most, "1e300": most, "Inf": most,
	} {
		require.Equal(t, want, retryAfter(&http.Response{Header: http.Header{"Retry-After": {header}}}), header)
	}
	require.Zero(t, retryAfter(nil))
	dated := http.Header{"Retry-After": {"Wed, 21 Oct 2026 07:28:00 GMT"}, "Date": {"Wed, 21 Oct 2026 07:27:53 GMT"}}
	require.Equal(t, 7*time.Second, retryAfter(&http.Response{Header: dated}), "a time is compared with the answer's own date")
	dated.Set("Retry-After", "Wed, 21 Oct 2099 07:28:00 GMT")
	require.Equal(t, most, retryAfter(&http.Response{Header: dated}), "a header gone wrong stops nothing for years")
}

func TestARefusedTokenMayHaveDoneItsWork(t *testing.T) {
	for says, tc := range map[string]struct {
		err  error
		want bool
	}{
		"the token was used up":                            {&Error{Class: ClassConflict, Code: "InvalidatedRetryToken"}, true},
		"a conflict with a try that nobody saw end":        {fmt.Errorf("launching: %w", &Error{Class: ClassConflict, Code: "IncorrectState", Repeated: true}), true},
		"a conflict at the first try":                      {&Error{Class: ClassConflict, Code: "IncorrectState"}, false},
		"a lack of capacity after a try without an answer": {&Error{Class: ClassCapacity, Repeated: true}, false},
		"an error of another kind":                         {errors.New("x"), false},
		"no error":                                         {nil, false},
	} {
		t.Run(says, func(t *testing.T) { require.Equal(t, tc.want, MayBeDone(tc.err)) })
	}
}

func TestErrorTextIsStable(t *testing.T) {
	err := &Error{Operation: "GetImage", Status: 404, Code: "NotAuthorizedOrNotFound", Message: "not found", RequestID: "req/1"}
	require.Equal(t, "GetImage: 404 NotAuthorizedOrNotFound: not found", err.Error(), "a request id would change a condition each time")
}

func TestZone(t *testing.T) {
	for in, want := range map[string]string{"Uocm:PHX-AD-1": "PHX-AD-1", "PHX-AD-1": "PHX-AD-1", "": "", "a:b:c": "b:c"} {
		require.Equal(t, want, Zone(in))
	}
}

func TestConfigValidate(t *testing.T) {
	for name, tc := range map[string]struct {
		cfg  Config
		want string
	}{
		"a method that does not exist":  {Config{Auth: "magic"}, `--oci-auth "magic" is not known`},
		"an endpoint without a scheme":  {Config{Auth: AuthAPIKey, Endpoint: "127.0.0.1:80"}, "is not scheme://host"},
		"an endpoint with a path":       {Config{Auth: AuthAPIKey, Endpoint: "http://a/b"}, "is not scheme://host"},
		"an endpoint of another scheme": {Config{Auth: AuthAPIKey, Endpoint: "ftp://a"}, "is not scheme://host"},
	} {
		t.Run(name, func(t *testing.T) { require.ErrorContains(t, tc.cfg.Validate(), tc.want) })
	}
	require.NoError(t, Config{Auth: AuthWorkloadIdentity}.Validate())
	require.NoError(t, Config{Auth: AuthAPIKey, Endpoint: "https://iaas.example:443"}.Validate())
}
