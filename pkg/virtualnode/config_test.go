package virtualnode

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
)

func TestTheDefaultTaintIsTheOneInTheDefaultConfig(t *testing.T) {
	taint, err := ParseTaint(DefaultTaint)
	require.NoError(t, err)
	require.Equal(t, DefaultConfig().Taint, taint)
	require.NoError(t, DefaultConfig().Validate())
}

func TestParseTaint(t *testing.T) {
	for in, want := range map[string]corev1.Taint{
		"virtual-node=true:NoSchedule": {Key: "virtual-node", Value: "true", Effect: corev1.TaintEffectNoSchedule},
		"example.com/burst:NoExecute":  {Key: "example.com/burst", Effect: corev1.TaintEffectNoExecute},
		"burst=:NoSchedule":            {Key: "burst", Effect: corev1.TaintEffectNoSchedule},
	} {
		got, err := ParseTaint(in)
		require.NoError(t, err, in)
		require.Equal(t, want, got, in)
	}
	for in, want := range map[string]string{
		"":                         "has no effect",
		"virtual-node":             "has no effect",
		"virtual-node=true":        "has no effect",
		"=true:NoSchedule":         "taint key",
		"a b=true:NoSchedule":      "taint key",
		"a=b c:NoSchedule":         "taint value",
		"a=b:Sometimes":            `effect "Sometimes"`,
		"a=b:":                     `effect ""`,
		"a=b:PreferNoSchedule":     "keeps no pod away",
		"a=b:NoSchedule:NoExecute": "effect",
	} {
		_, err := ParseTaint(in)
		require.ErrorContains(t, err, want, in)
		require.ErrorContains(t, err, DefaultTaint, "the error does not show what a taint looks like")
	}
}

func TestValidateNamesEveryMistake(t *testing.T) {
	for name, test := range map[string]struct {
		edit func(*Config)
		want string
	}{
		"no marker":                  {func(c *Config) { c.Markers = Markers{} }, "no marker"},
		"a marker without a key":     {func(c *Config) { c.Markers.Labels = []Marker{{Value: "x"}} }, "marker key"},
		"a taint marker with no key": {func(c *Config) { c.Markers.Taints = []corev1.Taint{{}} }, "taint marker key"},
		"no taint":                   {func(c *Config) { c.Taint = corev1.Taint{} }, "taint key"},
		"a negative overflow":        {func(c *Config) { c.OverflowAfter = -time.Second }, "overflow after -1s"},
		"a negative grace":           {func(c *Config) { c.GracePeriod = -time.Second }, "grace period -1s"},
		"an unknown consolidation":   {func(c *Config) { c.Consolidation = "maybe" }, `consolidation "maybe"`},
		"overflow with counting":     {func(c *Config) { c.Consolidation, c.OverflowAfter = ConsolidationCount, time.Minute }, "overflow needs consolidation"},
		"an unknown rule":            {func(c *Config) { c.DisabledRules = []string{"gpu"} }, `disabled rule "gpu" does not exist; there are: daemonset`},
		"an added rule without test": {func(c *Config) { c.ExtraRules = []Rule{{Name: "x"}} }, "needs a name and a test"},
		"an added rule twice":        {func(c *Config) { c.ExtraRules = []Rule{{Name: "seccomp", Test: isPrivileged}} }, "the name is taken"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := DefaultConfig()
			test.edit(&cfg)
			require.ErrorContains(t, cfg.Validate(), test.want)
		})
	}
	both := DefaultConfig()
	both.OverflowAfter, both.GracePeriod = -1, -1
	require.ErrorContains(t, both.Validate(), "overflow")
	require.ErrorContains(t, both.Validate(), "grace")
}

func TestParseMarkers(t *testing.T) {
	m, err := ParseMarkers(DefaultMarkers)
	require.NoError(t, err)
	require.Equal(t, DefaultConfig().Markers, m)

	m, err = ParseMarkers(" label:pool=burst , taint:burst ")
	require.NoError(t, err)
	require.Equal(t, Markers{Labels: []Marker{{Key: "pool", Value: "burst"}}, Taints: []corev1.Taint{{Key: "burst"}}}, m)

	for in, want := range map[string]string{
		"":                 "no marker is given",
		" , ":              "no marker is given",
		"type=virtual":     `"type=virtual": want label:, annotation: or taint:KEY[=VALUE]`,
		"label:=x":         "label key",
		"annotation:a b=x": "annotation key",
	} {
		_, err := ParseMarkers(in)
		require.ErrorContains(t, err, want, in)
	}
}
