// Package footprint measures the controller on fleets that grow: its memory, what it asks of OCI while nothing changes, and how soon a
// process that was started again launches.
package footprint

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"time"

	"github.com/karpenter-oke/karpenter-oke/test/bench/results"
	"github.com/karpenter-oke/karpenter-oke/test/bench/stand"
	"github.com/karpenter-oke/karpenter-oke/test/environment"
)

const (
	podsPerNode = 10
	// settle is how long memory is looked at after a fleet has grown; the figure is the most that was seen.
	settle = 90 * time.Second
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

// args of the controller: with a lease, so that there is a moment from which it leads.
var args = []string{"--enable-profiling", "--disable-leader-election=false", "--leader-election-namespace=" + leaseNamespace}

// bench is one run.
type bench struct {
	*stand.Stand
	figures *results.Figures
	window  time.Duration
	dir     string // for heap profiles
}

// RunAll takes the figures; window 0 means DefaultWindow, and dir is where heap profiles are kept.
func RunAll(ctx context.Context, figures *results.Figures, to io.Writer, window time.Duration, dir string) (err error) {
	if window <= 0 {
		window = DefaultWindow
	}
	s, err := stand.Start(ctx, to, environment.Options{Name: "bench-scale", ControllerArgs: args})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	b := &bench{Stand: s, figures: figures, window: window, dir: dir}
	idle, err := b.idle(ctx)
	if err != nil {
		return err
	}
	resident := map[int]float64{0: idle}
	for _, fleet := range fleets {
		if resident[fleet.nodes], err = b.grow(ctx, fleet.nodes); err != nil {
			return err
		}
		if fleet.callGoal > 0 {
			if err := b.steady(ctx, fleet.nodes, fleet.callGoal, fleet.peer); err != nil {
				return err
			}
		}
	}
	b.addMemory(resident)
	return b.restart(ctx, fleets[len(fleets)-1].nodes)
}

func (b *bench) idle(ctx context.Context) (float64, error) {
	if err := b.InstallPool(ctx); err != nil {
		return 0, err
	}
	return b.memory(ctx, "idle")
}

// grow lets a fleet come, with its pods, and gives the memory once it is there.
func (b *bench) grow(ctx context.Context, nodes int) (float64, error) {
	b.Say("growing to %d nodes and %d pods", nodes, nodes*podsPerNode)
	if err := b.Grow(ctx, nodes, podsPerNode); err != nil {
		return 0, err
	}
	if err := b.AwaitNodes(ctx, nodes, false); err != nil {
		return 0, err
	}
	if err := b.AwaitPods(ctx, nodes*podsPerNode); err != nil {
		return 0, err
	}
	return b.memory(ctx, fmt.Sprintf("%d-nodes", nodes))
}

// memory is the most resident memory of a while, in MiB, and keeps a heap profile of its end.
func (b *bench) memory(ctx context.Context, is string) (float64, error) {
	most := 0.0
	for end := time.Now().Add(settle); time.Now().Before(end); {
		bytes, err := b.Metric(ctx, "process_resident_memory_bytes", nil)
		if err != nil {
			return 0, err
		}
		most = max(most, bytes/mib)
		if err := b.Pause(ctx, 3*time.Second); err != nil {
			return 0, err
		}
	}
	b.Say("   %s: %.0f MiB resident", is, most)
	return most, b.HeapProfile(ctx, filepath.Join(b.dir, "heap-"+is+".pprof"))
}

func (b *bench) addMemory(resident map[int]float64) {
	note := results.Note(fmt.Sprintf("by nodes, %d pods each: %v", podsPerNode, rounded(resident)))
	b.figures.Add("controller's memory, idle", resident[0], "MiB", results.AtMost(120), results.Note("resident, the most of 90 s; heap profiles in out/bench"))
	b.figures.Add("controller's memory, 1,000 nodes and 10,000 pods", resident[1000], "MiB", results.AtMost(600), note)
	// Twice as many nodes must not cost more each than half as many did.
	b.figures.Add("controller's memory: a node from 500 to 1,000 by one from idle to 500", growth(resident, 500, 1000)/max(growth(resident, 0, 500), 1e-9), "ratio",
		results.AtMost(1.25), results.Note("1 is linear"))
}

// growth is the memory that each further node took between two sizes.
func growth(resident map[int]float64, from, to int) float64 {
	return (resident[to] - resident[from]) / float64(to-from)
}

func rounded(resident map[int]float64) map[int]int {
	out := map[int]int{}
	for nodes, value := range resident {
		out[nodes] = int(math.Round(value))
	}
	return out
}

// steady counts calls for a window in which nothing changes. What is read so rarely that the window may hold no turn of it, or one too many,
// is added as often as its interval says.
func (b *bench) steady(ctx context.Context, nodes int, goal, peer float64) error {
	from := b.Mark()
	b.Say("   counting calls for %s", b.window)
	if err := b.Pause(ctx, b.window); err != nil {
		return err
	}
	calls, err := b.Calls(from)
	if err != nil {
		return err
	}
	b.figures.Add(fmt.Sprintf("OCI calls an hour, %d nodes, nothing changes", nodes), hourly(calls, b.window), "calls", results.AtMost(goal),
		results.Peer(peer, "Oracle's provider v1.0.0"), results.Note(fmt.Sprintf("lists of 100 to a page; in %s: %s", b.window, calls)))
	return nil
}
