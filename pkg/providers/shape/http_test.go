package shape_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/pkg/providers/shape"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim/data"
	"github.com/karpenter-oke/karpenter-oke/test/ocitest"
)

func TestShapesOverHTTPAreReadByDomainAndPageWithEachDomainsOwnTokens(t *testing.T) {
	region := ocitest.Start(t, ocisim.Options{PageSize: 10})
	// One domain lacks a shape, so a page token of one would be wrong in another.
	region.Fail(ocisim.Fault{Kind: ocisim.ShapeNotFound, Match: ocisim.Match{Shape: "VM.Standard.A1.Flex", AvailabilityDomain: "PHX-AD-2"}})
	p, err := shape.NewProvider(region.Client, region.World.CompartmentID)
	require.NoError(t, err)
	require.NoError(t, p.Refresh(t.Context()))

	records, err := data.Shapes()
	require.NoError(t, err)
	require.Len(t, p.Snapshot().Shapes(), len(records))
	for _, s := range p.Snapshot().Shapes() {
		want := []string{"PHX-AD-1", "PHX-AD-2", "PHX-AD-3"}
		if s.Name == "VM.Standard.A1.Flex" {
			want = []string{"PHX-AD-1", "PHX-AD-3"}
		}
		require.Equal(t, want, s.Zones, s.Name)
	}
	pages := map[string][]string{} // domain -> tokens in the order in which they were sent
	for _, e := range region.Journal().Entries(0) {
		if e.Operation != "ListShapes" {
			continue
		}
		require.Equal(t, 200, e.Status, e.Query)
		for _, domain := range region.World.ADs {
			if strings.Contains(e.Query, strings.ReplaceAll(domain, ":", "%3A")) {
				pages[domain] = append(pages[domain], e.Query)
			}
		}
	}
	require.Len(t, pages, 3)
	for domain, queries := range pages {
		require.Len(t, queries, (len(records)+9)/10, domain)
		require.NotContains(t, queries[0], "page=", "%s: the first page of a domain has no token", domain)
		require.Len(t, slices.Compact(slices.Sorted(slices.Values(queries))), len(queries), "%s: no page twice", domain)
	}
}

func TestAPageThatFailsLaterKeepsTheDomainsShapes(t *testing.T) {
	region := ocitest.Start(t, ocisim.Options{PageSize: 30})
	p, err := shape.NewProvider(region.Client, region.World.CompartmentID)
	require.NoError(t, err)
	require.NoError(t, p.Refresh(t.Context()))
	before := p.Snapshot()
	region.Fail(ocisim.Fault{
		Operation: "ListShapes", Kind: ocisim.ErrorAnswer, Skip: 1, Status: 400, Code: "InvalidParameter", Message: "page", Match: ocisim.Match{AvailabilityDomain: "PHX-AD-3"},
	})
	require.ErrorContains(t, p.Refresh(t.Context()), "PHX-AD-3")
	require.Same(t, before, p.Snapshot(), "half a list is no list")
}
