package preflight

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/client-go/openapi"
	coreapis "sigs.k8s.io/karpenter/pkg/apis"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/crds"
)

// served is an API server that publishes definitions.
type served map[string]openapi.GroupVersion

func (s served) Paths() (map[string]openapi.GroupVersion, error) { return s, nil }

type published struct {
	openapi.GroupVersion
	schemas map[string]any
}

func (p published) Schema(string) ([]byte, error) {
	return json.Marshal(map[string]any{"components": map[string]any{"schemas": p.schemas}})
}

// publish serves the definitions of this build, each changed before.
func publish(t *testing.T, change func(kind string, root *apiextensionsv1.JSONSchemaProps) (serve bool)) served {
	t.Helper()
	out := served{}
	for _, d := range append([]*apiextensionsv1.CustomResourceDefinition{crds.OciNodeClass()}, coreapis.CRDs...) {
		for _, version := range d.Spec.Versions {
			root := version.Schema.OpenAPIV3Schema.DeepCopy()
			if !change(d.Spec.Names.Kind, root) {
				continue
			}
			text, err := json.Marshal(root)
			require.NoError(t, err)
			object := map[string]any{}
			require.NoError(t, json.Unmarshal(text, &object))
			object["x-kubernetes-group-version-kind"] = []any{map[string]any{"group": d.Spec.Group, "version": version.Name, "kind": d.Spec.Names.Kind}}
			path := "apis/" + d.Spec.Group + "/" + version.Name
			if _, there := out[path]; !there {
				out[path] = published{schemas: map[string]any{"io.k8s.other": map[string]any{}}}
			}
			out[path].(published).schemas[d.Spec.Names.Kind] = object
		}
	}
	return out
}

// drop takes the field at a path out of a schema.
func drop(root *apiextensionsv1.JSONSchemaProps, path ...string) {
	at := *root
	for _, name := range path[:len(path)-1] {
		if name == "[]" {
			at = *at.Items.Schema
			continue
		}
		at = at.Properties[name]
	}
	delete(at.Properties, path[len(path)-1])
}

func TestDefinitionsOfThisBuildAreGoodEnough(t *testing.T) {
	require.NoError(t, Definitions(publish(t, func(string, *apiextensionsv1.JSONSchemaProps) bool { return true })))
}

func TestDefinitionsThatAreNotGoodEnoughAreNamed(t *testing.T) {
	for says, tc := range map[string]struct {
		change func(kind string, root *apiextensionsv1.JSONSchemaProps) bool
		want   string
	}{
		"not installed": {func(kind string, _ *apiextensionsv1.JSONSchemaProps) bool { return kind != "OciNodeClass" },
			"the definition ocinodeclasses.karpenter.k8s.oracle v1alpha1 is not installed; install the chart karpenter-oke-crd"},
		"one field is missing": {func(kind string, root *apiextensionsv1.JSONSchemaProps) bool {
			if kind == "NodePool" {
				drop(root, "spec", "disruption", "consolidateAfter")
			}
			return true
		}, "the definition nodepools.karpenter.sh is older than this controller: it lacks spec.disruption.consolidateAfter; upgrade the chart karpenter-oke-crd to the controller's version"},
		"a field of a list's items": {func(kind string, root *apiextensionsv1.JSONSchemaProps) bool {
			if kind == "NodePool" {
				drop(root, "spec", "disruption", "budgets", "[]", "reasons")
			}
			return true
		}, "it lacks spec.disruption.budgets[].reasons;"},
		"a whole branch": {func(kind string, root *apiextensionsv1.JSONSchemaProps) bool {
			if kind == "OciNodeClass" {
				drop(root, "spec", "flex")
				drop(root, "spec", "placement")
			}
			return true
		}, "it lacks spec.flex and 1 more;"},
	} {
		t.Run(says, func(t *testing.T) {
			require.ErrorContains(t, Definitions(publish(t, tc.change)), tc.want)
		})
	}
}

func TestDefinitionsOfANewerReleaseAndThoseThatNobodyNeedsAreFine(t *testing.T) {
	require.NoError(t, Definitions(publish(t, func(kind string, root *apiextensionsv1.JSONSchemaProps) bool {
		if kind == "OciNodeClass" {
			spec := root.Properties["spec"]
			spec.Properties["ofTheFuture"] = apiextensionsv1.JSONSchemaProps{Type: "string"}
		}
		return kind != "CapacityBuffer" && kind != "NodeOverlay"
	})))
}

type down struct{}

func (down) Paths() (map[string]openapi.GroupVersion, error) { return nil, errors.New("no") }

func TestDefinitionsThatCanNotBeReadAreAnError(t *testing.T) {
	require.EqualError(t, Definitions(down{}), "reading which kinds the API server serves: no")
}
