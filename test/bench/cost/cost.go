// Package cost plays pod traces through core's scheduler and this project's cloud provider and says what the nodes cost an hour, against
// bounds that nothing can undercut and against what people configure by hand.
package cost

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/test/bench/world"
)

// Pool is what a NodePool asks for.
type Pool struct {
	Name         string
	Requirements []karpv1.NodeSelectorRequirementWithMinValues
}

// Pools are the NodePools that traces are played in.
func Pools() []Pool {
	in := func(key string, values ...string) []karpv1.NodeSelectorRequirementWithMinValues {
		return []karpv1.NodeSelectorRequirementWithMinValues{{Key: key, Operator: corev1.NodeSelectorOpIn, Values: values}}
	}
	return []Pool{
		{Name: "amd64", Requirements: in(corev1.LabelArchStable, karpv1.ArchitectureAmd64)},
		{Name: "E5 only", Requirements: in(v1alpha1.LabelInstanceFamily, "VM.Standard.E5")},
		{Name: "any architecture"},
	}
}

// Manual are the sizes that people write by hand, in vCPUs and GB: 2 OCPUs with 8 GB and 4 OCPUs with 16 GB of an x86 shape.
var Manual = [][2]float64{{4, 8}, {8, 16}}

// Powers are the powers of two from 2 to 64 vCPUs with 2, 4 and 8 GB each.
var Powers = func() (out [][2]float64) {
	for vcpus := 2.0; vcpus <= 64; vcpus *= 2 {
		for _, ratio := range []float64{2, 4, 8} {
			out = append(out, [2]float64{vcpus, ratio * vcpus})
		}
	}
	return out
}()

// Played is the outcome of one trace.
type Played struct {
	PricePerHour float64
	Nodes        int
	// Unplaced are the pods that no size can hold, as wave and place in the wave.
	Unplaced [][2]int
}

// Play runs a trace in a new World and leaves that as it is at the end.
func Play(ctx context.Context, o world.Options, t Trace) (Played, *world.World, error) {
	w, err := world.New(o)
	if err != nil {
		return Played{}, nil, err
	}
	at := map[string][2]int{}

	for i, wave := range t.Waves {
		pods := make([]*corev1.Pod, 0, len(wave))
		for j, r := range wave {
			p := world.NewPod(podName(i, j), w.Clock.Now(), r)
			pods = append(pods, p)
			at[p.Name] = [2]int{i, j}
		}
		if err := w.Add(ctx, pods...); err != nil {
			return Played{}, nil, err
		}
		if _, err := w.Provision(ctx); err != nil {
			return Played{}, nil, fmt.Errorf("trace %s, wave %d: %w", t.Name, i, err)
		}
	}
	out := Played{PricePerHour: w.PricePerHour(), Nodes: len(w.Nodes())}
	for _, p := range w.Waiting() {
		out.Unplaced = append(out.Unplaced, at[p])
	}
	return out, w, nil
}

// without is the trace less some pods.
func (t Trace) without(pods [][2]int) Trace {
	out := Trace{Name: t.Name}
	for i, wave := range t.Waves {
		var left []world.Requests
		for j, r := range wave {
			if !slices.Contains(pods, [2]int{i, j}) {
				left = append(left, r)
			}
		}
		if len(left) > 0 {
			out.Waves = append(out.Waves, left)
		}
	}
	return out
}

// total is what all pods ask for.
func (t Trace) total() (vcpus, gb float64) {
	for _, wave := range t.Waves {
		for _, r := range wave {
			vcpus += float64(r.CPUMillis) / 1000
			gb += float64(r.MemoryMiB) / 1024
		}
	}
	return vcpus, gb
}

// named are the requirements of a pool together with a list of types: the given sizes of every flexible shape that the pool may use.
func named(ctx context.Context, pool Pool, sizes [][2]float64) ([]karpv1.NodeSelectorRequirementWithMinValues, error) {
	w, err := world.New(world.Options{Requirements: pool.Requirements})
	if err != nil {
		return nil, err
	}
	shapes, err := Shapes(ctx, w)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, s := range shapes {
		for _, size := range sizes {
			ocpus := size[0] / float64(s.VCPUsPerOCPU)
			name := s.Name + "." + strconv.FormatFloat(ocpus, 'f', -1, 64) + "o." + strconv.FormatFloat(size[1], 'f', -1, 64) + "g"
			if _, ok := w.Types.Size(name); ok {
				names = append(names, name)
			}
		}
	}
	return append(slices.Clone(pool.Requirements), karpv1.NodeSelectorRequirementWithMinValues{
		Key: corev1.LabelInstanceTypeStable, Operator: corev1.NodeSelectorOpIn, Values: names,
	}), nil
}

// Against is a configuration by hand and what the same pods cost with each.
type Against struct {
	// Unplaced is how many pods no size by hand holds; they are left out of both prices.
	Unplaced int
	// Theirs and Ours are dollars an hour; both 0 when not one pod fits.
	Theirs, Ours float64
}

// Ratio is ours by theirs; 0 when they can run nothing.
func (a Against) Ratio() float64 {
	if a.Theirs == 0 {
		return 0
	}
	return a.Ours / a.Theirs
}

// Outcome is everything about one trace in one pool.
type Outcome struct {
	Pool   string
	Trace  string
	Pods   int
	Bounds Bounds
	// Fit and Grid are this project's nodes with either sizing.
	Fit, Grid Played
	// Manual and Powers compare the default sizing with sizes by hand.
	Manual, Powers Against
}

// Above is how much of a price lies above a bound, in percent.
func Above(price, bound float64) float64 { return 100 * (price/bound - 1) }

// Run plays one trace in every configuration.
func Run(ctx context.Context, pool Pool, t Trace) (Outcome, error) {
	out := Outcome{Pool: pool.Name, Trace: t.Name, Pods: t.Pods()}
	ours := world.Options{Requirements: pool.Requirements, Sizing: v1alpha1.FlexSizingFit}
	var w *world.World
	var err error
	if out.Fit, w, err = Play(ctx, ours, t); err != nil {
		return out, err
	}
	if out.Bounds, err = boundsOf(ctx, w, t); err != nil {
		return out, err
	}
	grid := ours
	grid.Sizing = v1alpha1.FlexSizingGrid
	if out.Grid, _, err = Play(ctx, grid, t); err != nil {
		return out, err
	}
	if left := len(out.Fit.Unplaced) + len(out.Grid.Unplaced); left > 0 {
		return out, fmt.Errorf("trace %s in pool %s: %d pods got no node", t.Name, pool.Name, left)
	}
	if out.Manual, err = against(ctx, pool, t, Manual, out.Fit); err != nil {
		return out, err
	}
	out.Powers, err = against(ctx, pool, t, Powers, out.Fit)
	return out, err
}

// against plays a trace with sizes by hand. Pods that those cannot hold are left out, on both sides.
func against(ctx context.Context, pool Pool, t Trace, sizes [][2]float64, ours Played) (Against, error) {
	requirements, err := named(ctx, pool, sizes)
	if err != nil {
		return Against{}, err
	}
	theirs, _, err := Play(ctx, world.Options{Requirements: requirements, Sizing: v1alpha1.FlexSizingGrid}, t)
	if err != nil {
		return Against{}, err
	}
	out := Against{Unplaced: len(theirs.Unplaced), Theirs: theirs.PricePerHour, Ours: ours.PricePerHour}
	if out.Unplaced == 0 {
		return out, nil
	}
	rest := t.without(theirs.Unplaced)
	if len(rest.Waves) == 0 {
		out.Ours = 0
		return out, nil
	}
	same, _, err := Play(ctx, world.Options{Requirements: pool.Requirements, Sizing: v1alpha1.FlexSizingFit}, rest)
	out.Ours = same.PricePerHour
	return out, err
}
