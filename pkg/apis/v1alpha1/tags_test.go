package v1alpha1_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
)

func TestOwnershipTakesTheRoomThatAClassLeaves(t *testing.T) {
	ownership := map[string]string{
		v1alpha1.TagClusterID: "cluster", v1alpha1.TagNodePool: "pool", v1alpha1.TagNodeClaim: "claim", v1alpha1.TagNodeClass: "class", v1alpha1.TagInstanceType: "type",
	}
	require.Len(t, v1alpha1.OwnTagsByImportance, v1alpha1.MaxOwnFreeformTags)
	for n, left := range map[int][]string{
		0:  nil,
		5:  nil,
		6:  {v1alpha1.TagInstanceType},
		9:  {v1alpha1.TagNodeClaim, v1alpha1.TagNodePool, v1alpha1.TagNodeClass, v1alpha1.TagInstanceType},
		10: v1alpha1.OwnTagsByImportance,
	} {
		tags := map[string]string{}
		for i := range n {
			tags[string(rune('a'+i))] = "user's"
		}
		all, out := v1alpha1.WithOwnership(tags, ownership)
		require.Equal(t, left, out, n)
		require.Len(t, all, n+len(ownership)-len(left))
		require.LessOrEqual(t, len(all), v1alpha1.MaxFreeformTags)
		require.Len(t, tags, n, "the class's own tags are not written to")
		for key := range tags {
			require.Equal(t, "user's", all[key])
		}
	}
}

func TestTheOldNameOfTagsCounts(t *testing.T) {
	class := spec(v1alpha1.OciNodeClassSpec{Tags: v1alpha1.FreeFormTags{"a": "old", "b": "kept"}, FreeFormTags: v1alpha1.FreeFormTags{"a": "new"}})
	require.Equal(t, map[string]string{"a": "new", "b": "kept"}, class.FreeformTags())
	require.Equal(t, v1alpha1.FreeFormTags{"a": "old", "b": "kept"}, class.Spec.Tags, "what was written stays")
	require.Empty(t, spec(v1alpha1.OciNodeClassSpec{}).FreeformTags())
}
