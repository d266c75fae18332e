package metrics

import (
	"context"
	"strings"

	opmetrics "github.com/awslabs/operatorpkg/metrics"
	corev1 "k8s.io/api/core/v1"
	coremetrics "sigs.k8s.io/karpenter/pkg/metrics"

	"github.com/karpenter-oke/karpenter-oke/pkg/inspect"
)

type series = []*coremetrics.StoreMetric

func (c *Controller) layers(ctx context.Context) (map[string]series, error) {
	picture, err := c.Layers.Layers(ctx)
	if err != nil {
		return nil, err
	}
	out := map[string]series{}
	sum := 0.0
	for k := range picture.Layers {
		layer := &picture.Layers[k]
		sum += layer.Price
		out["layer/"+layer.Name] = ofLayer(layer)
		if layer.Name == inspect.LayerKarpenter {
			for n := range layer.Parts {
				out["nodepool/"+layer.Parts[n].Name] = ofNodePool(&layer.Parts[n])
			}
		}
	}
	out["fleet"] = series{{GaugeMetric: fleetCost, Value: sum, Labels: map[string]string{labelCurrency: picture.Currency}}}
	for layer, pods := range picture.Pending {
		out["pending/"+layer] = series{{GaugeMetric: layerPendingPods, Value: float64(pods), Labels: map[string]string{labelLayer: layer}}}
	}
	return out, nil
}

func ofLayer(l *inspect.Layer) series {
	layer := func(more ...string) map[string]string {
		labels := map[string]string{labelLayer: l.Name}
		for k := 0; k < len(more); k += 2 {
			labels[more[k]] = more[k+1]
		}
		return labels
	}
	out := series{
		{GaugeMetric: layerNodes, Value: float64(l.Nodes - l.NotReady), Labels: layer(labelState, stateReady)},
		{GaugeMetric: layerNodes, Value: float64(l.NotReady), Labels: layer(labelState, stateNotReady)},
		{GaugeMetric: layerPods, Value: float64(l.Pods), Labels: layer()},
		{GaugeMetric: layerCost, Value: l.Price, Labels: layer()},
		{GaugeMetric: layerUnpriced, Value: float64(l.Unpriced), Labels: layer()},
	}
	for gauge, list := range map[opmetrics.GaugeMetric]corev1.ResourceList{layerRequested: l.Requests, layerAllocatable: l.Allocatable} {
		for name, quantity := range list {
			out = append(out, &coremetrics.StoreMetric{GaugeMetric: gauge, Value: quantity.AsApproximateFloat64(), Labels: layer(labelResource, resourceValue(name))})
		}
	}
	return out
}

func ofNodePool(l *inspect.Layer) series {
	labels := map[string]string{labelNodePool: l.Name}
	return series{{GaugeMetric: poolCost, Value: l.Price, Labels: labels}, {GaugeMetric: poolSavings, Value: l.FitSavings, Labels: labels}}
}

// resourceValue is a resource as a label's value, written as core writes it.
func resourceValue(name corev1.ResourceName) string {
	return strings.NewReplacer("-", "_", ".", "_", "/", "_").Replace(strings.ToLower(string(name)))
}
