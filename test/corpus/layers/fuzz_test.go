package layers_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/virtualnode"
)

// FuzzDecideOnTheCorpus changes the corpus at random. Whatever comes out: Decide does not panic, says the same twice, leaves the pod
// alone, and keeps what the guide promises of every pod.
func FuzzDecideOnTheCorpus(f *testing.F) {
	for _, s := range load(f) {
		data, err := json.Marshal(podOf(f, s))
		require.NoError(f, err)
		f.Add(data)
	}
	filter := newFilter(f, "amd64")
	f.Fuzz(func(t *testing.T, data []byte) {
		pod := &corev1.Pod{}
		if json.Unmarshal(data, pod) != nil {
			return
		}
		before := pod.DeepCopy()
		d := filter.Decide(pod)
		require.Equal(t, before, pod, "Decide changed the pod")
		require.Equal(t, d, filter.Decide(pod), "Decide says something else the second time")
		require.NotEmpty(t, filter.Explain(pod, d).String())

		blockers := filter.Blockers(pod)
		require.Equal(t, d.Rule == virtualnode.RuleNeedsManaged, d.Feature != nil)
		if len(blockers) > 0 || len(pod.Spec.Tolerations) == 0 || pod.Annotations[virtualnode.LayerKey] == "managed" {
			require.Equal(t, virtualnode.LayerManaged, d.Layer, "blockers %v", names(blockers))
		}
		if d.Layer == virtualnode.LayerManaged {
			more := pod.DeepCopy()
			more.Spec.HostNetwork = true
			require.Equal(t, virtualnode.LayerManaged, filter.Decide(more).Layer, "a need for the host made a managed pod virtual")
		}
	})
}
