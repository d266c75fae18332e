package shape_test

import (
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"github.com/stretchr/testify/require"
	crmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/karpenter-oke/karpenter-oke/pkg/providers/shape"
)

// inDoubt are the shapes that the metric names.
func inDoubt(t *testing.T) (names []string) {
	t.Helper()
	families, err := crmetrics.Registry.Gather()
	require.NoError(t, err)
	for _, f := range families {
		if f.GetName() != "karpenter_oke_shape_doubtful" {
			continue
		}
		for _, m := range f.GetMetric() {
			names = append(names, m.GetLabel()[0].GetValue())
		}
	}
	return names
}

func TestAnUnknownShapeIsOfferedAndSaidOnceInTheLogAndInAMetric(t *testing.T) {
	var lines []string
	ctx := logr.NewContext(t.Context(), funcr.New(func(_, line string) { lines = append(lines, line) }, funcr.Options{}))
	said := func(shapeName string) (n int) {
		for _, line := range lines {
			if strings.Contains(line, "needs a look") && strings.Contains(line, `"`+shapeName+`"`) {
				n++
			}
		}
		return n
	}
	l := twoDomains()
	l.shapes["Uocm:PHX-AD-1"] = append(l.shapes["Uocm:PHX-AD-1"], "VM.Standard.E9.1", "VM.Standard.E8.1")
	l.shapes["Uocm:PHX-AD-2"] = append(l.shapes["Uocm:PHX-AD-2"], "VM.Standard.E9.1")
	overrides, err := shape.ParseOverrides("[{match: VM.Standard.E8.*, arch: amd64}]")
	require.NoError(t, err)
	p, err := shape.NewProvider(l, "c", overrides...)
	require.NoError(t, err)
	for range 3 {
		require.NoError(t, p.Refresh(ctx))
	}
	offered, ok := p.Snapshot().Shape("VM.Standard.E9.1")
	require.True(t, ok)
	require.Len(t, offered.Zones, 2)
	require.Equal(t, 1, said("VM.Standard.E9.1"), "once, however often and in however many domains it is listed")
	require.Zero(t, said("VM.Standard.E8.1"), "overridden")
	require.Zero(t, said("VM.Standard2.1"), "known")
	require.Equal(t, []string{"VM.Standard.E9.1"}, inDoubt(t))

	l.shapes["Uocm:PHX-AD-1"] = append(l.shapes["Uocm:PHX-AD-1"], "VM.Standard2.8")
	require.NoError(t, p.Refresh(ctx))
	require.Equal(t, 1, said("VM.Standard.E9.1"), "a change of something else does not repeat it")

	all, err := shape.ParseOverrides("[{match: '*.E9.*', arch: amd64}, {match: '*.E8.*', arch: amd64}]")
	require.NoError(t, err)
	restarted, err := shape.NewProvider(l, "c", all...)
	require.NoError(t, err)
	require.NoError(t, restarted.Refresh(ctx))
	require.Empty(t, inDoubt(t), "a shape that somebody has looked at is no longer named")
}
