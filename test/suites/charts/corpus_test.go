package charts_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/pkg/lint"
	"github.com/karpenter-oke/karpenter-oke/test/corpus/layers"
)

func TestThePolicyAgreesWithTheRulesOnTheCorpus(t *testing.T) {
	specs, err := layers.Load()
	require.NoError(t, err)
	_, programs := conditions(t)
	pods := 0
	for i := range specs {
		for _, document := range specs[i].Documents {
			pod, ok, err := lint.Pod(document, "default")
			if err != nil || !ok {
				continue // what belongs to the workload, and workloads that nobody can read
			}
			pods++
			for name, rule := range hardRules() {
				require.Equal(t, saysOfPod(rule, pod), !holds(t, programs[name], pod), "%s: %s", specs[i].File, name)
			}
		}
	}
	require.GreaterOrEqual(t, pods, 150)
}
