package metrics

import (
	"context"
	"fmt"
	"slices"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
)

// images compares the images of instances with those that their classes would launch with now. Instances of a class that is gone, or whose
// image OCI does not tell, are left out.
func (c *Controller) images(ctx context.Context) (map[string]series, error) {
	classes := &v1alpha1.OciNodeClassList{}
	if err := c.Kube.List(ctx, classes); err != nil {
		return nil, fmt.Errorf("listing OciNodeClasses: %w", err)
	}
	type count struct{ current, other int }
	counts := map[string]*count{}
	byName := map[string]*v1alpha1.OciNodeClass{}
	for k := range classes.Items {
		byName[classes.Items[k].Name] = &classes.Items[k]
		counts[classes.Items[k].Name] = &count{}
	}
	for _, i := range c.Instances() {
		class := byName[i.Owner.NodeClass]
		if class == nil || i.Ending() || i.ImageID == "" {
			continue
		}
		if slices.ContainsFunc(class.Status.Images, func(image v1alpha1.Image) bool { return image.ID == i.ImageID }) {
			counts[class.Name].current++
		} else {
			counts[class.Name].other++
		}
	}
	out := map[string]series{}
	for name, class := range byName {
		waiting := 0
		for k := range class.Status.Images {
			if class.Status.Images[k].Successor != nil {
				waiting++
			}
		}
		labels := func(image string) map[string]string {
			return map[string]string{labelNodeClass: name, labelImage: image}
		}
		out[name] = series{
			{GaugeMetric: classInstances, Value: float64(counts[name].current), Labels: labels(imageCurrent)},
			{GaugeMetric: classInstances, Value: float64(counts[name].other), Labels: labels(imageOther)},
			{GaugeMetric: classWaiting, Value: float64(waiting), Labels: map[string]string{labelNodeClass: name}},
		}
	}
	return out, nil
}
