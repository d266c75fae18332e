package virtualnode

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
)

func TestRulesFromSettingsDecide(t *testing.T) {
	rules, err := ParseRules(`
- name: spark-driver
  expression: pod.metadata.?labels['spark-role'].orValue('') == 'driver'
  message: is a Spark driver, which must not move
- name: too-many-ports
  expression: pod.spec.containers.exists(c, has(c.ports) && size(c.ports) > 2)
  message: opens more than two ports
  severity: warning
`)
	require.NoError(t, err)
	cfg := DefaultConfig()
	cfg.ExtraRules = rules
	require.NoError(t, cfg.Validate())
	f := testFilter(cfg, testClock(), vnode("virtual-1"), nodePool("general", nil))

	driver := pendingPod("driver", byKey, func(p *corev1.Pod) { p.Labels["spark-role"] = "driver" })
	d := f.Decide(driver)
	require.Equal(t, RuleNeedsManaged, d.Rule)
	require.Equal(t, "spark-driver", d.Feature.Name)
	require.Contains(t, f.Explain(driver, d).Summary, "it is a Spark driver, which must not move [spark-driver]")

	executor := pendingPod("executor", byKey, func(p *corev1.Pod) { p.Labels["spark-role"] = "executor" })
	require.True(t, f.Decide(executor).Skip())
	require.True(t, f.Decide(pendingPod("plain", byKey, func(p *corev1.Pod) { p.Labels = nil })).Skip())

	ports := pendingPod("ports", byKey, main0(func(c *corev1.Container) { c.Ports = make([]corev1.ContainerPort, 3) }))
	require.True(t, f.Decide(ports).Skip())
	require.Contains(t, ruleNamesOf(f.Advisories(ports)), "too-many-ports")
}

func TestRulesFromSettingsCanBeTurnedOffByName(t *testing.T) {
	rules, err := ParseRules(`[{"name": "all", "expression": "true", "message": "is a pod"}]`)
	require.NoError(t, err)
	cfg := DefaultConfig()
	cfg.ExtraRules, cfg.DisabledRules = rules, []string{"all"}
	require.NoError(t, cfg.Validate())
	require.True(t, testFilter(cfg, testClock(), vnode("v")).Decide(pendingPod("p", byKey)).Skip())
}

func TestAnswersAreRememberedForOneVersionOfAPodOnly(t *testing.T) {
	rules, err := ParseRules(`[{name: named, expression: "pod.metadata.name == 'wanted'", message: is wanted}]`)
	require.NoError(t, err)
	p := pendingPod("wanted")
	p.ResourceVersion = "1"
	require.True(t, rules[0].Test(p))
	p.Name = "other"
	require.True(t, rules[0].Test(p), "the same version of a pod is evaluated twice")
	p.ResourceVersion = "2"
	require.False(t, rules[0].Test(p))
	p.ResourceVersion, p.Name = "", "wanted"
	require.True(t, rules[0].Test(p))
	p.Name = "other"
	require.False(t, rules[0].Test(p), "a pod without a version is remembered")
}

func TestAnExpressionThatFailsCountsAsFalseAndIsCounted(t *testing.T) {
	rules, err := ParseRules(`[{name: fails, expression: "has(pod.metadata.generateName) && int(pod.metadata.generateName) > 3", message: is odd}]`)
	require.NoError(t, err)
	ruleErrorsCounter.Add(0, map[string]string{labelRule: "fails"})
	errors := func() float64 {
		return gauge(t, "karpenter_oke_virtual_node_rule_errors_total", map[string]string{"rule": "fails"})
	}
	before := errors()
	require.False(t, rules[0].Test(pendingPod("p", func(p *corev1.Pod) { p.GenerateName = "web-" })))
	require.Equal(t, before+1, errors())
	require.True(t, rules[0].Test(pendingPod("p", func(p *corev1.Pod) { p.GenerateName = "7" })))
}

func TestMistakesInRulesAreErrorsAtStart(t *testing.T) {
	many := "[" + strings.Repeat(`{name: a, expression: "true", message: m},`, maxRules+1) + "]"
	for name, test := range map[string]struct{ text, want string }{
		"no list":                           {`name: a`, "want a list of {name, expression, message, severity}"},
		"an unknown field":                  {`[{name: a, expr: "true"}]`, "unknown field"},
		"no name":                           {`[{expression: "true", message: m}]`, "want a name"},
		"a name that is no metric label":    {`[{name: "A b", expression: "true", message: m}]`, "want a name"},
		"no message":                        {`[{name: a, expression: "true"}]`, "want a message"},
		"an unknown severity":               {`[{name: a, expression: "true", message: m, severity: soft}]`, `severity "soft": want hard or warning`},
		"no expression":                     {`[{name: a, message: m}]`, "does not compile"},
		"an expression that is none":        {`[{name: a, expression: "pod.", message: m}]`, "does not compile"},
		"an unknown variable":               {`[{name: a, expression: "node.spec.x", message: m}]`, "undeclared reference to 'node'"},
		"an expression that is no question": {`[{name: a, expression: "'x'", message: m}]`, "gives a string, want true or false"},
		"a number where a bool is wanted":   {`[{name: a, expression: "pod.spec.containers.size()", message: m}]`, "want true or false"},
		"a field that pods may lack":        {`[{name: a, expression: "pod.metadata.labels.app == 'x'", message: m}]`, "no such key: labels; guard fields with has()"},
		"too much work": {`[{name: a, message: m, expression: "[1,2,3,4,5,6,7,8,9,10].all(a, [1,2,3,4,5,6,7,8,9,10].all(b, [1,2,3,4,5,6,7,8,9,10].all(c, [1,2,3,4,5,6,7,8,9,10].all(d, [1,2,3,4,5,6,7,8,9,10].all(e, a+b+c+d+e > 0)))))"}]`,
			"cost limit exceeded"},
		"too long":       {`[{name: a, message: m, expression: "` + strings.Repeat("true || ", 400) + `true"}]`, "longer than 2048"},
		"too many rules": {many, "at most 50"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseRules(test.text)
			require.ErrorContains(t, err, test.want)
		})
	}
	_, err := ParseRules(`[{name: a, expression: "1", message: m}, {name: b, expression: "x", message: m}]`)
	require.ErrorContains(t, err, `rule "a"`)
	require.ErrorContains(t, err, `rule "b"`)
	for _, empty := range []string{"", "  \n", "[]"} {
		rules, err := ParseRules(empty)
		require.NoError(t, err)
		require.Empty(t, rules)
	}
}
