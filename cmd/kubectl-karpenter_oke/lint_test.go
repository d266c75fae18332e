package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/pkg/lint"
	"github.com/karpenter-oke/karpenter-oke/test/corpus/layers"
)

const corpus = "../../test/corpus/layers"

// lintJSON runs lint and decodes what it prints.
func lintJSON(t *testing.T, stdin string, args ...string) (code int, results []lint.Result, errs string) {
	t.Helper()
	code, out, errs := call(stdin, append([]string{"lint", "-o", "json"}, args...)...)
	require.NoError(t, json.Unmarshal([]byte(out), &results), "%s%s", out, errs)
	return code, results, errs
}

func TestLintSaysOfTheCorpusWhatItsHeadersSay(t *testing.T) {
	specs, err := layers.Load()
	require.NoError(t, err)
	for _, state := range []struct {
		assume string
		want   func(layers.Spec) layers.Outcome
	}{
		{"x86", func(s layers.Spec) layers.Outcome { return s.X86 }},
		{"arm", func(s layers.Spec) layers.Outcome { return s.Arm }},
		{"none", func(s layers.Spec) layers.Outcome { return s.None }},
	} {
		t.Run(state.assume, func(t *testing.T) {
			code, results, _ := lintJSON(t, "", "-R", "-f", corpus, "--assume-virtual-nodes", state.assume, "--virtual-node-labels", "topology.kubernetes.io/zone=PHX-AD-1")
			require.Equal(t, 1, code)
			require.Len(t, results, len(specs))
			bySource := map[string]lint.Result{}
			for _, r := range results {
				source, _, _ := strings.Cut(r.Source, ".yaml:")
				bySource[source+".yaml"] = r
			}
			for _, s := range specs {
				r := bySource[filepath.Join(corpus, s.File)]
				require.Equal(t, state.want(s), layers.Outcome{Layer: string(r.Layer), Rule: r.Rule}, s.File)
				require.ElementsMatch(t, s.Blockers, r.Blockers, s.File)
				require.NotEmpty(t, r.Message)
				if state.assume == "x86" {
					require.Equal(t, s.Problem, len(r.Problems) > 0, "%s: %v", s.File, r.Problems)
				}
			}
		})
	}
}

func TestEachFileOfTheCorpusEndsWithTheExitCodeThatItsHeaderSays(t *testing.T) {
	specs, err := layers.Load()
	require.NoError(t, err)
	for _, s := range specs {
		want := 0
		if s.Problem {
			want = 1
		}
		code, _, errs := call("", "lint", "-f", filepath.Join(corpus, s.File))
		require.Equal(t, want, code, "%s: %s", s.File, errs)
	}
}

func TestLintPrintsATable(t *testing.T) {
	t.Chdir("../../pkg/lint/testdata")
	code, out, errs := call("", "lint", "-R", "-f", "shop")
	require.Equal(t, 1, code)
	require.Equal(t, "error: 3 problems\n", errs)
	golden(t, "shop.txt", out)
}

func TestLintPrintsJSON(t *testing.T) {
	t.Chdir("../../pkg/lint/testdata")
	code, out, errs := call("", "lint", "-R", "-f", "shop", "-o", "json")
	require.Equal(t, 1, code)
	require.Contains(t, errs, "8 workloads: ")
	golden(t, "shop.json", out)
}

// golden compares with a file; with UPDATE_GOLDEN=1 it writes the file.
func golden(t *testing.T, name, got string) {
	t.Helper()
	if os.Getenv("UPDATE_GOLDEN") != "" {
		require.NoError(t, os.WriteFile(name, []byte(got), 0o600))
		return
	}
	want, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, string(want), got, "set UPDATE_GOLDEN=1 to write it anew")
}

const (
	tolerant = "    spec: {tolerations: [{key: virtual-kubelet.io/provider, operator: Exists}], containers: [{name: a, image: registry.example/a:1}]}\n"
	plainWeb = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: shop}\nspec:\n  template:\n    metadata: {}\n"
)

func TestWhatTheInputSaysOfTheClusterCounts(t *testing.T) {
	const namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {karpenter.k8s.oracle/layer: managed}}\n---\n"
	_, results, _ := lintJSON(t, namespace+plainWeb+tolerant, "-f", "-")
	require.Equal(t, "stated-managed", results[0].Rule)

	const node = "apiVersion: v1\nkind: Node\nmetadata: {name: v, labels: {type: virtual-node, kubernetes.io/arch: arm64}}\n" +
		"status: {allocatable: {pods: \"100\"}, conditions: [{type: Ready, status: \"True\"}]}\n---\n"
	arm := strings.Replace(tolerant, "{tol", "{nodeSelector: {kubernetes.io/arch: arm64}, tol", 1)
	_, results, _ = lintJSON(t, plainWeb+arm, "-f", "-")
	require.Equal(t, "no-virtual-node-matches", results[0].Rule, "an x86 virtual node is assumed")
	_, results, errs := lintJSON(t, node+plainWeb+arm, "-f", "-")
	require.Equal(t, "names-taint", results[0].Rule, "the Arm virtual node of the input counts")
	require.NotContains(t, errs, "Ready virtual nodes")

	const pool = "apiVersion: karpenter.sh/v1\nkind: NodePool\nmetadata: {name: x86}\nspec:\n  template:\n    spec:\n" +
		"      nodeClassRef: {group: karpenter.k8s.oracle, kind: OciNodeClass, name: d}\n" +
		"      requirements: [{key: kubernetes.io/arch, operator: In, values: [amd64]}]\n---\n"
	_, results, _ = lintJSON(t, pool+plainWeb+arm, "-f", "-")
	require.Equal(t, "nothing-matches", results[0].Rule, "the only NodePool makes no Arm nodes")
}

func TestTheControllersSettingsCount(t *testing.T) {
	claim := "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  template:\n" +
		strings.Replace(tolerant, "containers", "securityContext: {fsGroup: 7}, containers", 1)
	code, results, _ := lintJSON(t, claim, "-f", "-", "-n", "team-a")
	require.Equal(t, 1, code)
	require.Equal(t, "team-a", results[0].Namespace)
	require.Equal(t, []string{"fs-group"}, results[0].Blockers)
	for _, flag := range []string{"--disabled-rules", "--virtual-node-disabled-rules"} {
		code, results, _ = lintJSON(t, claim, "-f", "-", flag, "fs-group")
		require.Zero(t, code)
		require.Equal(t, "names-taint", results[0].Rule)
		require.Empty(t, results[0].Blockers)
	}
	_, results, _ = lintJSON(t, claim, "-f", "-", "--virtual-node-taint", "burst=yes:NoSchedule")
	require.Equal(t, "taint-not-tolerated", results[0].Rule)
	_, results, _ = lintJSON(t, plainWeb+tolerant, "-f", "-", "--extra-rules", `[{name: no-shop, expression: 'pod.metadata.namespace == "shop"', message: is of the shop}]`)
	require.Equal(t, []string{"no-shop"}, results[0].Blockers)
}

func TestStrictFailsOnWarnings(t *testing.T) {
	text := plainWeb + strings.Replace(tolerant, "image:", "tty: true, image:", 1)
	code, _, _ := call(text, "lint", "-f", "-")
	require.Zero(t, code)
	code, out, errs := call(text, "lint", "-f", "-", "--strict")
	require.Equal(t, 1, code)
	require.Equal(t, "error: --strict: 1 warning\n", errs)
	require.Contains(t, out, "warning: standard input:1: Deployment shop/web: it keeps stdin or a terminal open")
}

func TestOtherKindsAndDocumentsAreCounted(t *testing.T) {
	text := "a: 1\n---\napiVersion: v1\nkind: Service\nmetadata: {name: s}\n---\n" + plainWeb + tolerant
	code, out, _ := call(text, "lint", "-f", "-")
	require.Zero(t, code)
	require.Contains(t, out, "Left alone: 1 Service, 1 document that is no Kubernetes object.\n")
	code, out, errs := call("apiVersion: v1\nkind: Service\nmetadata: {name: s}\n", "lint", "-f", "-")
	require.Zero(t, code)
	require.Empty(t, errs)
	require.Equal(t, "0 workloads: 0 virtual, 0 managed; 0 problems, 0 warnings.\nLeft alone: 1 Service.\n", out)
}

func TestWhatLintCanNotReadEndsWithCodeTwoAndTheRestIsShown(t *testing.T) {
	dir := t.TempDir()
	good := write(t, dir, "good.yaml", plainWeb+tolerant)
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no name":            {[]string{}, "name what to look at"},
		"a missing file":     {[]string{"-f", good, "-f", filepath.Join(dir, "none.yaml")}, "no such file"},
		"a broken file":      {[]string{"-f", good, "-f", write(t, t.TempDir(), "broken.yaml", "kind: A\nb: [\n")}, "broken.yaml:2: it is neither YAML nor JSON"},
		"an argument":        {[]string{good}, "name files with -f"},
		"an unknown flag":    {[]string{"--file", good}, "unknown flag"},
		"an unknown output":  {[]string{"-f", good, "-o", "wide"}, "want table or json"},
		"a taint that is no": {[]string{"-f", good, "--virtual-node-taint", "oracle"}, "has no effect"},
		"an unknown rule":    {[]string{"-f", good, "--disabled-rules", "nope"}, "there are: "},
		"a broken rule":      {[]string{"-f", good, "--extra-rules", "[{name: a, expression: 'pod.', message: b}]"}, "--extra-rules: "},
		"unknown nodes":      {[]string{"-f", good, "--assume-virtual-nodes", "sparc"}, "want x86, arm, both, or none alone"},
		"none and some":      {[]string{"-f", good, "--assume-virtual-nodes", "none,arm"}, "want x86, arm, both, or none alone"},
		"a field of a wrong type": {[]string{"-f", good, "-f", write(t, t.TempDir(), "type.yaml",
			plainWeb+"    spec: {tolerations: [{key: 7}], containers: []}\n")}, "type.yaml:1: Deployment web: spec.template.spec.tolerations"},
		"an annotation that is no text": {[]string{"-f", write(t, t.TempDir(), "note.yaml",
			"apiVersion: v1\nkind: Pod\nmetadata: {name: p, annotations: {karpenter.k8s.oracle/layer: true}}\nspec: {containers: []}\n")}, "metadata.annotations"},
		"a template": {[]string{"-f", write(t, t.TempDir(), "chart.yaml", "kind: A\n{{- if }}\n")}, "render it first"},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, errs := call("", append([]string{"lint"}, c.args...)...)
			require.Equal(t, 2, code, errs)
			require.True(t, strings.HasPrefix(errs, "error: "), errs)
			require.Equal(t, 1, strings.Count(errs, "\n"), errs)
			require.Contains(t, errs, c.want)
			if len(c.args) == 4 && c.args[2] == "-f" {
				require.Contains(t, out, "names-taint", "the good file is shown all the same")
			}
		})
	}
}
