package oci

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/stretchr/testify/require"
)

// untilEnded is a service that never answers: a request ends with its context.
type untilEnded struct{}

func (untilEnded) Do(request *http.Request) (*http.Response, error) {
	<-request.Context().Done()
	time.Sleep(5 * time.Millisecond) // the SDK would answer by itself meanwhile, and race with what the request writes
	return nil, request.Context().Err()
}

func TestTheSDKWaitsForTheRequestThatItsContextEnds(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	ended := false
	_, err := common.Retry(sheltered(ctx), core.ListInstancesRequest{}, func(ctx context.Context, _ common.OCIRequest, _ *common.OCIReadSeekCloser, _ map[string]string) (common.OCIResponse, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1", nil)
		if err != nil {
			return nil, err
		}
		_, err = sheltering{untilEnded{}}.Do(request)
		ended = true
		return core.ListInstancesResponse{}, err
	}, common.NoRetryPolicy())
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.True(t, ended, "the SDK came back before the request had ended")
}

func TestAClientHasNoRetriesAndNoBreakerOfTheSDK(t *testing.T) {
	base := &common.BaseClient{HTTPClient: untilEnded{}, Configuration: common.CustomClientConfiguration{CircuitBreaker: &common.OciCircuitBreaker{}}}
	plain(base)
	require.IsType(t, sheltering{}, base.HTTPClient)
	require.Nil(t, base.Configuration.CircuitBreaker)
	require.EqualValues(t, 1, base.Configuration.RetryPolicy.MaximumNumberAttempts)
}
