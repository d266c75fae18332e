package docs

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/sets"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/client-go/kubernetes/scheme"
	karpapis "sigs.k8s.io/karpenter/pkg/apis"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/yaml"

	"github.com/karpenter-oke/karpenter-oke/test/docs/markdown"
)

// foreign are kinds in the pages that neither Kubernetes nor this project defines: they are read as YAML and no further.
var foreign = sets.New("ScaledObject.keda.sh", "OCINodeClass.oci.oraclecloud.com")

// ofOthers are the words by which configurations of other programs are known: they are read as YAML and no further.
var ofOthers = []string{"scrape_configs"}

// pages are all Markdown files for users, by path from the top of the repository.
func pages(t *testing.T) []string {
	t.Helper()
	out := []string{"README.md", "CONTRIBUTING.md", "SECURITY.md", "deploy/terraform/README.md"}
	for _, top := range []string{"docs", "designs"} {
		require.NoError(t, filepath.WalkDir(filepath.Join(root, top), func(path string, entry os.DirEntry, err error) error {
			if err == nil && !entry.IsDir() && filepath.Ext(path) == ".md" {
				relative, _ := filepath.Rel(root, path)
				out = append(out, filepath.ToSlash(relative))
			}
			return err
		}))
	}
	return slices.DeleteFunc(out, func(page string) bool {
		_, err := os.Stat(filepath.Join(root, page))
		return errors.Is(err, os.ErrNotExist)
	})
}

// definition checks objects of one kind as the API server does: no unknown fields, the schema, the rules in CEL.
type definition struct {
	structural *structuralschema.Structural
	schema     validation.SchemaValidator
	rules      *cel.Validator
}

// definitions are the project's kinds and core's, by Kind.group.
func definitions(t *testing.T) map[string]definition {
	t.Helper()
	crds := karpapis.CRDs
	files, err := filepath.Glob(filepath.Join(root, "pkg", "apis", "crds", "*.yaml"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		crd := &apiextensionsv1.CustomResourceDefinition{}
		require.NoError(t, yaml.UnmarshalStrict(data, crd))
		crds = append(slices.Clone(crds), crd)
	}
	out := map[string]definition{}
	for _, crd := range crds {
		for _, version := range crd.Spec.Versions {
			if !version.Storage {
				continue
			}
			internal := &apiextensions.JSONSchemaProps{}
			require.NoError(t, apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(version.Schema.OpenAPIV3Schema, internal, nil))
			structural, err := structuralschema.NewStructural(internal)
			require.NoError(t, err)
			schema, _, err := validation.NewSchemaValidator(internal)
			require.NoError(t, err)
			out[crd.Spec.Names.Kind+"."+crd.Spec.Group] = definition{structural: structural, schema: schema,
				rules: cel.NewValidator(structural, true, celconfig.PerCallLimit)}
		}
	}
	return out
}

func (d definition) check(t *testing.T, object map[string]any) error {
	t.Helper()
	options := structuralschema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true}
	given := runtime.DeepCopyJSON(object)
	if unknown := pruning.PruneWithOptions(given, d.structural, true, options); len(unknown) > 0 {
		return fmt.Errorf("unknown fields %v", unknown)
	}
	defaulting.Default(given, d.structural)
	problems := validation.ValidateCustomResource(nil, given, d.schema)
	rules, _ := d.rules.Validate(t.Context(), nil, d.structural, given, nil, celconfig.RuntimeCELCostBudget)
	return append(problems, rules...).ToAggregate()
}

// TestEveryManifestOfThePagesIsValid checks every YAML block: objects as the API server would, the chart's values against its defaults,
// and parts of a pod's spec as such.
func TestEveryManifestOfThePagesIsValid(t *testing.T) {
	defined, values := definitions(t), readYAML(t, "charts/karpenter-oke/values.yaml")
	strict := serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()
	checked := 0
	for _, page := range pages(t) {
		for _, block := range markdown.Blocks(readFile(t, page)) {
			if block.Language != "yaml" {
				continue
			}
			t.Run(fmt.Sprintf("%s:%d", page, block.Line), func(t *testing.T) {
				for _, document := range documents(t, block.Text) {
					checked++
					switch {
					case document["apiVersion"] != nil:
						checkObject(t, strict, defined, document)
					case document["spec"] != nil && len(document) == 1:
						text, err := yaml.Marshal(document["spec"])
						require.NoError(t, err)
						require.NoError(t, yaml.UnmarshalStrict(text, &corev1.PodSpec{}))
					case slices.ContainsFunc(ofOthers, func(word string) bool { return document[word] != nil }):
					default:
						checkValues(t, "", document, values)
					}
				}
			})
		}
	}
	require.Greater(t, checked, 15)
}

func documents(t *testing.T, text string) []map[string]any {
	t.Helper()
	var out []map[string]any
	reader := utilyaml.NewYAMLReader(bufio.NewReader(strings.NewReader(text)))
	for {
		data, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return out
		}
		require.NoError(t, err)
		document := map[string]any{}
		require.NoError(t, yaml.UnmarshalStrict(data, &document))
		if len(document) > 0 {
			out = append(out, document)
		}
	}
}

func checkObject(t *testing.T, strict runtime.Decoder, defined map[string]definition, document map[string]any) {
	t.Helper()
	object := &unstructured.Unstructured{Object: document}
	kind := object.GroupVersionKind()
	name := kind.Kind + "." + kind.Group
	require.NotEmpty(t, object.GetName(), "an object has a name")
	if foreign.Has(name) {
		return
	}
	text, err := object.MarshalJSON()
	require.NoError(t, err)
	plain := map[string]any{}
	require.NoError(t, yaml.Unmarshal(text, &plain))
	plain = runtime.DeepCopyJSON(numbers(plain).(map[string]any))
	if d, ok := defined[name]; ok {
		require.NoError(t, d.check(t, plain))
		if kind.Kind == "NodePool" {
			pool := &karpv1.NodePool{}
			require.NoError(t, runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(plain, pool, true))
			require.NoError(t, pool.RuntimeValidate(t.Context()))
		}
		return
	}
	_, _, err = strict.Decode(text, nil, nil)
	require.NoError(t, err, "%s is not of Kubernetes, or not as Kubernetes has it", name)
}

// numbers makes whole numbers int64, as the API server reads them.
func numbers(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for key, inner := range v {
			v[key] = numbers(inner)
		}
	case []any:
		for i, inner := range v {
			v[i] = numbers(inner)
		}
	case float64:
		if v == float64(int64(v)) {
			return int64(v)
		}
	}
	return value
}

func readYAML(t *testing.T, path string) map[string]any {
	t.Helper()
	out := map[string]any{}
	require.NoError(t, yaml.Unmarshal([]byte(readFile(t, path)), &out))
	return out
}

// checkValues finds keys that the chart does not have. A value that is an empty map by default takes any key.
func checkValues(t *testing.T, path string, given, known map[string]any) {
	t.Helper()
	for key, value := range given {
		fallback, ok := known[key]
		require.True(t, ok, "the chart has no value %s%s", path, key)
		inner, isMap := value.(map[string]any)
		if below, hasMap := fallback.(map[string]any); isMap && hasMap && len(below) > 0 {
			checkValues(t, path+key+".", inner, below)
		}
	}
}

// TestABrokenManifestIsFound holds the checks themselves.
func TestABrokenManifestIsFound(t *testing.T) {
	defined := definitions(t)
	class := func(spec string) map[string]any {
		return documents(t, "apiVersion: karpenter.k8s.oracle/v1alpha1\nkind: OciNodeClass\nmetadata: {name: x}\nspec:\n"+spec)[0]
	}
	const good = "  imageSelector: [{osFamily: Oracle Linux, osVersion: \"8\"}]\n  subnetSelector: [{name: nodes}]\n"
	check := func(spec string) error {
		object := numbers(class(spec)).(map[string]any)
		return defined["OciNodeClass.karpenter.k8s.oracle"].check(t, object)
	}
	require.NoError(t, check(good))
	require.ErrorContains(t, check(good+"  imageSelectors: []\n"), "unknown fields")
	require.ErrorContains(t, check(strings.Replace(good, ", osVersion: \"8\"", "", 1)), "osVersion", "a rule in CEL")
	require.Error(t, check("  imageSelector: []\n  subnetSelector: [{name: nodes}]\n"))
}
