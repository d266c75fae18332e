package main

// board is one dashboard.
type board struct {
	file, title, about string
	rows               []row
}

// row is a heading with its panels, which share the width evenly unless they say otherwise.
type row struct {
	title  string
	panels []panel
}

// panel is a plot or a figure. Its kind is lines when it says nothing.
type panel struct {
	title, about string
	kind         kind
	unit         string // Grafana's name; "short" when empty
	width        int    // of 24; 8 when 0
	targets      []target
}

// target is a query and how its series are called; empty for what Prometheus calls them.
type target struct{ expr, legend string }

type kind string

const (
	lines   kind = ""
	stacked kind = "stacked"
	stat    kind = "stat"
)

// money is an amount in the currency of the price list, which is a setting.
const money = "none"

const (
	columns    = 24
	plotHeight = 8
	statHeight = 4
	usualWidth = 8
)

type object = map[string]any

var dataSource = object{"type": "prometheus", "uid": "${datasource}"}

// model is the dashboard as Grafana reads it.
func (b board) model() object {
	var panels []object
	y, id := 0, 0
	next := func() int { id++; return id }
	for _, r := range b.rows {
		panels = append(panels, object{"id": next(), "type": "row", "title": r.title, "collapsed": false, "panels": []any{}, "gridPos": position(0, y, columns, 1)})
		y++
		x, height := 0, 0
		for _, p := range r.panels {
			width := p.width
			if width == 0 {
				width = usualWidth
			}
			if x+width > columns {
				x, y, height = 0, y+height, 0
			}
			tall := plotHeight
			if p.kind == stat {
				tall = statHeight
			}
			panels = append(panels, p.model(next(), position(x, y, width, tall)))
			x, height = x+width, max(height, tall)
		}
		y += height
	}
	return object{
		"uid": "karpenter-oke-" + b.file, "title": b.title, "description": b.about, "tags": []string{"karpenter", "oke"},
		"schemaVersion": 39, "editable": true, "graphTooltip": 1, "refresh": "30s", "timezone": "browser",
		"time":       object{"from": "now-6h", "to": "now"},
		"templating": object{"list": []object{{"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "current": object{}}}},
		"links": []object{{
			"type": "dashboards", "title": "karpenter-oke", "tags": []string{"karpenter", "oke"}, "asDropdown": false, "keepTime": true, "includeVars": true,
		}},
		"panels": panels,
	}
}

func position(x, y, w, h int) object { return object{"x": x, "y": y, "w": w, "h": h} }

func (p panel) model(id int, at object) object {
	unit := p.unit
	if unit == "" {
		unit = "short"
	}
	targets := make([]object, len(p.targets))
	for k, t := range p.targets {
		targets[k] = object{"refId": string(rune('A' + k)), "datasource": dataSource, "expr": t.expr, "legendFormat": t.legend, "range": p.kind != stat, "instant": p.kind == stat}
	}
	out := object{
		"id": id, "title": p.title, "description": p.about, "datasource": dataSource, "gridPos": at, "targets": targets,
		"fieldConfig": object{"defaults": p.defaults(unit), "overrides": []any{}},
	}
	if p.kind == stat {
		out["type"] = "stat"
		out["options"] = object{"reduceOptions": object{"calcs": []string{"lastNotNull"}}, "colorMode": "none", "graphMode": "none"}
		return out
	}
	out["type"] = "timeseries"
	out["options"] = object{
		"legend":  object{"displayMode": "list", "placement": "bottom", "showLegend": true},
		"tooltip": object{"mode": "multi", "sort": "desc"},
	}
	return out
}

func (p panel) defaults(unit string) object {
	out := object{"unit": unit, "min": 0}
	if unit == money {
		out["decimals"] = 3
	}
	switch p.kind {
	case stacked:
		out["custom"] = object{"fillOpacity": 40, "lineWidth": 1, "stacking": object{"mode": "normal"}}
	case lines:
		out["custom"] = object{"fillOpacity": 0, "lineWidth": 1}
	}
	return out
}
