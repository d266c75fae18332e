package v1alpha1_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
)

func TestASelectorMatchesWhatMeetsAllItsConditions(t *testing.T) {
	freeform := map[string]string{"role": "nodes", "empty": ""}
	defined := map[string]map[string]any{"Operations": {"CostCenter": "42", "Count": 7, "Managed": true}}
	tests := map[string]struct {
		selector v1alpha1.Selector
		matches  bool
	}{
		"nothing asked":                          {v1alpha1.Selector{}, true},
		"the name":                               {v1alpha1.Selector{Name: "nodes-1"}, true},
		"another name":                           {v1alpha1.Selector{Name: "Nodes-1"}, false},
		"a tag":                                  {v1alpha1.Selector{FreeFormTags: v1alpha1.TagSelector{"role": "nodes"}}, true},
		"a tag with another value":               {v1alpha1.Selector{FreeFormTags: v1alpha1.TagSelector{"role": "pods"}}, false},
		"a tag with any value":                   {v1alpha1.Selector{FreeFormTags: v1alpha1.TagSelector{"role": "*", "empty": "*"}}, true},
		"a tag that is not there":                {v1alpha1.Selector{FreeFormTags: v1alpha1.TagSelector{"team": "*"}}, false},
		"a tag that is not there, without value": {v1alpha1.Selector{FreeFormTags: v1alpha1.TagSelector{"team": ""}}, false},
		"a tag without value":                    {v1alpha1.Selector{FreeFormTags: v1alpha1.TagSelector{"empty": ""}}, true},
		"a defined tag":                          {v1alpha1.Selector{DefinedTags: v1alpha1.DefinedTagSelector{"Operations": {"CostCenter": "42"}}}, true},
		"a defined tag that is a number":         {v1alpha1.Selector{DefinedTags: v1alpha1.DefinedTagSelector{"Operations": {"Count": "7", "Managed": "true"}}}, true},
		"a defined tag with any value":           {v1alpha1.Selector{DefinedTags: v1alpha1.DefinedTagSelector{"Operations": {"Count": "*"}}}, true},
		"a defined tag of another namespace":     {v1alpha1.Selector{DefinedTags: v1alpha1.DefinedTagSelector{"Finance": {"CostCenter": "*"}}}, false},
		"one condition of several that fails":    {v1alpha1.Selector{Name: "nodes-1", FreeFormTags: v1alpha1.TagSelector{"role": "nodes"}, DefinedTags: v1alpha1.DefinedTagSelector{"Operations": {"CostCenter": "43"}}}, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, test.matches, test.selector.Matches("nodes-1", freeform, defined))
		})
	}
	require.False(t, v1alpha1.Selector{FreeFormTags: v1alpha1.TagSelector{"a": "*"}}.Matches("", nil, nil))
}

func TestTermsHaveACommonForm(t *testing.T) {
	tags := v1alpha1.TagSelector{"a": "b"}
	defined := v1alpha1.DefinedTagSelector{"n": {"a": "b"}}
	want := v1alpha1.Selector{ID: "id", Name: "name", FreeFormTags: tags, DefinedTags: defined, CompartmentID: "compartment"}
	require.Equal(t, want, v1alpha1.ImageSelectorTerm{ID: "id", Name: "name", FreeFormTags: tags, DefinedTags: defined, CompartmentID: "compartment"}.Selector())
	require.Equal(t, want, v1alpha1.SubnetSelectorTerm{ID: "id", Name: "name", FreeFormTags: tags, DefinedTags: defined, CompartmentID: "compartment"}.Selector())
	require.Equal(t, want, v1alpha1.SecurityGroupSelectorTerm{ID: "id", Name: "name", FreeFormTags: tags, DefinedTags: defined, CompartmentID: "compartment"}.Selector())
	require.Equal(t, want, v1alpha1.PlacementSelectorTerm{ID: "id", Name: "name", FreeFormTags: tags, DefinedTags: defined, CompartmentID: "compartment"}.Selector())
}
