package cloudprovider_test

import (
	"context"
	"testing"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	corecloudprovider "sigs.k8s.io/karpenter/pkg/cloudprovider"
	"sigs.k8s.io/karpenter/pkg/operator/options"

	"github.com/karpenter-oke/karpenter-oke/pkg/cloudprovider"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

// device is a NodeOverlay that gives every type one device, as core's store applies it.
type device struct{}

func (device) ApplyAll(_ string, types []*corecloudprovider.InstanceType) ([]*corecloudprovider.InstanceType, error) {
	return lo.Map(types, func(it *corecloudprovider.InstanceType, _ int) *corecloudprovider.InstanceType {
		changed := &corecloudprovider.InstanceType{Name: it.Name, Requirements: it.Requirements, Overhead: it.Overhead, Capacity: it.Capacity, Offerings: it.Offerings}
		changed.ApplyCapacityOverlay(corev1.ResourceList{"example.com/device": resource.MustParse("1")})
		return changed
	}), nil
}

func TestANodeOverlayHoldsAtLaunchToo(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	s.deps.Overlays = device{}
	provider := cloudprovider.New(s.deps)
	claim := s.claim("one")
	claim.Spec.Resources.Requests["example.com/device"] = resource.MustParse("1")
	gated := func(on bool) context.Context {
		return options.ToContext(t.Context(), &options.Options{FeatureGates: options.FeatureGates{NodeOverlay: on}})
	}
	_, err := provider.Create(gated(false), claim)
	require.True(t, corecloudprovider.IsInsufficientCapacityError(err), "%v: no machine has the device", err)
	created, err := provider.Create(gated(true), claim)
	require.NoError(t, err)
	for name, list := range map[string]corev1.ResourceList{"capacity": created.Status.Capacity, "allocatable": created.Status.Allocatable} {
		q := list["example.com/device"]
		require.EqualValues(t, 1, q.Value(), "%s: core would buy another node for the pod", name)
	}
}
