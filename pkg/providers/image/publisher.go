package image

import (
	"context"
	"fmt"
	"sync"

	"github.com/oracle/oci-go-sdk/v65/containerengine"

	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/selection"
)

// publishers are the compartments in which OKE publishes its images, by operating system. They are learned once: they are fixed
// for a region.
type publishers struct {
	mu       sync.Mutex // only memory is touched under it
	byFamily map[string]string
}

func (p *publishers) get(family string) (string, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	id, ok := p.byFamily[family]
	return id, ok
}

func (p *publishers) put(family, id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.byFamily == nil {
		p.byFamily = map[string]string{}
	}
	p.byFamily[family] = id
}

// publisher learns where OKE publishes its images of an operating system: the compartment of any such image that the cluster's
// node pool options list.
func (p *DefaultProvider) publisher(ctx context.Context, family string) (string, error) {
	if p.cfg.OKEImageCompartmentID != "" && family == familyOracleLinux {
		return p.cfg.OKEImageCompartmentID, nil
	}
	if id, ok := p.published.get(family); ok {
		return id, nil
	}
	hint := fmt.Sprintf("finding where OKE publishes %s images (or give compartmentId in the term)", family)
	options, err := p.api.NodePoolOptions(ctx, p.cfg.ClusterID)
	if err != nil {
		return "", fmt.Errorf("%s: %w", hint, err)
	}
	for _, source := range options.Sources {
		viaImage, ok := source.(containerengine.NodeSourceViaImageOption)
		if !ok {
			continue
		}
		if name, _ := readName(oci.Value(viaImage.SourceName)); name.osFamily != family {
			continue
		}
		image, err := p.api.GetImage(ctx, oci.Value(viaImage.ImageId))
		if err != nil {
			return "", fmt.Errorf("%s: %w", hint, err)
		}
		if id := oci.Value(image.CompartmentId); id != "" {
			p.published.put(family, id)
			return id, nil
		}
	}
	return "", selection.Unresolved("the cluster's node pool options list no %s image of OKE's; give the compartment of such images as compartmentId in the imageSelector term", family)
}
