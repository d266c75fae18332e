package virtualnode

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
)

// Half an hour with a virtual node that flaps every 20 s and is cordoned from minute 10 to 20: pods with a blanket toleration change
// sides with the cordon only, pods with a named one only when they overflow, and nobody goes back after that.
func TestAThousandPodsDoNotOscillate(t *testing.T) {
	cfg := DefaultConfig()
	cfg.OverflowAfter = 15 * time.Minute
	clk := testClock()
	f := testFilter(cfg, clk, nodePool("general", nil))
	var pods []*corev1.Pod
	for i := range 1000 {
		pods = append(pods, pendingPod(fmt.Sprintf("p%d", i), []func(*corev1.Pod){byKey, tolerateAll, burst}[i%3]))
	}
	moves := make([][]string, len(pods))
	last := make([]Decision, len(pods))
	for step := time.Duration(0); step < 30*time.Minute; step += 20 * time.Second {
		edits := []func(*corev1.Node){}
		if step/(20*time.Second)%2 == 1 {
			edits = append(edits, notReadySince(clk.Now()))
		}
		if step >= 10*time.Minute && step < 20*time.Minute {
			edits = append(edits, cordoned)
		}
		f.index.setNode(vnode("v1", edits...), load{})
		for i, pod := range pods {
			if d := f.Decide(pod); d.Layer != last[i].Layer {
				moves[i] = append(moves[i], fmt.Sprintf("%s %s by %s", step, d.Layer, d.Rule))
				last[i] = d
			}
		}
		clk.Step(20 * time.Second)
	}
	want := [][]string{
		{"0s virtual by " + RuleNamesTaint, "15m0s managed by " + RuleOverflow},
		{"0s virtual by " + RuleToleratesAll, "10m0s managed by " + RuleAllNoRoom},
		{"0s virtual by " + RuleNamesTaint}, // only virtual nodes match it
	}
	for i := range pods {
		require.Equal(t, want[i%3], moves[i], "pod %d", i)
	}
}
