package operator

import (
	"context"
	"fmt"

	"github.com/karpenter-oke/karpenter-oke/pkg/inspect"
	"github.com/karpenter-oke/karpenter-oke/pkg/operator/options"
)

// ServeInspection answers people's questions beside the metrics (package inspect). types is the cloud provider that core is given.
func (o *Operator) ServeInspection(ctx context.Context, types inspect.InstanceTypes) error {
	if err := o.AddMetricsServerExtraHandler(inspect.Root, o.inspector(ctx, types).Handler(ctx)); err != nil {
		return fmt.Errorf("serving %s: %w", inspect.Root, err)
	}
	return nil
}

func (o *Operator) inspector(ctx context.Context, types inspect.InstanceTypes) *inspect.Inspector {
	return inspect.New(inspect.Dependencies{
		Kube: o.GetClient(), InstanceTypes: types, Sizes: o.InstanceTypes, Shapes: o.Shapes, Prices: o.Prices, Marks: o.Unavailable,
		Filter: o.Filter, VirtualNode: options.FromContext(ctx).VirtualNode, Elected: o.Elected(), Clock: o.Clock,
	})
}
