package reservation

import (
	opmetrics "github.com/awslabs/operatorpkg/metrics"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/samber/lo"
)

// The series are those of the reservations that node classes select, and end with them.
var (
	metricLabels = []opmetrics.Label{
		{Name: "reservation", Help: "Display name of the capacity reservation; its OCID where it has none."},
		{Name: "slot", Help: "Shape, size and fault domain in it, as nodes have them in the label karpenter.k8s.oracle/capacity-reservation-slot."},
	}
	metricReserved = prometheus.NewDesc("karpenter_oke_capacity_reservation_reserved",
		"How many instances of a shape, size and fault domain a capacity reservation holds that an OciNodeClass selects.", lo.Map(metricLabels, labelName), nil)
	metricFree = prometheus.NewDesc("karpenter_oke_capacity_reservation_free",
		"How many instances may still be launched into a shape, size and fault domain of a capacity reservation that an OciNodeClass selects.",
		lo.Map(metricLabels, labelName), nil)
)

func labelName(l opmetrics.Label, _ int) string { return l.Name }

type collector struct{ provider *DefaultProvider }

// Metrics are the counts of all reservations, read when they are asked for.
func (p *DefaultProvider) Metrics() prometheus.Collector { return collector{p} }

// Describe implements prometheus.Collector.
func (collector) Describe(out chan<- *prometheus.Desc) {
	out <- metricReserved
	out <- metricFree
}

// Collect implements prometheus.Collector.
func (c collector) Collect(out chan<- prometheus.Metric) {
	for _, m := range c.provider.measure() {
		out <- m
	}
}

func (p *DefaultProvider) measure() (all []prometheus.Metric) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, r := range p.reservations {
		name := r.name
		if name == "" {
			name = id
		}
		for slot, count := range r.counts {
			free := count.free()
			if r.ended {
				free = 0
			}
			all = append(all, prometheus.MustNewConstMetric(metricReserved, prometheus.GaugeValue, float64(count.reserved), name, slot),
				prometheus.MustNewConstMetric(metricFree, prometheus.GaugeValue, float64(free), name, slot))
		}
	}
	return all
}
