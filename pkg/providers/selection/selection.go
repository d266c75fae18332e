// Package selection finds what the terms of a selector name: one rule for subnets, security groups and everything that a launch
// can be placed in or on.
package selection

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
)

// UnresolvedError says that a selector can not be used as it is; the message tells what to change.
type UnresolvedError struct{ Message string }

func (e *UnresolvedError) Error() string { return e.Message }

// Unresolved makes an UnresolvedError.
func Unresolved(format string, args ...any) error {
	return &UnresolvedError{Message: fmt.Sprintf(format, args...)}
}

// Facts are what a selector looks at in an object.
type Facts struct {
	ID, Name string
	Freeform map[string]string
	Defined  map[string]map[string]any
	State    string // lifecycle state
}

// Kind says how one kind of object is found and read.
type Kind[T any] struct {
	Name          string // in messages, such as "subnet"
	CompartmentID string // where terms that name no compartment look
	Where         string // in messages, what else narrows the list, such as "VCN x, "; may be empty
	Usable        []string
	Get           func(ctx context.Context, id string) (T, error)
	List          func(ctx context.Context, compartmentID string) ([]T, error)
	Facts         func(T) Facts
}

// Resolve finds the objects of every term, ordered by id and free of repeats. A term that finds nothing usable is an
// *UnresolvedError; when OCI could not be asked, the OCI client's error is returned. Names and tags are compared here, over all
// pages of a list, since some realms ignore a name filter and none has one for tags; a compartment is listed once however many
// terms need it.
func Resolve[T any](ctx context.Context, kind Kind[T], terms []v1alpha1.Selector) ([]T, error) {
	found := map[string]T{}
	listed := map[string][]T{}
	for _, term := range terms {
		objects, err := resolveTerm(ctx, kind, term, listed)
		if err != nil {
			return nil, err
		}
		for _, object := range objects {
			found[kind.Facts(object).ID] = object
		}
	}
	out := make([]T, 0, len(found))
	for _, object := range found {
		out = append(out, object)
	}
	slices.SortFunc(out, func(a, b T) int { return strings.Compare(kind.Facts(a).ID, kind.Facts(b).ID) })
	return out, nil
}

func resolveTerm[T any](ctx context.Context, kind Kind[T], term v1alpha1.Selector, listed map[string][]T) ([]T, error) {
	if term.ID != "" {
		object, err := kind.Get(ctx, term.ID)
		if oci.ClassOf(err) == oci.ClassNotFound {
			return nil, Unresolved("the %s %s does not exist or the controller may not read it", kind.Name, term.ID)
		}
		if err != nil {
			return nil, err
		}
		if state := kind.Facts(object).State; !slices.Contains(kind.Usable, state) {
			return nil, Unresolved("the %s %s is %s; select one that is %s", kind.Name, term.ID, state, kind.Usable[0])
		}
		return []T{object}, nil
	}
	compartmentID := term.CompartmentID
	if compartmentID == "" {
		compartmentID = kind.CompartmentID
	}
	all, ok := listed[compartmentID]
	if !ok {
		var err error
		if all, err = kind.List(ctx, compartmentID); err != nil {
			return nil, fmt.Errorf("listing every %s in compartment %s: %w", kind.Name, compartmentID, err)
		}
		listed[compartmentID] = all
	}
	var out []T
	for _, object := range all {
		if facts := kind.Facts(object); term.Matches(facts.Name, facts.Freeform, facts.Defined) && slices.Contains(kind.Usable, facts.State) {
			out = append(out, object)
		}
	}
	if len(out) == 0 {
		return nil, Unresolved("no %s that is %s %s in %scompartment %s", kind.Name, kind.Usable[0], Describe(term), kind.Where, compartmentID)
	}
	return out, nil
}

// Describe words the conditions of a term, for messages.
func Describe(term v1alpha1.Selector) string {
	var parts []string
	if term.ID != "" {
		parts = append(parts, "has the id "+term.ID)
	}
	if term.Name != "" {
		parts = append(parts, fmt.Sprintf("is named %q", term.Name))
	}
	if tags := describeTags(term); tags != "" {
		parts = append(parts, "is tagged "+tags)
	}
	return strings.Join(parts, " and ")
}

func describeTags(term v1alpha1.Selector) string {
	var tags []string
	for key, value := range term.FreeFormTags {
		tags = append(tags, key+"="+value)
	}
	for namespace, keys := range term.DefinedTags {
		for key, value := range keys {
			tags = append(tags, namespace+"."+key+"="+value)
		}
	}
	slices.Sort(tags)
	return strings.Join(tags, ", ")
}
