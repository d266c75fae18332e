package manifest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/pkg/manifest"
)

const good = "apiVersion: v1\nkind: ConfigMap\n"

func TestWhatCanNotBeReadIsAnErrorThatNamesTheLine(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"broken YAML":                         {"apiVersion: v1\nkind: A\nb: [\n", "in.yaml:3: it is neither YAML nor JSON (did not find expected node content)"},
		"broken YAML in the second document":  {good + "---\n" + good + "c: }\n", "in.yaml:6: "},
		"a document after comments":           {"# one\n\n---\n# two\n---\n" + good + "---\n\n" + good + "c: }\n", "in.yaml:12: "},
		"lines that end as Windows ends them": {strings.ReplaceAll(good+"---\n"+good+"c: }\n", "\n", "\r\n"), "in.yaml:6: "},
		"a tab for indentation":               {"apiVersion: v1\nkind: A\nmetadata:\n\tname: a\n", "in.yaml:4: "},
		"a document like an earlier one":      {good + "---\n" + good + "---\nkind: A\n", "in.yaml:7: it is not a Kubernetes object: kind or apiVersion is missing"},
		"a key twice":                         {"apiVersion: v1\nkind: A\nkind: B\n", "in.yaml:3: it is neither YAML nor JSON (key \"kind\" already set in map)"},
		"a list":                              {"- a\n", "in.yaml:1: it is not a Kubernetes object; expected apiVersion"},
		"a text":                              {"\nhello\n", "in.yaml:2: it is not a Kubernetes object; expected apiVersion"},
		"no kind":                             {"apiVersion: v1\n", "kind or apiVersion is missing"},
		"a kind that is a number":             {"apiVersion: v1\nkind: 1\n", "kind or apiVersion is missing"},
		"broken JSON":                         {"{\n \"apiVersion\": \"v1\",\n \"kind\": A\n}", "in.yaml:3: "},
		"broken JSON in the second object":    {"{\"apiVersion\": \"v1\", \"kind\": \"A\"}\n{", "in.yaml:2: "},
		"a template that was not rendered":    {"apiVersion: v1\nkind: A\nmetadata:\n  {{- include \"labels\" . | nindent 2 }}\n", "render it first, such as with helm template"},
		"a template from its first line":      {"{{- if .Values.on }}\n" + good + "{{- end }}\n", "in.yaml:1: it is neither YAML nor JSON"},
		"text after the separator":            {good + "--- kind: A\n", "invalid Yaml document separator: kind: A"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := manifest.Read("in.yaml", []byte(c.text))
			require.ErrorContains(t, err, c.want)
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestDocumentsKnowTheLineTheyBeginOn(t *testing.T) {
	text := "# a chart\n---\n# Source: shop/a.yaml\n" + good + "---\n---\n" + good + "metadata: {name: b, namespace: shop}\n---\n\n# c\n" + strings.TrimSuffix(good, "\n")
	documents, err := manifest.Read("in.yaml", []byte(text))
	require.NoError(t, err)
	var places []string
	for _, d := range documents {
		places = append(places, d.Place())
	}
	require.Equal(t, []string{"in.yaml:4", "in.yaml:8", "in.yaml:14"}, places)
	require.Equal(t, []string{"v1", "ConfigMap", "b", "shop"},
		[]string{documents[1].APIVersion(), documents[1].Kind(), documents[1].Name(), documents[1].Namespace()})
}

func TestEmptyDocumentsAndCommentsAreNothing(t *testing.T) {
	for _, text := range []string{"", "\n", "---\n---\n", "# only a comment\n", "null\n"} {
		documents, err := manifest.Read("in.yaml", []byte(text))
		require.NoError(t, err, "%q", text)
		require.Empty(t, documents, "%q", text)
	}
}

func TestJSONObjectsInARowAreRead(t *testing.T) {
	documents, err := manifest.Read("in.json", []byte("\n{\"apiVersion\":\"v1\",\n\"kind\":\"A\"}\n{\"apiVersion\":\"v1\",\"kind\":\"B\"}"))
	require.NoError(t, err)
	require.Len(t, documents, 2)
	require.Equal(t, "in.json:2", documents[0].Place())
	require.Equal(t, "in.json:4", documents[1].Place())
}

func TestReadAllKeepsWhatIsNoObjectAndReadRefusesIt(t *testing.T) {
	text := []byte("replicas: 3\n---\n" + good)
	_, err := manifest.Read("values.yaml", text)
	require.ErrorContains(t, err, "values.yaml:1: it is not a Kubernetes object")
	documents, err := manifest.ReadAll("values.yaml", text)
	require.NoError(t, err)
	require.Len(t, documents, 2)
	require.Nil(t, documents[0].Object)
	require.Equal(t, "ConfigMap", documents[1].Kind())
}

func TestAListHoldsDocuments(t *testing.T) {
	documents, err := manifest.Read("in.yaml", []byte("apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: A}\n- {apiVersion: v1, kind: B}\n"))
	require.NoError(t, err)
	items, ok, err := documents[0].Items()
	require.NoError(t, err)
	require.True(t, ok)
	require.Len(t, items, 2)
	require.Equal(t, "B", items[1].Kind())
	_, ok, err = items[0].Items()
	require.NoError(t, err)
	require.False(t, ok)

	documents, err = manifest.Read("in.yaml", []byte("apiVersion: v1\nkind: List\nitems: [7]\n"))
	require.NoError(t, err)
	_, _, err = documents[0].Items()
	require.EqualError(t, err, "in.yaml:1: items[0] of a List is not an object")
}

func TestDirectoriesAreReadInOrderAndOneBrokenFileDoesNotHideTheOthers(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"b.yaml": "apiVersion: v1\nkind: B\n", "a.YML": "apiVersion: v1\nkind: A\n", "broken.yaml": "a: [", "notes.md": "a: [",
		"sub/c.json": `{"apiVersion":"v1","kind":"C"}`, ".git/d.yaml": "a: [",
	} {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	for _, c := range []struct {
		recursive bool
		want      []string
	}{{false, []string{"A", "B", "D"}}, {true, []string{"A", "B", "C", "D"}}} {
		f := manifest.Files{In: strings.NewReader("apiVersion: v1\nkind: D\n"), Recursive: c.recursive, Parse: manifest.Read}
		documents, err := f.Read(dir, "-", filepath.Join(dir, "none.yaml"))
		require.ErrorContains(t, err, "broken.yaml:1: ")
		require.ErrorContains(t, err, "no such file")
		var kinds []string
		for _, d := range documents {
			kinds = append(kinds, d.Kind())
		}
		require.Equal(t, c.want, kinds)
	}
	_, err := manifest.Files{Parse: manifest.Read}.Read(t.TempDir())
	require.ErrorContains(t, err, "holds no .yaml, .yml or .json file")
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(good + "---\n" + good))
	f.Add([]byte("{\"a\": 1}\n{"))
	f.Add([]byte("\ufeff---\r\n# a\r\n---\na: {{ b }}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		documents, err := manifest.ReadAll("in", text)
		lines := strings.Count(string(text), "\n") + 1
		for _, d := range documents {
			require.NoError(t, err)
			require.Positive(t, d.Line)
			require.LessOrEqual(t, d.Line, lines)
		}
	})
}
