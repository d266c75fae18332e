package environment

import (
	"context"
	"maps"
	"net/http"
	"strings"
	"sync"

	"github.com/karpenter-oke/karpenter-oke/test/environment/record"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

// UserAgent marks the environment's own requests to the simulator, so that only the controller's are counted.
const UserAgent = "karpenter-oke-environment"

// cloud shows the simulated region to the recorder.
type cloud struct {
	sim    *ocisim.Simulator
	prices *prices

	mu     sync.Mutex
	fixed  map[string]bool // OCIDs of the instances that came with the cluster
	seen   uint64          // journal entries folded in so far
	counts map[string]int
	failed int
	calls  []record.Call
}

var _ record.Source = (*cloud)(nil)

func newCloud(sim *ocisim.Simulator, p *prices) *cloud {
	return &cloud{sim: sim, prices: p, fixed: map[string]bool{}, counts: map[string]int{}}
}

// markFixed says that an instance came with the cluster.
func (c *cloud) markFixed(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fixed[id] = true
}

// isFixed tells whether an instance came with the cluster.
func (c *cloud) isFixed(id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fixed[id]
}

// Instances implements record.Source.
func (c *cloud) Instances() []record.Instance {
	all := c.sim.Instances()
	out := make([]record.Instance, 0, len(all))
	for i := range all {
		o := &all[i]
		out = append(out, record.Instance{
			ID: o.ID, DisplayName: o.DisplayName, Shape: o.Shape, OCPUs: o.OCPUs, MemoryGB: o.MemoryGB, BootVolumeGB: o.BootVolumeSizeGB, AD: o.AD,
			State: o.State, Preemptible: o.Preemptible, Fixed: c.isFixed(o.ID), Tags: o.FreeformTags,
		})
	}
	return out
}

// OCICalls implements record.Source.
func (c *cloud) OCICalls() (map[string]int, int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.readJournal()
	return maps.Clone(c.counts), c.failed
}

// Calls implements record.Source.
func (c *cloud) Calls() []record.Call {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.readJournal()
	return append([]record.Call(nil), c.calls...)
}

func (c *cloud) readJournal() {
	for _, e := range c.sim.Journal().Entries(c.seen) {
		c.seen = e.Seq
		if strings.Contains(e.UserAgent, UserAgent) {
			continue
		}
		c.counts[e.Operation]++
		bad := e.Status == 0 || e.Status >= http.StatusBadRequest
		if bad {
			c.failed++
		}
		if bad || e.Method != http.MethodGet {
			c.calls = append(c.calls, record.Call{At: e.Time, Operation: e.Operation, Method: e.Method, Path: e.Path, Status: e.Status, Code: e.Code})
		}
	}
}

// Cost implements record.Source.
func (c *cloud) Cost() map[record.Layer]float64 {
	out := map[record.Layer]float64{record.LayerVirtual: c.prices.virtual()}
	layers := map[string]record.Layer{}
	all := c.sim.Instances()
	for i := range all {
		layer := record.LayerKarpenter
		if c.isFixed(all[i].ID) {
			layer = record.LayerFixed
			if all[i].FreeformTags[poolTag] == systemPool {
				layer = record.LayerSystem
			}
		}
		layers[all[i].ID] = layer
		out[layer] += c.prices.compute(&all[i])
	}
	for _, volume := range c.sim.Volumes() {
		layer, known := layers[volume.InstanceID]
		if !known { // only the controller's instances leave volumes behind
			layer = record.LayerKarpenter
		}
		out[layer] += c.prices.volume(volume)
	}
	return out
}

// Changes implements record.Source.
func (c *cloud) Changes(ctx context.Context) <-chan struct{} {
	out := make(chan struct{})
	events := c.sim.Watch(ctx)
	go func() {
		defer close(out)
		for range events {
			select {
			case out <- struct{}{}:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}
