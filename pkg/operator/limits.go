package operator

import (
	"context"
	"fmt"

	"github.com/awslabs/operatorpkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/controllers/refresh"
	"github.com/karpenter-oke/karpenter-oke/pkg/operator/preflight"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/capacity"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/quota"
)

// readTenancy prepares what OCI answers for the whole tenancy: service limits and capacity reports. The controller works without.
func (o *Operator) readTenancy(ctx context.Context, compartmentID string) {
	tenancy, err := o.OCI.Tenancy()
	if err != nil {
		o.rights = preflight.Rights(o.OCI, nil, compartmentID)
		log.FromContext(ctx).Error(err, "service limits and capacity reports are not read")
		return
	}
	o.rights = preflight.Rights(o.OCI, tenancy, compartmentID)
	o.Reports = capacity.NewReports(tenancy, o.Shapes, o.Clock)
	o.Limits = quota.New(quota.Dependencies{
		API: tenancy, Shapes: o.Shapes, Inventory: o.Inventory, Unavailable: o.Unavailable, Clock: o.Clock, CompartmentID: compartmentID,
	})
}

// classes are all OciNodeClasses, read from the API server: at the start there is no cache yet.
func (o *Operator) classes(ctx context.Context) ([]v1alpha1.OciNodeClass, error) {
	list := &v1alpha1.OciNodeClassList{}
	if err := o.GetAPIReader().List(ctx, list); err != nil {
		return nil, fmt.Errorf("listing OciNodeClasses: %w", err)
	}
	return list.Items, nil
}

func (o *Operator) limitControllers() []controller.Controller {
	if o.Limits == nil {
		return nil
	}
	return []controller.Controller{o.refresher(refresh.Task{
		Name: "refresh.limits", Every: refresh.Fixed(quota.Interval), Spread: true, LeaderOnly: true,
		Do: func(ctx context.Context) error {
			o.Limits.Refresh(ctx)
			return nil
		},
	})}
}
