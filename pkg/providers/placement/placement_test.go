package placement

import (
	"testing"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/selection"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
	"github.com/karpenter-oke/karpenter-oke/test/ocitest"
)

func tagged(key string) []v1alpha1.PlacementSelectorTerm {
	return []v1alpha1.PlacementSelectorTerm{{FreeFormTags: v1alpha1.TagSelector{key: "*"}}}
}

func TestNothingAskedIsNothingDone(t *testing.T) {
	r := ocitest.Start(t, ocisim.Options{})
	p := NewProvider(r.Client)
	reservations, err := p.CapacityReservations(t.Context(), nil, r.World.CompartmentID)
	require.NoError(t, err)
	require.Empty(t, reservations)
	hosts, err := p.DedicatedVMHosts(t.Context(), nil, r.World.CompartmentID)
	require.NoError(t, err)
	require.Empty(t, hosts)
	require.Empty(t, r.Journal().Counts())
}

func TestCapacityReservations(t *testing.T) {
	r := ocitest.Start(t, ocisim.Options{PageSize: 1})
	p := NewProvider(r.Client)
	spec := ocisim.ReservationSpec{Name: "flexible", AvailabilityDomain: r.World.ADs[1], FaultDomain: "FAULT-DOMAIN-2", Shape: "VM.Standard.E5.Flex", OCPUs: 1.5, MemoryGB: 12, Count: 3,
		FreeformTags: map[string]string{"team": "x"}}
	id, err := r.SetReservation(spec)
	require.NoError(t, err)
	_, err = r.SetReservation(ocisim.ReservationSpec{Name: "other", AvailabilityDomain: r.World.ADs[0], Shape: "VM.Standard2.4", Count: 1})
	require.NoError(t, err)
	want := []v1alpha1.CapacityReservation{{
		ZonalResource: v1alpha1.ZonalResource{ID: id, Name: "flexible", AvailabilityDomain: r.World.ADs[1]},
		Shapes: []v1alpha1.ReservedShape{{Shape: "VM.Standard.E5.Flex", OCPUs: lo.ToPtr(resource.MustParse("1500m")), Memory: lo.ToPtr(resource.MustParse("12Gi")),
			FaultDomain: "FAULT-DOMAIN-2", Reserved: 3}},
	}}
	for name, terms := range map[string][]v1alpha1.PlacementSelectorTerm{
		"by id": {{ID: id}}, "by name": {{Name: "flexible"}}, "by tag": tagged("team"), "by all of them": {{ID: id}, {Name: "flexible"}, tagged("team")[0]},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := p.CapacityReservations(t.Context(), terms, r.World.CompartmentID)
			require.NoError(t, err)
			require.Len(t, got, 1)
			require.True(t, want[0].Shapes[0].OCPUs.Equal(*got[0].Shapes[0].OCPUs))
			require.True(t, want[0].Shapes[0].Memory.Equal(*got[0].Shapes[0].Memory))
			got[0].Shapes[0].OCPUs, got[0].Shapes[0].Memory = want[0].Shapes[0].OCPUs, want[0].Shapes[0].Memory
			require.Equal(t, want, got)
		})
	}
	all, err := p.CapacityReservations(t.Context(), []v1alpha1.PlacementSelectorTerm{{Name: "other"}, {Name: "flexible"}}, r.World.CompartmentID)
	require.NoError(t, err)
	require.Len(t, all, 2)
	fixed, _ := lo.Find(all, func(c v1alpha1.CapacityReservation) bool { return c.Name == "other" })
	require.Nil(t, fixed.Shapes[0].OCPUs, "a fixed shape has no size of its own")
}

func TestDedicatedVMHosts(t *testing.T) {
	r := ocitest.Start(t, ocisim.Options{PageSize: 1})
	p := NewProvider(r.Client)
	add := func(name, state string, tags map[string]string) string {
		id, err := r.AddDedicatedVMHost(ocisim.PlaceSpec{Labelled: ocisim.Labelled{Name: name, FreeformTags: tags}, AvailabilityDomain: r.World.ADs[0],
			FaultDomain: "FAULT-DOMAIN-3", OCPUs: 32, MemoryGB: 512, State: state})
		require.NoError(t, err)
		return id
	}
	id := add("host", "ACTIVE", map[string]string{"team": "x"})
	deleted := add("gone", "DELETED", map[string]string{"team": "x"})
	got, err := p.DedicatedVMHosts(t.Context(), tagged("team"), r.World.CompartmentID)
	require.NoError(t, err, "a list carries no tags, and still they are found")
	require.Len(t, got, 1)
	require.Equal(t, id, got[0].ID)
	require.Equal(t, "FAULT-DOMAIN-3", got[0].FaultDomain)
	require.Equal(t, "32", got[0].RemainingOCPUs.String())
	require.Equal(t, "512Gi", got[0].RemainingMemory.String())
	_, err = p.DedicatedVMHosts(t.Context(), []v1alpha1.PlacementSelectorTerm{{ID: deleted}}, r.World.CompartmentID)
	require.EqualError(t, err, "the dedicated VM host "+deleted+" is DELETED; select one that is ACTIVE")
}

func TestOnePerAvailabilityDomain(t *testing.T) {
	r := ocitest.Start(t, ocisim.Options{PageSize: 1})
	p := NewProvider(r.Client)
	group := func(name, ad string) string {
		id, err := r.AddClusterPlacementGroup(ocisim.PlaceSpec{Labelled: ocisim.Labelled{Name: name, FreeformTags: map[string]string{name: "1", "all": "1"}}, AvailabilityDomain: ad})
		require.NoError(t, err)
		return id
	}
	first, second := group("a", r.World.ADs[0]), group("b", r.World.ADs[1])
	got, err := p.ClusterPlacementGroups(t.Context(), tagged("all"), r.World.CompartmentID)
	require.NoError(t, err)
	require.ElementsMatch(t, []string{first, second}, lo.Map(got, func(z v1alpha1.ZonalResource, _ int) string { return z.ID }))
	group("c", r.World.ADs[1])
	_, err = p.ClusterPlacementGroups(t.Context(), tagged("all"), r.World.CompartmentID)
	var unresolved *selection.UnresolvedError
	require.ErrorAs(t, err, &unresolved)
	require.ErrorContains(t, err, "are both in "+r.World.ADs[1])
	got, err = p.ClusterPlacementGroups(t.Context(), []v1alpha1.PlacementSelectorTerm{{ID: first}}, r.World.CompartmentID)
	require.NoError(t, err)
	require.Equal(t, []v1alpha1.ZonalResource{{ID: first, Name: "a", AvailabilityDomain: r.World.ADs[0]}}, got)

	for _, name := range []string{"x", "y"} {
		_, err := r.AddComputeCluster(name, r.World.ADs[2])
		require.NoError(t, err)
	}
	clusters, err := p.ComputeClusters(t.Context(), []v1alpha1.PlacementSelectorTerm{{Name: "x"}}, r.World.CompartmentID)
	require.NoError(t, err)
	require.Equal(t, r.World.ADs[2], clusters[0].AvailabilityDomain)
	byID, err := p.ComputeClusters(t.Context(), []v1alpha1.PlacementSelectorTerm{{ID: clusters[0].ID}}, r.World.CompartmentID)
	require.NoError(t, err)
	require.Equal(t, clusters, byID)
	_, err = p.ComputeClusters(t.Context(), []v1alpha1.PlacementSelectorTerm{{Name: "x"}, {Name: "y"}}, r.World.CompartmentID)
	require.ErrorContains(t, err, "select one for each availability domain")
}

func TestAnErrorOfOCIIsNotAnAnswer(t *testing.T) {
	r := ocitest.Start(t, ocisim.Options{})
	p := NewProvider(r.Client)
	r.Fail(ocisim.Fault{Operation: "List*", Kind: ocisim.ErrorAnswer, Status: 404, Code: "NotAuthorizedOrNotFound", Message: "x"})
	_, err := p.CapacityReservations(t.Context(), tagged("x"), r.World.CompartmentID)
	require.Equal(t, oci.ClassNotFound, oci.ClassOf(err), "a list that may not be read is not an empty list")
	_, err = p.DedicatedVMHosts(t.Context(), tagged("x"), r.World.CompartmentID)
	require.Equal(t, oci.ClassNotFound, oci.ClassOf(err))
}
