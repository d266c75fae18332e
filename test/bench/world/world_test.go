package world_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/test/bench/world"
)

func newWorld(t *testing.T) *world.World {
	t.Helper()
	w, err := world.New(world.Options{Sizing: v1alpha1.FlexSizingGrid, Requirements: []karpv1.NodeSelectorRequirementWithMinValues{
		{Key: corev1.LabelArchStable, Operator: corev1.NodeSelectorOpIn, Values: []string{"amd64"}},
	}})
	require.NoError(t, err)
	return w
}

func pods(w *world.World, n int, r world.Requests) []*corev1.Pod {
	out := make([]*corev1.Pod, 0, n)
	for i := range n {
		out = append(out, world.NewPod(fmt.Sprintf("p%03d", i), w.Clock.Now(), r))
	}
	return out
}

func TestPodsGetNodesThatHoldThemAndTheNodesAreBilled(t *testing.T) {
	w := newWorld(t)
	require.NoError(t, w.Add(t.Context(), pods(w, 50, world.Requests{CPUMillis: 500, MemoryMiB: 1024})...))
	left, err := w.Provision(t.Context())
	require.NoError(t, err)
	require.Zero(t, left)
	running, pending := w.Pods()
	require.Equal(t, 50, running)
	require.Zero(t, pending)
	vcpus := 0.0
	for _, n := range w.Nodes() {
		require.Greater(t, n.PricePerHour, w.BootVolumePerHour())
		require.LessOrEqual(t, n.PricePerHour, n.CellPrice+1e-9)
		vcpus += 2 * n.OCPUs
	}
	require.Greater(t, vcpus, 25.0, "50 pods ask for 25 vCPUs")
	require.Greater(t, w.PricePerHour(), 0.0)
}

func TestConsolidationEndsEmptyNodesAndShrinksThoseThatHaveTooMuch(t *testing.T) {
	w := newWorld(t)
	all := pods(w, 60, world.Requests{CPUMillis: 500, MemoryMiB: 2048})
	require.NoError(t, w.Add(t.Context(), all...))
	_, err := w.Provision(t.Context())
	require.NoError(t, err)
	before := w.PricePerHour()
	w.Clock.Step(time.Hour)

	w.Remove(all[:50]...)
	w.Clock.Step(time.Hour)
	done, err := w.Consolidate(t.Context(), 10)
	require.NoError(t, err)
	require.Positive(t, done.Nodes())
	running, pending := w.Pods()
	require.Equal(t, 10, running)
	require.Zero(t, pending)
	require.Less(t, w.PricePerHour(), before/2)

	w.Remove(all[50:]...)
	w.Clock.Step(time.Hour)
	done, err = w.Consolidate(t.Context(), 10)
	require.NoError(t, err)
	require.Positive(t, done.Empty)
	require.Empty(t, w.Nodes())
	require.Zero(t, w.PricePerHour())
}

func TestEqualInputGivesEqualNodes(t *testing.T) {
	nodes := func() []string {
		w := newWorld(t)
		for wave, r := range []world.Requests{{CPUMillis: 500, MemoryMiB: 1024}, {CPUMillis: 250, MemoryMiB: 3000}, {CPUMillis: 2000, MemoryMiB: 2048}} {
			for i := range 40 {
				require.NoError(t, w.Add(t.Context(), world.NewPod(fmt.Sprintf("p%d-%02d", wave, i), w.Clock.Now(), r)))
			}
			_, err := w.Provision(t.Context())
			require.NoError(t, err)
		}
		var out []string
		for _, n := range w.Nodes() {
			out = append(out, fmt.Sprint(n.InstanceType, " ", n.Zone, " ", n.PricePerHour))
		}
		return out
	}
	require.Equal(t, nodes(), nodes())
}
