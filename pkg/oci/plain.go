package oci

import (
	"context"
	"net/http"

	"github.com/oracle/oci-go-sdk/v65/common"
)

// plain takes from a client what the SDK does on its own account. Its retries can not be cancelled, differ from one operation to the next,
// and would retry "out of host capacity" for minutes; its circuit breaker answers in the service's place for half a minute; and its way
// of giving up when a context ends is not safe, see sheltered.
func plain(base *common.BaseClient) {
	never := common.NoRetryPolicy()
	base.SetCustomClientConfiguration(common.CustomClientConfiguration{RetryPolicy: &never})
	base.Configuration.CircuitBreaker = nil
	base.HTTPClient = sheltering{base.HTTPClient}
}

// shelteredKey is of the context that sheltered carries.
type shelteredKey struct{}

// sheltered is a context for the SDK that does not end. When one ends, the SDK's Retry answers with a variable that the call, which still
// runs, may write at that moment: a data race, and a torn value at worst. So the end of ctx reaches the HTTP request alone, through
// sheltering; the request fails with it, and the SDK returns in the usual way.
func sheltered(ctx context.Context) context.Context {
	return context.WithValue(context.WithoutCancel(ctx), shelteredKey{}, ctx)
}

// sheltering sends each request with the context that sheltered put away.
type sheltering struct{ common.HTTPRequestDispatcher }

func (s sheltering) Do(request *http.Request) (*http.Response, error) {
	if ctx, ok := request.Context().Value(shelteredKey{}).(context.Context); ok {
		request = request.WithContext(ctx)
	}
	return s.HTTPRequestDispatcher.Do(request)
}
