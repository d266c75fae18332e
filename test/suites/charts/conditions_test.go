package charts_test

import (
	"testing"

	"github.com/google/cel-go/cel"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/apiserver/pkg/cel/environment"

	"github.com/karpenter-oke/karpenter-oke/pkg/virtualnode"
)

const policyName = "karpenter-oke-layer-routing"

// conditions compiles the policy's conditions with the API server's own CEL environment: name to program, in order.
func conditions(t *testing.T, args ...string) (names []string, programs map[string]cel.Program) {
	t.Helper()
	policy := only(t, render(t, append([]string{"--set", "layerRouting.enabled=true,layerRouting.apiVersion=v1"}, args...)...), "MutatingAdmissionPolicy", policyName)
	list, _, err := unstructured.NestedSlice(policy.Object, "spec", "matchConditions")
	require.NoError(t, err)
	require.LessOrEqual(t, len(list), 64, "the API server takes no more conditions")
	set, err := environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion()).Extend(environment.VersionedOptions{
		IntroducedVersion: version.MajorMinor(1, 0), EnvOptions: []cel.EnvOption{cel.Variable("object", cel.DynType)},
	})
	require.NoError(t, err)
	env, err := set.Env(environment.NewExpressions)
	require.NoError(t, err)
	programs = map[string]cel.Program{}
	for _, item := range list {
		condition, _ := item.(map[string]any)
		name, _ := condition["name"].(string)
		expression, _ := condition["expression"].(string)
		ast, issues := env.Compile(expression)
		require.NoError(t, issues.Err(), name)
		require.Equal(t, cel.BoolType, ast.OutputType(), name)
		names = append(names, name)
		programs[name], err = env.Program(ast, cel.CostLimit(1_000_000))
		require.NoError(t, err, name)
	}
	return names, programs
}

func holds(t *testing.T, program cel.Program, pod *corev1.Pod) bool {
	t.Helper()
	object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(pod)
	require.NoError(t, err)
	value, _, err := program.ContextEval(t.Context(), map[string]any{"object": object})
	require.NoError(t, err)
	result, ok := value.Value().(bool)
	require.True(t, ok)
	return result
}

func hardRules() map[string]virtualnode.Rule {
	hard := map[string]virtualnode.Rule{}
	for _, rule := range virtualnode.Rules() {
		if rule.Severity == virtualnode.Hard {
			hard[rule.Name] = rule
		}
	}
	return hard
}

// saysOfPod is what a rule says of a pod of which nothing but itself is known. The rules on claims need the cluster; at admission
// either may hold of a pod that mounts one.
func saysOfPod(rule virtualnode.Rule, pod *corev1.Pod) bool {
	if rule.Name == fileStorageRule {
		rule = hardRules()["persistent-volume-claim"]
	}
	return rule.Test(pod)
}

const fileStorageRule = "file-storage-claim"

// own are the conditions that are about routing, not about what virtual nodes refuse.
var own = []string{"not-stated-managed", "not-bound", "not-tolerated-yet", "selects-no-other-labels", "selects-no-other-values"}

func TestThePolicyHasOneConditionForEachHardRule(t *testing.T) {
	names, _ := conditions(t)
	expected := append([]string{}, own...)
	for name := range hardRules() {
		expected = append(expected, name)
		require.Contains(t, refused, name, "the rule %s has no samples here", name)
	}
	require.ElementsMatch(t, expected, names, "charts/karpenter-oke/templates/_layer-routing.tpl and virtualnode.Rules differ")
}

func TestEachConditionSaysWhatItsRuleSays(t *testing.T) {
	_, programs := conditions(t)
	pods := map[string]*corev1.Pod{}
	for rule, texts := range refused {
		for _, text := range texts {
			pods[rule+": "+text] = sample(t, text)
		}
	}
	for name, text := range taken {
		pods[name] = sample(t, text)
	}
	for name, l := range left {
		pods[name] = sample(t, l.pod)
	}
	for name, rule := range hardRules() {
		t.Run(name, func(t *testing.T) {
			for about, pod := range pods {
				require.Equal(t, saysOfPod(rule, pod), !holds(t, programs[name], pod), about)
			}
		})
	}
}

func TestSamplesShowOneRuleEach(t *testing.T) {
	broken := func(pod *corev1.Pod) []string {
		names := []string{}
		for name, rule := range hardRules() {
			if rule.Test(pod) {
				names = append(names, name)
			}
		}
		return names
	}
	for rule, texts := range refused {
		for _, text := range texts {
			require.Equal(t, []string{rule}, broken(sample(t, text)), text)
		}
	}
	for name, text := range taken {
		require.Empty(t, broken(sample(t, text)), name)
	}
	for name, l := range left {
		require.Empty(t, broken(sample(t, l.pod)), name)
	}
}

func TestThePolicysOwnConditions(t *testing.T) {
	_, programs := conditions(t)
	for name, text := range taken {
		for _, condition := range own {
			require.True(t, holds(t, programs[condition], sample(t, text)), "%s: %s", name, condition)
		}
	}
	for name, l := range left {
		for _, condition := range own {
			require.Equal(t, condition != l.condition, holds(t, programs[condition], sample(t, l.pod)), "%s: %s", name, condition)
		}
	}
}

func TestExtraRulesOfTheSettingsAreConditionsToo(t *testing.T) {
	names, programs := conditions(t, "--set-json", `settings.virtualNodeExtraRules=[
		{"name":"no-batch","expression":"pod.metadata.?labels[?\"app\"].orValue('') == 'batch' && true","message":"is a batch pod"},
		{"name":"odd","expression":"true","message":"is odd","severity":"warning"}]`)
	require.NotContains(t, names, "odd", "a warning does not keep a pod from virtual nodes")
	require.True(t, holds(t, programs["no-batch"], sample(t, "")))
	require.False(t, holds(t, programs["no-batch"], sample(t, `metadata: {labels: {app: batch}}`)))
}

func TestDisabledRulesAreLeftOutOfThePolicyAndGivenToTheController(t *testing.T) {
	disabled := []string{"--set", "settings.virtualNodeDisabledRules={persistent-volume-claim,seccomp}"}
	names, _ := conditions(t, disabled...)
	require.NotContains(t, names, "persistent-volume-claim")
	require.NotContains(t, names, "seccomp")
	require.Len(t, names, len(own)+len(hardRules())-2)
	require.Contains(t, controllerArgs(t, disabled...), "--virtual-node-disabled-rules=persistent-volume-claim,seccomp")
}
