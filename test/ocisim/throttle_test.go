package ocisim_test

import (
	"testing"
	"time"

	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

func TestAnOperationTakesNoMoreThanItsRequestsASecond(t *testing.T) {
	r := newRegion(t, ocisim.Options{MostPerSecond: map[string]float64{"ListInstances": 2}})
	list := func() error {
		_, err := r.compute.ListInstances(t.Context(), core.ListInstancesRequest{CompartmentId: &r.world.CompartmentID})
		return err
	}
	require.NoError(t, list())
	require.NoError(t, list(), "a second's worth may come at once")
	requireError(t, list(), 429, "TooManyRequests", "Too many requests")
	requireError(t, list(), 429, "TooManyRequests", "Too many requests")
	r.clock.Step(500 * time.Millisecond)
	require.NoError(t, list(), "what was refused does not count")
	requireError(t, list(), 429, "TooManyRequests", "Too many requests")
	_, err := r.compute.ListVnicAttachments(t.Context(), core.ListVnicAttachmentsRequest{CompartmentId: &r.world.CompartmentID})
	require.NoError(t, err, "each operation has its own limit")
}

func TestALimitThatIsNoneIsRefused(t *testing.T) {
	_, err := ocisim.New(ocisim.Options{MostPerSecond: map[string]float64{"ListInstances": 0}})
	require.ErrorContains(t, err, "must be above 0")
	_, err = ocisim.New(ocisim.Options{MostPerSecond: map[string]float64{"NoSuch": 1}})
	require.ErrorContains(t, err, "NoSuch")
}
