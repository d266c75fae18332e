package convert

import (
	"slices"
	"strings"

	"github.com/karpenter-oke/karpenter-oke/pkg/manifest"
)

// openLists replaces Lists that hold something to convert by what they hold.
func openLists(documents []manifest.Document) ([]manifest.Document, error) {
	var out []manifest.Document
	for _, d := range documents {
		items, _, err := d.Items()
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(items, isClass) || slices.ContainsFunc(items, isPool) {
			out = append(out, items...)
		} else {
			out = append(out, d)
		}
	}
	return out, nil
}

func isClass(d manifest.Document) bool {
	return d.Kind() == SourceKind && d.APIVersion() == SourceGroup+"/"+SourceVersion
}

// isPool is true for a NodePool that refers to a class of the source's kind.
func isPool(d manifest.Document) bool {
	if d.Kind() != "NodePool" || !strings.HasPrefix(d.APIVersion(), "karpenter.sh/") {
		return false
	}
	ref := manifest.At(d.Object, "spec", "template", "spec", "nodeClassRef")
	return manifest.Text(manifest.At(ref, "kind")) == SourceKind && manifest.Text(manifest.At(ref, "group")) == SourceGroup
}

// notesOf begins the warnings of a document.
func notesOf(d manifest.Document) *notes {
	return &notes{source: d.Source, object: d.Kind() + "/" + d.Name()}
}
