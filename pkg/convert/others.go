package convert

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/karpenter-oke/karpenter-oke/pkg/manifest"
)

// others reports what a document that passes through unchanged says of the source: nodes of this project have neither the source's
// labels nor its kinds.
func others(d manifest.Document) []Warning {
	n := notesOf(d)
	switch group, version, _ := strings.Cut(d.APIVersion(), "/"); {
	case d.Kind() == SourceKind && group == SourceGroup:
		n.warn("apiVersion", "%s is not known, only %s is; the object is passed through unchanged", version, SourceVersion)
		return n.warnings
	case d.Kind() == "NodeClaim" && manifest.Text(manifest.At(d.Object, "spec", "nodeClassRef", "group")) == SourceGroup:
		n.warn("spec.nodeClassRef", "a NodeClaim is a node that is there and can not be converted; it is passed through unchanged, leave it out")
		return n.warnings
	}
	findLabels(n, d.Object, "")
	return n.warnings
}

// findLabels reports every place in a value that names a label of the source.
func findLabels(n *notes, value any, path string) {
	switch v := value.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			inner := strings.TrimPrefix(path+"."+key, ".")
			if row, ok := labelRow(key); ok {
				n.reportLabel(path, row)
			}
			findLabels(n, v[key], inner)
		}
	case []any:
		for i, item := range v {
			findLabels(n, item, fmt.Sprintf("%s[%d]", path, i))
		}
	case string:
		if row, ok := labelRow(v); ok {
			n.reportLabel(path, row)
		}
	}
}

func (n *notes) reportLabel(path string, row LabelRow) {
	n.warn(path, "%s is a label of Oracle's provider; it is passed through unchanged, use %s", row.Label, row.Target)
}
