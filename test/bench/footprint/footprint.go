// Package footprint measures the controller on fleets that grow: its memory, what it asks of OCI while nothing changes, and how soon a
// process that was started again launches.
package footprint

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/karpenter-oke/karpenter-oke/test/bench/results"
	"github.com/karpenter-oke/karpenter-oke/test/bench/stand"
	"github.com/karpenter-oke/karpenter-oke/test/environment"
)

const (
	podsPerNode = 10
	// rest is how long a fleet that has grown is left alone before memory is looked at, and settle for how long it is; the figure is the most
	// that was seen. What growing took besides is in the note.
	rest   = 3 * time.Minute
	settle = 90 * time.Second
	// scrape is the time between two looks, as long as a Prometheus server's: each look writes a page of every series, which takes memory too.
	scrape = 15 * time.Second
	// mib is what memory is told in.
	mib = 1 << 20
)

// DefaultWindow is how long calls are counted while nothing changes. The longest period of what is read more often than once an hour is
// 11 minutes.
const DefaultWindow = 11 * time.Minute

// fleets are the sizes at which memory is measured; those with a goal also for calls.
var fleets = []struct {
	nodes    int
	callGoal float64 // an hour; 0: not counted
	peer     float64
}{{100, 120, 540}, {250, 0, 0}, {500, 0, 0}, {1000, 400, 5300}}

// args of the controller. It has no lease: on a machine that has other work it would lose it, and a figure of the API server be taken.
var args = []string{"--enable-profiling"}

// Options of a run.
type Options struct {
	Window time.Duration // see DefaultWindow; 0: calls are not counted
	Least  int           // nodes of the smallest fleet; 1,000 when only the largest is of interest
	Most   int           // nodes of the largest fleet; smaller than 1,000 on machines that can not bear more
	Out    string        // file of figures, for Save, and in whose folder heap profiles are kept
}

// bench is one run.
type bench struct {
	*stand.Stand
	Options
	figures *results.Figures
}

// RunAll takes the figures. It takes about an hour, so what is known is saved as it comes.
func RunAll(ctx context.Context, figures *results.Figures, to io.Writer, o Options) (err error) {
	s, err := stand.Start(ctx, to, environment.Options{Name: "bench-scale", ControllerArgs: args})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	b := &bench{Stand: s, Options: o, figures: figures}
	idle, err := b.idle(ctx)
	if err != nil {
		return err
	}
	before := []sample{idle}
	for _, fleet := range fleets {
		if fleet.nodes < o.Least || fleet.nodes > o.Most {
			continue
		}
		grown, err := b.grow(ctx, fleet.nodes)
		if err != nil {
			return err
		}
		before = append(before, grown)
		if fleet.callGoal > 0 && o.Window > 0 {
			if err := b.steady(ctx, fleet.nodes, fleet.callGoal, fleet.peer); err != nil {
				return err
			}
		}
		b.addMemory(before)
		if _, err := figures.Merge(o.Out); err != nil {
			return err
		}
	}
	return b.restart(ctx, before[len(before)-1].nodes)
}

func (b *bench) idle(ctx context.Context) (sample, error) {
	if err := b.InstallPool(ctx); err != nil {
		return sample{}, err
	}
	mib, err := b.memory(ctx, "idle")
	return sample{mib: mib, grown: mib}, err
}

// grow lets a fleet come, with its pods, and gives the memory once it is there.
func (b *bench) grow(ctx context.Context, nodes int) (s sample, err error) {
	b.Say("growing to %d nodes and %d pods", nodes, nodes*podsPerNode)
	if err := b.Grow(ctx, nodes, podsPerNode); err != nil {
		return s, err
	}
	if err := b.AwaitNodes(ctx, nodes, false); err != nil {
		return s, err
	}
	if err := b.AwaitPods(ctx, nodes*podsPerNode); err != nil {
		return s, err
	}
	s.nodes = nodes
	if s.grown, err = b.resident(ctx); err != nil {
		return s, err
	}
	b.Say("   %.0f MiB resident at the end of growing", s.grown)
	if err := b.Pause(ctx, rest); err != nil {
		return s, err
	}
	s.mib, err = b.memory(ctx, fmt.Sprintf("%d-nodes", nodes))
	return s, err
}

// resident is the memory of the controller's process, in MiB.
func (b *bench) resident(ctx context.Context) (float64, error) {
	bytes, err := b.Metric(ctx, "process_resident_memory_bytes", nil)
	return bytes / mib, err
}

// memory is the most resident memory of a while, in MiB, and keeps a heap profile of its end.
func (b *bench) memory(ctx context.Context, is string) (float64, error) {
	most := 0.0
	for end := time.Now().Add(settle); time.Now().Before(end); {
		now, err := b.resident(ctx)
		if err != nil {
			return 0, err
		}
		most = max(most, now)
		if err := b.Pause(ctx, scrape); err != nil {
			return 0, err
		}
	}
	b.Say("   %s: %.0f MiB resident", is, most)
	return most, b.HeapProfile(ctx, filepath.Join(filepath.Dir(b.Out), "heap-"+is+".pprof"))
}

// sample is the memory at a size.
type sample struct {
	nodes int
	mib   float64 // at rest
	grown float64 // at the end of growing
}

// String is for notes.
func (s sample) String() string {
	return fmt.Sprintf("%d nodes %.0f, %.0f at the end of growing", s.nodes, s.mib, s.grown)
}

// addMemory adds the figures of the sizes so far, the idle one first.
func (b *bench) addMemory(sizes []sample) {
	last := sizes[len(sizes)-1]
	b.figures.Add("controller's memory, idle", sizes[0].mib, "MiB", results.AtMost(120), results.Note("resident, the most of 90 s, scraped every 15 s; heap profiles beside this file"))
	options := []results.Option{results.Note(fmt.Sprintf("at rest; %v", last))}
	if last.nodes == fleets[len(fleets)-1].nodes {
		options = append(options, results.AtMost(600))
	}
	b.figures.Add(fmt.Sprintf("controller's memory, %d nodes and %d pods", last.nodes, last.nodes*podsPerNode), last.mib, "MiB", options...)
	if len(sizes) > 2 {
		b.figures.Add("controller's memory: a node of the last step by one of the steps before", steepness(sizes), "ratio",
			results.AtMost(1.25), results.Note(fmt.Sprintf("up to %d nodes; 1 is linear", last.nodes)))
	}
}

// steepness is what each node of the last step took, by what each before it did.
func steepness(sizes []sample) float64 {
	first, half, last := sizes[0], sizes[len(sizes)-2], sizes[len(sizes)-1]
	return each(half, last) / max(each(first, half), 1e-9)
}

func each(from, to sample) float64 { return (to.mib - from.mib) / float64(to.nodes-from.nodes) }

// steady counts calls for a window in which nothing changes. What is read so rarely that the window may hold no turn of it, or one too many,
// is added as often as its interval says.
func (b *bench) steady(ctx context.Context, nodes int, goal, peer float64) error {
	from := b.Mark()
	b.Say("   counting calls for %s", b.Window)
	if err := b.Pause(ctx, b.Window); err != nil {
		return err
	}
	calls, err := b.Calls(from)
	if err != nil {
		return err
	}
	b.figures.Add(fmt.Sprintf("OCI calls an hour, %d nodes, nothing changes", nodes), hourly(calls, b.Window), "calls", results.AtMost(goal),
		results.Peer(peer, "Oracle's provider v1.0.0"), results.Note(fmt.Sprintf("lists of 100 to a page; in %s: %s", b.Window, calls)))
	return nil
}
