package nodeclass_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

// schema is a part of the definition's OpenAPI schema.
type schema map[string]any

func (s schema) node(key string) schema {
	m, _ := s[key].(map[string]any)
	return m
}

func (s schema) list(key string) []schema {
	items, _ := s[key].([]any)
	out := make([]schema, 0, len(items))
	for _, item := range items {
		m, _ := item.(map[string]any)
		out = append(out, m)
	}
	return out
}

func (s schema) text(key string) string {
	text, _ := s[key].(string)
	return text
}

// specSchema is the schema of the spec.
func specSchema(t *testing.T) schema {
	t.Helper()
	data, err := os.ReadFile(definition)
	require.NoError(t, err)
	var definition schema
	require.NoError(t, yaml.Unmarshal(data, &definition))
	versions := definition.node("spec").list("versions")
	require.Len(t, versions, 1)
	spec := versions[0].node("schema").node("openAPIV3Schema").node("properties").node("spec")
	require.NotEmpty(t, spec)
	return spec
}

// walk visits a schema and all below it. Items of lists have the path of their list with [], values of maps that of their map
// with .* behind it.
func walk(s schema, path string, visit func(path string, node schema)) {
	visit(path, s)
	for name := range s.node("properties") {
		walk(s.node("properties").node(name), path+"."+name, visit)
	}
	if items := s.node("items"); items != nil {
		walk(items, path+"[]", visit)
	}
	if values := s.node("additionalProperties"); values != nil {
		walk(values, path+".*", visit)
	}
}
