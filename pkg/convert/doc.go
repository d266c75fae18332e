// Package convert turns node classes of Oracle's provider (OCINodeClass, oci.oraclecloud.com/v1beta1) and the NodePools that refer
// to them into OciNodeClasses and NodePools of this project. It reads and writes text and touches nothing else.
//
// What maps to what is a table (rows.go, labels.go); docs/migrate-from-oracle-provider.md shows it.
package convert

import (
	"fmt"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/manifest"
)

// What is converted.
const (
	SourceGroup   = "oci.oraclecloud.com"
	SourceVersion = "v1beta1"
	SourceKind    = "OCINodeClass"
)

// Options are choices of whoever converts.
type Options struct {
	// NodePoolSuffix is added to the names of converted NodePools, so that they can stand beside those they replace: the API server
	// lets nobody change the kind of node class that a NodePool refers to.
	NodePoolSuffix string
}

// Warning is something of the input that has no equivalent, or means something else after the conversion.
type Warning struct {
	// Source names the input, Object the object in it as Kind/name.
	Source, Object string
	// Path is the field, such as spec.shapeConfigs[0].ocpus; empty for the object as a whole.
	Path string
	// Message says what is different and what to do.
	Message string
}

// String is the warning in one line.
func (w Warning) String() string {
	out := w.Object
	if w.Source != "" {
		out = w.Source + ": " + out
	}
	if w.Path != "" {
		out += ": " + w.Path
	}
	return out + ": " + w.Message
}

// Result is the output of a conversion.
type Result struct {
	// Documents are the objects in the order of the input; a document that needs no conversion is the input's own text.
	Documents []manifest.Document
	// Warnings are in the order of the input.
	Warnings []Warning
	// Classes and NodePools count what was converted.
	Classes, NodePools int
}

// Convert converts the node classes and NodePools among the documents and passes all others through as they are. The documents
// are seen as a whole: a NodePool may be in another file than its class. An error means that a document can not be read, and
// that there is no result.
func Convert(documents []manifest.Document, o Options) (*Result, error) {
	documents, err := openLists(documents)
	if err != nil {
		return nil, err
	}
	c := &conversion{options: o, nodeLabels: map[string]map[string]string{}, pools: map[string][]string{}}
	for _, d := range documents {
		if isPool(d) {
			name := referredClass(d.Object)
			c.pools[name] = append(c.pools[name], d.Name())
		}
	}
	// Classes first: some of their fields become part of the NodePools.
	out := make([]manifest.Document, len(documents))
	notes := make([][]Warning, len(documents))
	for i, d := range documents {
		if isClass(d) {
			if out[i], notes[i], err = c.class(d); err != nil {
				return nil, err
			}
		}
	}
	result := &Result{Documents: out}
	for i, d := range documents {
		switch {
		case isClass(d):
			result.Classes++
		case isPool(d):
			result.NodePools++
			if out[i], notes[i], err = c.nodePool(d); err != nil {
				return nil, err
			}
		default:
			out[i], notes[i] = d, others(d)
		}
		result.Warnings = append(result.Warnings, notes[i]...)
	}
	return result, nil
}

// conversion is what documents need to know of each other.
type conversion struct {
	options Options
	// nodeLabels are the labels that classes, by name, gave to their nodes; they go to the NodePools.
	nodeLabels map[string]map[string]string
	// pools are the NodePools of the input by the name of their class.
	pools map[string][]string
}

// notes collects the warnings of one object.
type notes struct {
	source, object string
	warnings       []Warning
}

func (n *notes) warn(path, format string, args ...any) {
	n.warnings = append(n.warnings, Warning{Source: n.source, Object: n.object, Path: path, Message: fmt.Sprintf(format, args...)})
}

// targetKind is the kind that classes become.
const targetKind = "OciNodeClass"

var targetAPIVersion = v1alpha1.GroupVersion.String()
