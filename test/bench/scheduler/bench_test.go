// Package scheduler_test benchmarks core's scheduler on 1,000 diverse pods with the types of a NodePool without requirements, and with the
// 400 made-up types of core's own benchmark, in the same process: what counts is the ratio.
package scheduler_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/clock"
	fakeclient "sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/log"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	"sigs.k8s.io/karpenter/pkg/cloudprovider/fake"
	"sigs.k8s.io/karpenter/pkg/controllers/provisioning/scheduling"
	"sigs.k8s.io/karpenter/pkg/controllers/state"
	"sigs.k8s.io/karpenter/pkg/events"
	"sigs.k8s.io/karpenter/pkg/operator/injection"
	"sigs.k8s.io/karpenter/pkg/operator/logging"
	"sigs.k8s.io/karpenter/pkg/operator/options"
	"sigs.k8s.io/karpenter/pkg/test"

	"github.com/karpenter-oke/karpenter-oke/test/bench/world"
)

// podCount pods of five kinds in equal parts, as in core's benchmark: plain, spread over zones, spread over hosts, affinity to their like in
// a zone, anti-affinity on hosts.
const podCount = 1000

func BenchmarkSchedule1000Pods(b *testing.B) {
	log.SetLogger(logging.NopLogger)
	w, err := world.New(world.Options{})
	require.NoError(b, err)
	ours, err := w.InstanceTypes(b.Context())
	require.NoError(b, err)
	for _, bench := range []struct {
		name  string
		types []*cloudprovider.InstanceType
	}{{"core-400-types", fake.InstanceTypes(400)}, {"ours", ours}} {
		b.Run(bench.name, func(b *testing.B) {
			ctx := options.ToContext(injection.WithControllerName(b.Context(), "provisioner"), test.Options())
			pods := diversePods()
			scheduler := newScheduler(ctx, b, pods, bench.types)
			nodes := 0
			b.ReportAllocs()
			b.ResetTimer()
			before := cpuTime(b)
			for range b.N {
				results, err := scheduler.Solve(ctx, pods)
				require.NoError(b, err)
				require.Empty(b, results.PodErrors)
				nodes = max(nodes, len(results.NewNodeClaims))
			}
			b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N), "cpu-ns/op")
			b.ReportMetric(float64(len(bench.types)), "types")
			b.ReportMetric(float64(nodes), "nodes")
		})
	}
}

// cpuTime is what the process used of the processors: on a machine that others use too it says more than the clock.
func cpuTime(b *testing.B) int64 {
	b.Helper()
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return u.Utime.Nano() + u.Stime.Nano()
}

func newScheduler(ctx context.Context, b *testing.B, pods []*corev1.Pod, its []*cloudprovider.InstanceType) *scheduling.Scheduler {
	b.Helper()
	nodePool := test.NodePool(karpv1.NodePool{Spec: karpv1.NodePoolSpec{Limits: karpv1.Limits{
		corev1.ResourceCPU: resource.MustParse("10000000"), corev1.ResourceMemory: resource.MustParse("10000000Gi"),
	}}})
	kube, clk := fakeclient.NewFakeClient(), clock.RealClock{}
	cluster := state.NewCluster(clk, kube, fake.NewCloudProvider())
	byPool := map[string][]*cloudprovider.InstanceType{nodePool.Name: its}
	concurrency := scheduling.NumConcurrentReconciles(5)
	topology, err := scheduling.NewTopology(ctx, kube, cluster, nil, []*karpv1.NodePool{nodePool}, byPool, pods, concurrency)
	require.NoError(b, err)
	return scheduling.NewScheduler(ctx, kube, []*karpv1.NodePool{nodePool}, cluster, nil, topology, byPool, nil,
		events.NewRecorder(&record.FakeRecorder{}), clk, nil, nil, concurrency)
}

func diversePods() []*corev1.Pod {
	rng := rand.New(rand.NewPCG(42, 42))
	pick := func(values ...int64) int64 { return values[rng.IntN(len(values))] }
	letter := func() string { return string(rune('a' + rng.IntN(7))) }
	pods := make([]*corev1.Pod, 0, podCount)
	for i := range podCount {
		o := test.PodOptions{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("p%04d", i), UID: types.UID(fmt.Sprintf("u%04d", i)), Labels: map[string]string{"my-label": letter()}}}
		o.ResourceRequirements.Requests = corev1.ResourceList{
			corev1.ResourceCPU:    *resource.NewMilliQuantity(pick(100, 250, 500, 1000, 1500), resource.DecimalSI),
			corev1.ResourceMemory: *resource.NewQuantity(pick(100, 256, 512, 1024, 2048, 4096)<<20, resource.BinarySI),
		}
		alike := func(labels map[string]string, key string) []corev1.PodAffinityTerm {
			o.Labels = labels
			return []corev1.PodAffinityTerm{{LabelSelector: &metav1.LabelSelector{MatchLabels: labels}, TopologyKey: key}}
		}
		spread := func(key string) {
			o.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{
				MaxSkew: 1, TopologyKey: key, WhenUnsatisfiable: corev1.DoNotSchedule,
				LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"my-label": letter()}},
			}}
		}
		switch i % 5 {
		case 1:
			spread(corev1.LabelTopologyZone)
		case 2:
			spread(corev1.LabelHostname)
		case 3:
			o.PodRequirements = alike(map[string]string{"my-affinity": letter()}, corev1.LabelTopologyZone)
		case 4:
			o.PodAntiRequirements = alike(map[string]string{"app": "nginx"}, corev1.LabelHostname)
		}
		pods = append(pods, test.Pod(o))
	}
	return pods
}
