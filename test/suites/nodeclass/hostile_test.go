package nodeclass_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// hostileTexts are what somebody writes into a text by mistake or with intent; hostileValues are of other kinds.
var (
	hostileTexts = []any{
		"", " ", "'", `"`, "`reboot`", "$(reboot)", "a; reboot", "a\nb", "\u0000", "\u202e", "-1", "0", "1e999999", "99999999999999999999", "99999999999h",
		"-99999999999h", "NaN", "%s%n", "../../etc", "ocid1.", "{{ .Values }}", long(40000),
	}
	hostileValues = []any{
		"", "1e999999", json.Number("-1"), json.Number("0"), json.Number("9223372036854775807"), json.Number("9223372036854775808"),
		json.Number("0.5"), json.Number("1e400"), true, nil, []any{}, map[string]any{}, []any{"a"}, map[string]any{"": ""},
	}
)

// TestNoValueGetsPastTheSchemaThatTheControllerCanNotRead writes them into every field of the samples: the API server refuses the
// class as invalid, or the controller can read it and all that it derives from it.
func TestNoValueGetsPastTheSchemaThatTheControllerCanNotRead(t *testing.T) {
	accepted, refused := 0, 0
	done := map[string]bool{}
	for _, path := range files(t, "testdata/*/*.yaml") {
		sample := read(t, path)
		for _, place := range places(sample.Object["spec"], nil) {
			field := fieldOf(place)
			if done[field] {
				continue
			}
			done[field] = true
			values := hostileValues
			if _, isText := valueAt(sample.Object["spec"], place).(string); isText {
				values = append(slices.Clone(hostileTexts), hostileValues...)
			}
			for _, value := range values {
				object := sample.DeepCopy()
				replace(object.Object["spec"], place, value)
				got, err := createAnyNumber(t, object)
				if err != nil {
					refused++
					require.True(t, errors.IsInvalid(err) || errors.IsBadRequest(err), "%v = %.60v: %v", place, value, err)
					require.NotContains(t, err.Error(), "no such overload", "%v = %.60v", place, value)
					continue
				}
				accepted++
				class := decode(t, got)
				require.NotPanics(t, func() { use(class) })
			}
		}
	}
	t.Logf("of the values for %d fields %d were accepted and %d refused", len(done), accepted, refused)
	require.NotZero(t, accepted)
	require.NotZero(t, refused)
}

// fieldOf names the field at a place; items of a list are one field, and so are the values of a map.
func fieldOf(place []any) string {
	field := ""
	for i, step := range place {
		name, isKey := step.(string)
		if isKey {
			field += "." + name
		}
		if slices.Contains(mapFields, name) {
			return field + strings.Repeat(".*", len(place)-1-i)
		}
	}
	return field
}

// createAnyNumber creates with numbers as they are written, which the typed clients do not do.
func createAnyNumber(t *testing.T, object *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	t.Helper()
	data, err := json.Marshal(object.Object)
	require.NoError(t, err)
	result := rest.Post().AbsPath("/apis/karpenter.k8s.oracle/v1alpha1/ocinodeclasses").Param("dryRun", "All").
		SetHeader("Content-Type", "application/json").Body(data).Do(t.Context())
	if err := result.Error(); err != nil {
		return nil, err
	}
	body, err := result.Raw()
	require.NoError(t, err)
	got := &unstructured.Unstructured{}
	return got, got.UnmarshalJSON(body)
}

// places lists the way to every value below a value; keys of maps are strings, places in lists are numbers.
func places(value any, way []any) [][]any {
	var out [][]any
	add := func(step, inner any) {
		next := append(append([]any{}, way...), step)
		out = append(out, next)
		out = append(out, places(inner, next)...)
	}
	switch value := value.(type) {
	case map[string]any:
		for key, inner := range value {
			add(key, inner)
		}
	case []any:
		for i, inner := range value {
			add(i, inner)
		}
	}
	return out
}

func valueAt(in any, way []any) any {
	for _, step := range way {
		switch step := step.(type) {
		case string:
			in = in.(map[string]any)[step]
		case int:
			in = in.([]any)[step]
		}
	}
	return in
}

func replace(in any, way []any, value any) {
	last := len(way) - 1
	switch parent := valueAt(in, way[:last]).(type) {
	case map[string]any:
		parent[way[last].(string)] = value
	case []any:
		parent[way[last].(int)] = value
	}
}
