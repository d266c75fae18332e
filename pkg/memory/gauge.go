package memory

import (
	"fmt"
	"slices"
	"sync"

	opmetrics "github.com/awslabs/operatorpkg/metrics"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// Gauge is a gauge of many objects, each of which has a few series of its own. It gives the same series as one of the client library, which keeps
// a copy of every label of every series: here equal labels are kept once. The series of one object are found by the object's name, so that taking
// them away does not go over all.
type Gauge struct {
	desc   *prometheus.Desc
	labels []opmetrics.Label
	stage  opmetrics.Stage
	names  []string // of the labels, sorted
	id     int      // the place of the label that names the object

	mu     sync.RWMutex
	series map[string][]gaugeSeries // by object
	pairs  []map[string]*pair       // by label, then by value
}

var (
	_ opmetrics.GaugeMetric = (*Gauge)(nil)
	_ prometheus.Collector  = (*Gauge)(nil)
)

// gaugeSeries is one series. Its labels are sorted by name; they are shared and never change.
type gaugeSeries struct {
	labels []*dto.LabelPair
	value  float64
}

// pair is a label with its value, and how many series have it.
type pair struct {
	dto.LabelPair
	series int
}

// Replace puts a Gauge in the place of one of the client library, which must have no series yet, in the registry and in its variable. id is the
// label that names objects.
func Replace(registry prometheus.Registerer, gauge *opmetrics.GaugeMetric, id string) error {
	old := *gauge
	desc, err := Unregister(registry, old)
	if err != nil {
		return err
	}
	g := &Gauge{desc: desc, labels: old.Labels(), stage: old.Stage(), series: map[string][]gaugeSeries{}}
	for _, l := range g.labels {
		g.names = append(g.names, l.Name)
	}
	slices.Sort(g.names)
	if g.id = slices.Index(g.names, id); g.id < 0 {
		return fmt.Errorf("the metric %s has no label %q", desc, id)
	}
	for range g.names {
		g.pairs = append(g.pairs, map[string]*pair{})
	}
	if err := registry.Register(g); err != nil {
		return fmt.Errorf("registering %s again: %w", desc, err)
	}
	*gauge = g
	return nil
}

// Unregister takes a metric out of its registry and returns how it describes itself.
func Unregister(registry prometheus.Registerer, gauge opmetrics.GaugeMetric) (*prometheus.Desc, error) {
	vector, is := gauge.(prometheus.Collector)
	if !is {
		return nil, fmt.Errorf("a metric is a %T, which is no Prometheus collector", gauge)
	}
	registry.Unregister(vector)
	descriptions := make(chan *prometheus.Desc, 1)
	vector.Describe(descriptions)
	return <-descriptions, nil
}

// Labels implements opmetrics.GaugeMetric.
func (g *Gauge) Labels() []opmetrics.Label { return g.labels }

// Stage implements opmetrics.GaugeMetric.
func (g *Gauge) Stage() opmetrics.Stage { return g.stage }

// Set implements opmetrics.GaugeMetric. A label that is not given is empty.
func (g *Gauge) Set(value float64, labels map[string]string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	object := labels[g.names[g.id]]
	all := g.series[object]
	for i := range all {
		if g.same(all[i].labels, labels) {
			all[i].value = value
			return
		}
	}
	s := gaugeSeries{labels: make([]*dto.LabelPair, len(g.names)), value: value}
	for i := range g.names {
		s.labels[i] = g.take(i, labels[g.names[i]])
	}
	g.series[object] = append(all, s)
}

// same tells whether a series has exactly these labels.
func (g *Gauge) same(series []*dto.LabelPair, labels map[string]string) bool {
	for i, name := range g.names {
		if *series[i].Value != labels[name] {
			return false
		}
	}
	return true
}

// take returns the label with that value that every series shares.
func (g *Gauge) take(label int, value string) *dto.LabelPair {
	p := g.pairs[label][value]
	if p == nil {
		p = &pair{LabelPair: dto.LabelPair{Name: &g.names[label], Value: &value}}
		g.pairs[label][value] = p
	}
	p.series++
	return &p.LabelPair
}

// Delete implements opmetrics.GaugeMetric.
func (g *Gauge) Delete(labels map[string]string) {
	if len(labels) == len(g.names) {
		g.DeletePartialMatch(labels)
	}
}

// DeletePartialMatch implements opmetrics.GaugeMetric.
func (g *Gauge) DeletePartialMatch(labels map[string]string) {
	for name := range labels {
		if _, is := slices.BinarySearch(g.names, name); !is {
			return // no series has such a label
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if object, is := labels[g.names[g.id]]; is {
		g.deleteOf(object, labels)
		return
	}
	for object := range g.series {
		g.deleteOf(object, labels)
	}
}

func (g *Gauge) deleteOf(object string, labels map[string]string) {
	left := slices.DeleteFunc(g.series[object], func(s gaugeSeries) bool {
		for i, name := range g.names {
			if want, asked := labels[name]; asked && want != *s.labels[i].Value {
				return false
			}
		}
		for i, l := range s.labels {
			g.give(i, *l.Value)
		}
		return true
	})
	if len(left) == 0 {
		delete(g.series, object)
	} else {
		g.series[object] = left
	}
}

// give says that a series is gone that had the label with that value.
func (g *Gauge) give(label int, value string) {
	if p := g.pairs[label][value]; p.series > 1 {
		p.series--
	} else {
		delete(g.pairs[label], value)
	}
}

// Reset implements opmetrics.GaugeMetric.
func (g *Gauge) Reset() {
	g.mu.Lock()
	defer g.mu.Unlock()
	clear(g.series)
	for _, of := range g.pairs {
		clear(of)
	}
}

// Describe implements prometheus.Collector.
func (g *Gauge) Describe(to chan<- *prometheus.Desc) { to <- g.desc }

// Collect implements prometheus.Collector.
func (g *Gauge) Collect(to chan<- prometheus.Metric) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	for _, all := range g.series {
		for _, s := range all {
			to <- scraped{g.desc, s}
		}
	}
}

// scraped is a series as a scrape reads it.
type scraped struct {
	desc *prometheus.Desc
	gaugeSeries
}

// Desc implements prometheus.Metric.
func (s scraped) Desc() *prometheus.Desc { return s.desc }

// Write implements prometheus.Metric.
func (s scraped) Write(to *dto.Metric) error {
	to.Label, to.Gauge = s.labels, &dto.Gauge{Value: &s.value}
	return nil
}
