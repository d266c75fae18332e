// Package lint tells, without a cluster, on which layer the pods of manifests would run and what in them virtual nodes refuse. It
// asks the very filter that the controller runs, over a cluster made of what the input holds and of stated assumptions.
package lint

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-oke/karpenter-oke/pkg/manifest"
	"github.com/karpenter-oke/karpenter-oke/pkg/virtualnode"
)

// Options are the settings of whoever asks.
type Options struct {
	// Filter are the settings of the controller that the manifests are meant for. They must have passed Validate.
	Filter virtualnode.Config
	// Namespace is of workloads that name none.
	Namespace string
	// VirtualNodes are assumed when the input holds none: X86, Arm, both, or None.
	VirtualNodes []string
	// VirtualNodeLabels are further labels of the assumed virtual nodes.
	VirtualNodeLabels map[string]string
	// Clock tells the age of virtual nodes that the input holds.
	Clock clock.PassiveClock
}

// DefaultOptions fit a cluster with x86 virtual nodes, as OKE's are unless one asks for Arm.
func DefaultOptions() Options {
	return Options{Filter: virtualnode.DefaultConfig(), Namespace: "default", VirtualNodes: []string{X86}, Clock: clock.RealClock{}}
}

// Result is what is to be said of one workload.
type Result struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// Layer is where its pods belong: managed or virtual.
	Layer virtualnode.Layer `json:"layer"`
	// Rule is what decided, one of the filter's names.
	Rule string `json:"rule"`
	// Message says the rule in words.
	Message string `json:"message"`
	// Blockers names the features that virtual nodes refuse, whatever the layer.
	Blockers []string `json:"blockers"`
	// Warnings say what a virtual node would ignore, and what looks like a mistake but may be meant.
	Warnings []string `json:"warnings"`
	// Problems say what contradicts itself or can not be read: the workload does not do what it says.
	Problems []string `json:"problems"`
	// Source is the file and line.
	Source string `json:"source"`
}

// Report is what is to be said of all the input.
type Report struct {
	// Results are in the order of the input.
	Results []Result
	// Problems are of objects that are no workloads, such as Namespaces.
	Problems []string
	// Assumptions say what the input did not say of the cluster.
	Assumptions []string
	// Ignored counts the objects that make no pods, by kind. Documents that are no Kubernetes objects count under "".
	Ignored map[string]int
}

// Layers counts the workloads of each layer.
func (r *Report) Layers() (virtual, managed int) {
	for i := range r.Results {
		if r.Results[i].Layer == virtualnode.LayerVirtual {
			virtual++
		}
	}
	return virtual, len(r.Results) - virtual
}

// Count counts problems and warnings.
func (r *Report) Count() (problems, warnings int) {
	problems = len(r.Problems)
	for i := range r.Results {
		problems += len(r.Results[i].Problems)
		warnings += len(r.Results[i].Warnings)
	}
	return problems, warnings
}

// Lint looks at documents as manifest.ReadAll gives them. Namespaces, NodePools, Nodes and storage objects among them say what the
// cluster is like. The error joins one for each workload or such object that can not be read; the report then holds the others.
func Lint(documents []manifest.Document, o Options) (*Report, error) {
	report := &Report{Results: []Result{}, Ignored: map[string]int{}}
	known := &cluster{}
	var workloads []*workload
	var errs []error
	mistaken := map[string]string{} // Namespaces that state no layer that exists
	documents, err := open(documents)
	errs = append(errs, err)
	for _, d := range documents {
		object := contextOf(d)
		switch {
		case d.Object == nil:
			report.Ignored[""]++
		case isWorkload(d):
			w, err := newWorkload(d, o.Namespace)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			workloads = append(workloads, w)
		case object != nil:
			if _, err := decode(d, d.Object, object, nil); err != nil {
				errs = append(errs, err)
				continue
			}
			known.objects = append(known.objects, object)
			if p := namespaceProblem(d, object); p != "" {
				mistaken[object.GetName()] = p
			}
		default:
			report.Ignored[d.Kind()]++
		}
	}
	if err := known.assume(o); err != nil {
		return nil, err
	}
	report.Assumptions = known.assumptions
	filter, err := known.filter(o)
	if err != nil {
		return nil, err
	}
	judge := &judge{options: o, filter: filter, virtual: known.virtual}
	for _, w := range workloads {
		report.Results = append(report.Results, judge.result(w))
		delete(mistaken, w.pod.Namespace) // its workloads tell of it
	}
	for _, name := range slices.Sorted(maps.Keys(mistaken)) {
		report.Problems = append(report.Problems, mistaken[name])
	}
	return report, errors.Join(errs...)
}

// open replaces Lists by what they hold, those in Lists too.
func open(documents []manifest.Document) ([]manifest.Document, error) {
	var out []manifest.Document
	var errs []error
	for _, d := range documents {
		items, ok, err := d.Items()
		if !ok {
			out = append(out, d)
			continue
		}
		errs = append(errs, err)
		items, err = open(items)
		errs = append(errs, err)
		out = append(out, items...)
	}
	return out, errors.Join(errs...)
}

// namespaceProblem says when a Namespace states a layer that does not exist: the controller would ignore it.
func namespaceProblem(d manifest.Document, object client.Object) string {
	if _, ok := object.(*corev1.Namespace); !ok {
		return ""
	}
	value, ok := object.GetAnnotations()[virtualnode.LayerKey]
	if !ok {
		value, ok = object.GetLabels()[virtualnode.LayerKey]
	}
	if !ok || value == string(virtualnode.LayerManaged) || value == string(virtualnode.LayerVirtual) {
		return ""
	}
	return fmt.Sprintf("%s: Namespace %s: its %s is %q, which is ignored; want managed or virtual", d.Place(), d.Name(), virtualnode.LayerKey, value)
}

// Kinds returns the ignored kinds, sorted.
func (r *Report) Kinds() []string { return slices.Sorted(maps.Keys(r.Ignored)) }
