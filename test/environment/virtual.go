package environment

import (
	"context"
	"fmt"
	"strings"

	"k8s.io/utils/clock"

	"github.com/karpenter-oke/karpenter-oke/test/cluster"
	"github.com/karpenter-oke/karpenter-oke/test/cluster/virtualnodes"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

// maxVirtualNodes is how many fit the addresses that virtual nodes are named after.
const maxVirtualNodes = 200

// virtualLayer is the pool of virtual nodes, which may have no node at all.
type virtualLayer struct {
	pool *virtualnodes.Pool // nil when there are no virtual nodes
}

func newVirtualLayer(plane *cluster.Plane, w ocisim.World, count int, c clock.WithTicker) (*virtualLayer, error) {
	if count == 0 {
		return &virtualLayer{}, nil
	}
	var zones []string
	for _, ad := range w.ADs {
		zones = append(zones, ad[strings.LastIndex(ad, ":")+1:])
	}
	pool, err := virtualnodes.New(virtualnodes.Options{
		Plane: plane, Count: count, PoolID: w.VirtualNodePoolIDs[0], Region: regionLabel(w), Zones: zones, Version: w.KubernetesVersion, Clock: c,
	})
	if err != nil {
		return nil, fmt.Errorf("making the virtual nodes: %w", err)
	}
	return &virtualLayer{pool: pool}, nil
}

// regionLabel is how OKE writes the region on nodes: two old regions by their key, the others by their name.
func regionLabel(w ocisim.World) string {
	if w.Region == "us-phoenix-1" || w.Region == "us-ashburn-1" {
		return strings.ToLower(w.RegionKey)
	}
	return w.Region
}

func (v *virtualLayer) run(ctx context.Context) error {
	if v.pool == nil {
		return nil
	}
	return v.pool.Run(ctx)
}

// billed is what the virtual nodes are charged for now.
func (v *virtualLayer) billed() billed {
	if v == nil || v.pool == nil {
		return billed{}
	}
	out := billed{Nodes: len(v.pool.Names())}
	for _, b := range v.pool.Bills() {
		if b.Until.IsZero() {
			out.OCPUs += float64(b.OCPUs)
			out.MemoryGB += float64(b.MemoryGB)
		}
	}
	return out
}
