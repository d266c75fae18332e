package v1alpha1

import "fmt"

// AnyTagValue in a selector stands for every value of a tag's key.
const AnyTagValue = "*"

// Selector is what the selector terms have in common, for code that looks things up in the same way.
// +kubebuilder:object:generate=false
type Selector struct {
	ID            string
	Name          string
	FreeFormTags  TagSelector
	DefinedTags   DefinedTagSelector
	CompartmentID string
}

// Selector is the term without what only images have.
func (t ImageSelectorTerm) Selector() Selector {
	return Selector{t.ID, t.Name, t.FreeFormTags, t.DefinedTags, t.CompartmentID}
}

// Selector is the term in its common form.
func (t SubnetSelectorTerm) Selector() Selector {
	return Selector(t)
}

// Selector is the term in its common form.
func (t SecurityGroupSelectorTerm) Selector() Selector {
	return Selector(t)
}

// Selector is the term in its common form.
func (t PlacementSelectorTerm) Selector() Selector {
	return Selector(t)
}

// Matches is true when an object has the name and all the tags of the selector; the id is not looked at. Tags are as OCI's
// API gives them: values of defined tags are strings, numbers or booleans.
func (s Selector) Matches(name string, freeform map[string]string, defined map[string]map[string]any) bool {
	if s.Name != "" && s.Name != name {
		return false
	}
	for key, want := range s.FreeFormTags {
		if got, ok := freeform[key]; !ok || want != AnyTagValue && want != got {
			return false
		}
	}
	for namespace, keys := range s.DefinedTags {
		for key, want := range keys {
			if got, ok := defined[namespace][key]; !ok || want != AnyTagValue && want != fmt.Sprint(got) {
				return false
			}
		}
	}
	return true
}
