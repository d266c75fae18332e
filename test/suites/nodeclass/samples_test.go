package nodeclass_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// read reads the class of a file.
func read(t *testing.T, path string) *unstructured.Unstructured {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	object := &unstructured.Unstructured{}
	require.NoError(t, yaml.UnmarshalStrict(data, &object.Object))
	return object
}

func files(t *testing.T, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(pattern)
	require.NoError(t, err)
	require.NotEmpty(t, found)
	return found
}

// TestClassesOfEarlierControllersApplyUnchanged: what was valid for karpenter.k8s.oracle/v1alpha1 before is valid, means the
// same, and no field of it is dropped.
func TestClassesOfEarlierControllersApplyUnchanged(t *testing.T) {
	for _, path := range files(t, "testdata/existing/*.yaml") {
		t.Run(filepath.Base(path), func(t *testing.T) { requireKept(t, read(t, path)) })
	}
}

func TestSamplesOfNewFieldsApply(t *testing.T) {
	for _, path := range files(t, "testdata/samples/*.yaml") {
		t.Run(filepath.Base(path), func(t *testing.T) { requireKept(t, read(t, path)) })
	}
}

// requireKept creates an object and requires that all that was written comes back, from the API server and through the Go types.
func requireKept(t *testing.T, object *unstructured.Unstructured) {
	t.Helper()
	accepted, err := create(t.Context(), object)
	require.NoError(t, err)
	requireContains(t, accepted.Object["spec"], object.Object["spec"])
	data, err := json.Marshal(decode(t, accepted))
	require.NoError(t, err)
	var through map[string]any
	require.NoError(t, json.Unmarshal(data, &through))
	requireContains(t, through["spec"], object.Object["spec"])
}

// requireContains requires every value of part in whole. Quantities and durations may be written in another way.
func requireContains(t *testing.T, whole, part any) {
	t.Helper()
	switch part := part.(type) {
	case map[string]any:
		whole, ok := whole.(map[string]any)
		require.True(t, ok || len(part) == 0, "%v is gone", part)
		for key, value := range part {
			if list, isList := value.([]any); isList && len(list) == 0 {
				continue // an empty list may be left out
			}
			require.Contains(t, whole, key)
			requireContains(t, whole[key], value)
		}
	case []any:
		whole, ok := whole.([]any)
		require.True(t, ok)
		require.Len(t, whole, len(part))
		for i := range part {
			requireContains(t, whole[i], part[i])
		}
	case string:
		require.Equal(t, normal(part), normal(whole.(string)))
	default:
		require.EqualValues(t, part, whole)
	}
}

// normal is the one way in which Go writes the durations of the samples.
func normal(text string) string {
	return strings.NewReplacer("72h0m0s", "72h", "1m0s", "1m", "1h30m0s", "1h30m").Replace(text)
}

// TestSamplesTogetherUseEveryField keeps the samples complete.
func TestSamplesTogetherUseEveryField(t *testing.T) {
	used := map[string]bool{}
	for _, path := range files(t, "testdata/*/*.yaml") {
		note(read(t, path).Object["spec"], "spec", specSchema(t), used)
	}
	missing := map[string]bool{}
	walk(specSchema(t), "spec", func(path string, _ schema) {
		if !used[path] {
			missing[path] = true
		}
	})
	require.Empty(t, slices.Sorted(maps.Keys(missing)))
}

// note records the paths of the schema that a value uses.
func note(value any, path string, s schema, used map[string]bool) {
	used[path] = true
	switch value := value.(type) {
	case map[string]any:
		for key, inner := range value {
			if property := s.node("properties").node(key); property != nil {
				note(inner, path+"."+key, property, used)
			} else {
				note(inner, path+".*", s.node("additionalProperties"), used)
			}
		}
	case []any:
		for _, inner := range value {
			note(inner, path+"[]", s.node("items"), used)
		}
	}
}
