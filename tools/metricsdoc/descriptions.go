package main

import (
	"go/ast"
	"strings"

	"golang.org/x/tools/go/packages"
)

// describer makes the description of what a collector of its own kind serves.
const describer = "NewDesc"

// samplers are the functions that collectors make samples of descriptions with, by the kind of the sample; without a kind, their second
// argument tells it.
var samplers = map[string]string{
	"MustNewConstMetric": "", "NewConstMetric": "", "MustNewConstHistogram": "histogram", "NewConstHistogram": "histogram",
	"MustNewConstSummary": "summary", "NewConstSummary": "summary",
}

// indexSamples remembers of what kind the samples are that a file makes of descriptions.
func (r *reader) indexSamples(p *packages.Package, file *ast.File) {
	ast.Inspect(file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) < 2 {
			return true
		}
		kind, ok := samplers[calleeName(call)]
		if !ok || !ofMetrics(p, call) {
			return true
		}
		if kind == "" { // prometheus.GaugeValue
			kind = strings.ToLower(strings.TrimSuffix(lastName(call.Args[1]), "Value"))
		}
		r.kinds[objectOf(p, call.Args[0])] = kind
		return true
	})
}

// described is the metric that a description stands for, when it is a variable of the package with a constant name, of which there are samples.
func (r *reader) described(p *packages.Package, call *ast.CallExpr) (metric, bool) {
	variable, ok := r.variables[call]
	if !ok {
		return metric{}, false
	}
	m := metric{Type: r.kinds[variable]}
	m.Name, _ = text(p, call.Args[0])
	m.Help, _ = text(p, call.Args[1])
	m.Labels, m.OpenLabels = r.list(p, call.Args[2])
	return m, m.Name != "" && m.Type != ""
}

// ofMetrics says whether a called function is one of the packages that metrics are made with.
func ofMetrics(p *packages.Package, call *ast.CallExpr) bool {
	object := objectOf(p, call.Fun)
	if object == nil || object.Pkg() == nil {
		return false
	}
	path := object.Pkg().Path()
	return strings.HasPrefix(path, "github.com/prometheus/client_golang/prometheus") || path == "github.com/awslabs/operatorpkg/metrics"
}
