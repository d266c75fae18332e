package cloudprovider_test

import (
	"testing"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	corecloudprovider "sigs.k8s.io/karpenter/pkg/cloudprovider"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

func needs(key string, operator corev1.NodeSelectorOperator, values ...string) karpv1.NodeSelectorRequirementWithMinValues {
	return karpv1.NodeSelectorRequirementWithMinValues{Key: key, Operator: operator, Values: values}
}

func TestRequirementsOnFaultDomainsWithEveryOperator(t *testing.T) {
	const one, two, three = "FAULT-DOMAIN-1", "FAULT-DOMAIN-2", "FAULT-DOMAIN-3"
	s := newSuite(t, ocisim.Options{})
	for says, tc := range map[string]struct {
		needs []karpv1.NodeSelectorRequirementWithMinValues
		want  []string // none: no launch at all
	}{
		"In one":                {[]karpv1.NodeSelectorRequirementWithMinValues{in(v1alpha1.LabelFaultDomain, two)}, []string{two}},
		"In several":            {[]karpv1.NodeSelectorRequirementWithMinValues{in(v1alpha1.LabelFaultDomain, two, three)}, []string{two, three}},
		"NotIn one":             {[]karpv1.NodeSelectorRequirementWithMinValues{needs(v1alpha1.LabelFaultDomain, corev1.NodeSelectorOpNotIn, one)}, []string{two, three}},
		"NotIn two":             {[]karpv1.NodeSelectorRequirementWithMinValues{needs(v1alpha1.LabelFaultDomain, corev1.NodeSelectorOpNotIn, one, three)}, []string{two}},
		"Exists":                {[]karpv1.NodeSelectorRequirementWithMinValues{needs(v1alpha1.LabelFaultDomain, corev1.NodeSelectorOpExists)}, []string{one, two, three}},
		"In and NotIn together": {[]karpv1.NodeSelectorRequirementWithMinValues{in(v1alpha1.LabelFaultDomain, one, two), needs(v1alpha1.LabelFaultDomain, corev1.NodeSelectorOpNotIn, two)}, []string{one}},
		"In an unknown one":     {[]karpv1.NodeSelectorRequirementWithMinValues{in(v1alpha1.LabelFaultDomain, "FAULT-DOMAIN-9")}, nil},
		"DoesNotExist":          {[]karpv1.NodeSelectorRequirementWithMinValues{needs(v1alpha1.LabelFaultDomain, corev1.NodeSelectorOpDoesNotExist)}, nil},
		"Gt":                    {[]karpv1.NodeSelectorRequirementWithMinValues{needs(v1alpha1.LabelFaultDomain, corev1.NodeSelectorOpGt, "1")}, nil},
		"Lt":                    {[]karpv1.NodeSelectorRequirementWithMinValues{needs(v1alpha1.LabelFaultDomain, corev1.NodeSelectorOpLt, "3")}, nil},
		"NotIn all of them":     {[]karpv1.NodeSelectorRequirementWithMinValues{needs(v1alpha1.LabelFaultDomain, corev1.NodeSelectorOpNotIn, one, two, three)}, nil},
	} {
		t.Run(says, func(t *testing.T) {
			s.region.Journal().Reset()
			created, err := s.Create(t.Context(), s.claim(says, tc.needs...))
			if tc.want == nil {
				require.True(t, corecloudprovider.IsInsufficientCapacityError(err), "%v", err)
				require.Zero(t, s.calls("LaunchInstance"), "nothing is launched that would be wrong")
				return
			}
			require.NoError(t, err)
			require.Contains(t, tc.want, created.Labels[v1alpha1.LabelFaultDomain])
		})
	}
}

func TestAClassThatAllowsSomeFaultDomainsIsSpreadOverThemEvenly(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	s.nodeClass.Spec.Placement = &v1alpha1.Placement{FaultDomains: []string{"FAULT-DOMAIN-1", "FAULT-DOMAIN-3"}}
	require.NoError(t, s.kube.Update(t.Context(), s.nodeClass))
	places := map[string]int{}
	for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
		created, err := s.Create(t.Context(), s.claim(name))
		require.NoError(t, err)
		known, _ := s.inventory.Current().Get(created.Status.ProviderID)
		require.Equal(t, created.Labels[v1alpha1.LabelFaultDomain], known.NamedFaultDomain, "kept for the day when the launch fails late")
		places[created.Labels[corev1.LabelTopologyZone]+"/"+created.Labels[v1alpha1.LabelFaultDomain]]++
	}
	require.Len(t, places, 6, "two fault domains in each of three zones, one node in each: %v", places)
	require.NotContains(t, lo.Map(s.live(), func(i ocisim.Instance, _ int) string { return i.FD }), "FAULT-DOMAIN-2")
}

func TestAnUnevenNodePoolIsMendedByTheNextLaunches(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	zone := in(corev1.LabelTopologyZone, "PHX-AD-1")
	for _, name := range []string{"a", "b", "c"} {
		_, err := s.Create(t.Context(), s.claim(name, zone, in(v1alpha1.LabelFaultDomain, "FAULT-DOMAIN-1")))
		require.NoError(t, err)
	}
	for _, name := range []string{"d", "e", "f", "g"} {
		_, err := s.Create(t.Context(), s.claim(name, zone))
		require.NoError(t, err)
	}
	require.Equal(t, map[string]int{"FAULT-DOMAIN-1": 3, "FAULT-DOMAIN-2": 2, "FAULT-DOMAIN-3": 2},
		lo.CountValuesBy(s.live(), func(i ocisim.Instance) string { return i.FD }))
}

func TestTheEmptiestFaultDomainWithoutRoomDoesNotHinderALaunch(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	zone := in(corev1.LabelTopologyZone, "PHX-AD-1")
	for _, name := range []string{"a", "b"} {
		_, err := s.Create(t.Context(), s.claim(name, zone, in(v1alpha1.LabelFaultDomain, "FAULT-DOMAIN-1")))
		require.NoError(t, err)
	}
	for _, full := range []string{"FAULT-DOMAIN-2", "FAULT-DOMAIN-3"} {
		require.NoError(t, s.region.SetHostCapacity(ocisim.HostCapacity{Shape: "*", AvailabilityDomain: "Uocm:PHX-AD-1", FaultDomain: full}))
	}
	s.region.Journal().Reset()
	created, err := s.Create(t.Context(), s.claim("c", zone))
	require.NoError(t, err)
	require.Equal(t, "FAULT-DOMAIN-1", created.Labels[v1alpha1.LabelFaultDomain])
	require.Equal(t, 2, s.calls("LaunchInstance"), "once by name, then where OCI has room")
}

func TestPreemptibleCapacityNeedsMoreThanTheMentionOfCapacityTypes(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	for says, tc := range map[string]struct {
		needs karpv1.NodeSelectorRequirementWithMinValues
		want  string
	}{
		"Exists":            {needs(karpv1.CapacityTypeLabelKey, corev1.NodeSelectorOpExists), karpv1.CapacityTypeOnDemand},
		"NotIn reserved":    {needs(karpv1.CapacityTypeLabelKey, corev1.NodeSelectorOpNotIn, karpv1.CapacityTypeReserved), karpv1.CapacityTypeOnDemand},
		"NotIn on-demand":   {needs(karpv1.CapacityTypeLabelKey, corev1.NodeSelectorOpNotIn, karpv1.CapacityTypeOnDemand), karpv1.CapacityTypeSpot},
		"In spot":           {in(karpv1.CapacityTypeLabelKey, karpv1.CapacityTypeSpot), karpv1.CapacityTypeSpot},
		"In reserved, spot": {in(karpv1.CapacityTypeLabelKey, karpv1.CapacityTypeReserved, karpv1.CapacityTypeSpot), karpv1.CapacityTypeSpot},
	} {
		t.Run(says, func(t *testing.T) {
			created, err := s.Create(t.Context(), s.claim(says, tc.needs))
			require.NoError(t, err)
			require.Equal(t, tc.want, created.Labels[karpv1.CapacityTypeLabelKey])
		})
	}
}
