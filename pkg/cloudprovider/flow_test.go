package cloudprovider_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/pkg/cloudprovider"
	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instance"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

// flowSpy notes on whose behalf launches are made.
type flowSpy struct {
	instance.Provider
	flows []string
}

// Launch implements instance.Provider.
func (s *flowSpy) Launch(ctx context.Context, r instance.Request) (instance.Launched, error) {
	s.flows = append(s.flows, oci.FlowOf(ctx))
	return s.Provider.Launch(ctx, r)
}

func TestCreateLaunchesOnBehalfOfItsNodePool(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	spy := &flowSpy{Provider: s.deps.Instances}
	s.deps.Instances = spy
	_, err := cloudprovider.New(s.deps).Create(t.Context(), s.claim("one"))
	require.NoError(t, err)
	require.Equal(t, []string{"burst"}, spy.flows)
}
