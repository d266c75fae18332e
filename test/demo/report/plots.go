package report

import (
	"html/template"
	"time"

	"github.com/karpenter-oke/karpenter-oke/test/environment/record"
)

// figurePlot is a plot with its caption.
type figurePlot struct {
	Title   string
	Caption string
	SVG     template.HTML
	Panel   panel
}

// layerClass is the CSS class that gives a layer its colour, the same in all plots.
var layerClass = map[record.Layer]string{
	record.LayerVirtual: "c1", record.LayerKarpenter: "c2", record.LayerFixed: "c3", record.LayerSystem: "c4",
}

// bottomUp is the order of stacked layers: what changes most lies on top.
var bottomUp = []record.Layer{record.LayerSystem, record.LayerFixed, record.LayerVirtual, record.LayerKarpenter}

func plots(r *record.Recording) []figurePlot {
	make := func(title, caption string, p Plot) figurePlot {
		p.Bands = bands(r)
		p.End = r.Ended.Sub(r.Started).Seconds()
		return figurePlot{title, caption, p.SVG(title), panels[title]}
	}
	return []figurePlot{
		make("Pods running", "by the layer of the node they run on", Plot{Series: byLayer(r, record.Layers, func(s record.Sample, l record.Layer) float64 {
			return float64(s.Pods[l].Running)
		})}),
		make("Pods waiting", "pending or starting, by the layer that is to take them", Plot{Series: byLayer(r, record.Layers[:3], func(s record.Sample, l record.Layer) float64 {
			return float64(s.Pods[l].Pending + s.Pods[l].Starting)
		})}),
		make("Nodes", "ready and schedulable, stacked", Plot{Stacked: true, Series: byLayer(r, bottomUp, func(s record.Sample, l record.Layer) float64 {
			return float64(s.NodesReady[l])
		})}),
		make("NodeClaims and instances", "what Karpenter has asked for, and what OCI runs for it", Plot{Series: []Series{
			{Name: "NodeClaims", Class: "c5 dashed", Points: points(r, func(s record.Sample) float64 { return float64(s.Claims.Total()) })},
			{Name: "instances provisioning or running", Class: "c2", Points: points(r, func(s record.Sample) float64 {
				return float64(s.Instances["PROVISIONING"] + s.Instances["RUNNING"])
			})},
			{Name: "instances terminating", Class: "c4", Points: points(r, func(s record.Sample) float64 { return float64(s.Instances["TERMINATING"]) })},
		}}),
		make("Cost", "US dollars per hour at list price: instances with their boot volumes, virtual pods as billed, stacked", Plot{Stacked: true, Unit: "$", Series: byLayer(r, bottomUp, func(s record.Sample, l record.Layer) float64 {
			return s.Cost[l]
		})}),
		make("OCI calls", "requests of the controller since its start", Plot{Series: []Series{
			{Name: "calls", Class: "c1", Points: points(r, func(s record.Sample) float64 { return float64(s.OCICalls) })},
			{Name: "answered with an error", Class: "c6", Points: points(r, func(s record.Sample) float64 { return float64(s.OCIErrors) })},
		}}),
	}
}

func byLayer(r *record.Recording, layers []record.Layer, value func(record.Sample, record.Layer) float64) []Series {
	var out []Series
	for _, layer := range layers {
		out = append(out, Series{Name: layer.Title(), Class: layerClass[layer], Points: points(r, func(s record.Sample) float64 { return value(s, layer) })})
	}
	return out
}

func points(r *record.Recording, value func(record.Sample) float64) []Point {
	out := make([]Point, 0, len(r.Samples))
	for _, s := range r.Samples {
		out = append(out, Point{s.At.Sub(r.Started).Seconds(), value(s)})
	}
	return out
}

func bands(r *record.Recording) []Band {
	var out []Band
	since := func(t time.Time) float64 { return t.Sub(r.Started).Seconds() }
	for _, p := range r.Phases {
		end := p.End
		if end.IsZero() {
			end = r.Ended
		}
		out = append(out, Band{Name: p.Name, From: since(p.Start), To: since(end), Failed: p.Error != ""})
	}
	return out
}
