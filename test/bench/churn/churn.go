// Package churn lets pods come and go for some simulated days, with core's scheduler and core's consolidation, once with fitted sizes and
// once with the grid's, and says what that cost and how many pods and nodes consolidation disrupted.
package churn

import (
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"text/tabwriter"
	"time"

	corev1 "k8s.io/api/core/v1"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/test/bench/results"
	"github.com/karpenter-oke/karpenter-oke/test/bench/world"
)

// Days are what comes and goes.
type Days struct {
	// Hours is how long, Step how often pods come and go and consolidation looks.
	Hours int
	Step  time.Duration
	// Services is the mean number of long-lived pods. It follows the hour of the day by Swing (0.5: from half to one and a half).
	Services int
	Swing    float64
	// Jobs are how many short pods an hour begin, in bursts at full hours; each lives for JobLife on average.
	Jobs    int
	JobLife time.Duration
	// ConsolidateAfter of the NodePool.
	ConsolidateAfter time.Duration
	Seed             uint64
}

// seeds are how many times the days are played with each sizing. One run is worth little: which nodes consolidation happens upon decides
// what it finds next, and pods moved differ by half between seeds.
const seeds = 12

// Default are three days of a small cluster whose load doubles by day, with hourly jobs.
var Default = Days{
	Hours: 72, Step: 30 * time.Minute, Services: 80, Swing: 0.4, Jobs: 10, JobLife: 40 * time.Minute, ConsolidateAfter: 5 * time.Minute,
}

// Outcome is what the days came to.
type Outcome struct {
	// Dollars is the bill of all nodes, DollarsCells what it would be had every node its instance type's size.
	Dollars, DollarsCells float64
	Bought                int
	Disrupted             world.Disrupted
	// PodHours is the work done: how long pods ran, summed.
	PodHours float64
	// Unplaced is how often a pod was left without a node at the end of a step; 0 unless something is wrong.
	Unplaced int
}

var serviceKinds = []world.Requests{
	{CPUMillis: 250, MemoryMiB: 512}, {CPUMillis: 500, MemoryMiB: 1024}, {CPUMillis: 500, MemoryMiB: 2048}, {CPUMillis: 1000, MemoryMiB: 2048},
	{CPUMillis: 1000, MemoryMiB: 4096}, {CPUMillis: 2000, MemoryMiB: 8192},
}

var jobKinds = []world.Requests{{CPUMillis: 1000, MemoryMiB: 3584}, {CPUMillis: 3500, MemoryMiB: 14336}, {CPUMillis: 2000, MemoryMiB: 4096}}

// job is a short pod and when it ends.
type job struct {
	pod  *corev1.Pod
	ends time.Time
}

// player is one run.
type player struct {
	days     Days
	rng      *rand.Rand
	world    *world.World
	services []*corev1.Pod
	jobs     []job
	named    int
	out      Outcome
}

// Run plays the days with one sizing. Equal days bring equal pods whatever the sizing.
func Run(ctx context.Context, days Days, sizing v1alpha1.FlexSizing) (Outcome, error) {
	w, err := world.New(world.Options{
		Sizing: sizing, ConsolidateAfter: days.ConsolidateAfter,
		Requirements: []karpv1.NodeSelectorRequirementWithMinValues{
			{Key: corev1.LabelArchStable, Operator: corev1.NodeSelectorOpIn, Values: []string{karpv1.ArchitectureAmd64}},
		},
	})
	if err != nil {
		return Outcome{}, err
	}
	p := &player{days: days, rng: rand.New(rand.NewPCG(days.Seed, 1)), world: w}
	began := w.Clock.Now()
	steps := int(time.Duration(days.Hours) * time.Hour / days.Step)
	for step := range steps {
		// Scheduling and consolidating take simulated time; a step that took longer than it has begins late.
		if due := began.Add(time.Duration(step) * days.Step); due.After(w.Clock.Now()) {
			w.Clock.SetTime(due)
		}
		if err := p.step(ctx, step); err != nil {
			return p.out, fmt.Errorf("step %d of %d: %w", step, steps, err)
		}
	}
	p.out.Bought = w.Bought()
	return p.out, nil
}

func (p *player) step(ctx context.Context, step int) error {
	if err := p.depart(step); err != nil {
		return err
	}
	if err := p.arrive(ctx, step); err != nil {
		return err
	}
	if _, err := p.world.Provision(ctx); err != nil {
		return err
	}
	done, err := p.world.Consolidate(ctx, 10)
	if err != nil {
		return err
	}
	p.out.Disrupted.Add(done)
	hours := p.days.Step.Hours()
	for _, n := range p.world.Nodes() {
		p.out.Dollars += n.PricePerHour * hours
		p.out.DollarsCells += n.CellPrice * hours
	}
	running, pending := p.world.Pods()
	p.out.PodHours += float64(running) * hours
	p.out.Unplaced += pending
	return nil
}

// wanted is how many services run at a step: fewest at night, most at noon.
func (p *player) wanted(step int) int {
	hour := (time.Duration(step) * p.days.Step).Hours()
	return int(float64(p.days.Services) * (1 - p.days.Swing*math.Cos(2*math.Pi*hour/24)))
}

// depart ends jobs that are over, services that are too many, and one service in a hundred, which is rolled out anew.
func (p *player) depart(step int) error {
	now := p.world.Clock.Now()
	running := p.jobs[:0]
	for _, j := range p.jobs {
		if j.ends.After(now) {
			running = append(running, j)
			continue
		}
		p.world.Remove(j.pod)
	}
	p.jobs = running
	for excess := len(p.services) - p.wanted(step) + len(p.services)/100; excess > 0 && len(p.services) > 0; excess-- {
		i := p.rng.IntN(len(p.services))
		p.world.Remove(p.services[i])
		p.services[i] = p.services[len(p.services)-1]
		p.services = p.services[:len(p.services)-1]
	}
	return nil
}

func (p *player) arrive(ctx context.Context, step int) error {
	var pods []*corev1.Pod
	for len(p.services) < p.wanted(step) {
		pod := p.pod(serviceKinds)
		p.services = append(p.services, pod)
		pods = append(pods, pod)
	}
	if (time.Duration(step)*p.days.Step)%time.Hour == 0 {
		for range p.days.Jobs {
			pod := p.pod(jobKinds)
			life := time.Duration(float64(p.days.JobLife) * p.rng.ExpFloat64())
			p.jobs = append(p.jobs, job{pod, p.world.Clock.Now().Add(life)})
			pods = append(pods, pod)
		}
	}
	return p.world.Add(ctx, pods...)
}

func (p *player) pod(kinds []world.Requests) *corev1.Pod {
	p.named++
	return world.NewPod(fmt.Sprintf("pod-%06d", p.named), p.world.Clock.Now(), kinds[p.rng.IntN(len(kinds))])
}

// add sums outcomes.
func (o *Outcome) add(other Outcome) {
	o.Dollars += other.Dollars
	o.DollarsCells += other.DollarsCells
	o.Bought += other.Bought
	o.Disrupted.Add(other.Disrupted)
	o.PodHours += other.PodHours
}

// RunAll plays the default days with both sizings and all seeds. What it prints and the figures are means of the seeds.
func RunAll(ctx context.Context, figures *results.Figures, to io.Writer) error {
	fmt.Fprintf(to, "%d simulated hours, about %d services and %d jobs an hour, consolidation after %s, means of %d seeds\n",
		Default.Hours, Default.Services, Default.Jobs, Default.ConsolidateAfter, seeds)
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "sizing\tdollars\tas core believes\tpod hours\tnodes bought\tended empty\tdeleted\treplaced\tpods moved")
	fit, err := runSeeds(ctx, v1alpha1.FlexSizingFit, figures, w)
	if err != nil {
		return err
	}
	grid, err := runSeeds(ctx, v1alpha1.FlexSizingGrid, figures, w)
	if err != nil {
		return err
	}
	figures.Add("churn: bill of Fit by Grid", fit.Dollars/grid.Dollars, "ratio", results.AtMost(1))
	figures.Add("churn: pods moved, Fit by Grid", float64(fit.Disrupted.Pods)/float64(max(grid.Disrupted.Pods, 1)), "ratio", results.AtMost(1))
	return w.Flush()
}

// runSeeds plays the days with one sizing and gives the sum of the seeds.
func runSeeds(ctx context.Context, sizing v1alpha1.FlexSizing, figures *results.Figures, to io.Writer) (Outcome, error) {
	sum := Outcome{}
	for seed := range uint64(seeds) {
		days := Default
		days.Seed = seed + 1
		o, err := Run(ctx, days, sizing)
		if err != nil {
			return sum, fmt.Errorf("sizing %s, seed %d: %w", sizing, days.Seed, err)
		}
		if o.Unplaced > 0 {
			return sum, fmt.Errorf("sizing %s, seed %d: %d times a pod was left without a node", sizing, days.Seed, o.Unplaced)
		}
		sum.add(o)
	}
	d, mean := sum.Disrupted, func(total int) float64 { return float64(total) / seeds }
	fmt.Fprintf(to, "%s\t%.2f\t%.2f\t%.0f\t%.0f\t%.0f\t%.0f\t%.0f\t%.0f\n", sizing, sum.Dollars/seeds, sum.DollarsCells/seeds, sum.PodHours/seeds,
		mean(sum.Bought), mean(d.Empty), mean(d.Deleted), mean(d.Replaced), mean(d.Pods))
	note := results.Note(fmt.Sprintf("%d simulated hours, mean of %d seeds", Default.Hours, seeds))
	figures.Add(fmt.Sprintf("churn, %s: bill", sizing), sum.Dollars/seeds, "$", note)
	figures.Add(fmt.Sprintf("churn, %s: pods moved by consolidation", sizing), mean(d.Pods), "pods", note)
	figures.Add(fmt.Sprintf("churn, %s: nodes ended by consolidation", sizing), mean(d.Nodes()), "nodes", note)
	figures.Add(fmt.Sprintf("churn, %s: nodes bought", sizing), mean(sum.Bought), "nodes", note)
	return sum, nil
}
