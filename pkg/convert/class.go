package convert

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/manifest"
)

// classConversion is the conversion of one node class.
type classConversion struct {
	*notes
	from sourceSpec
	to   *v1alpha1.OciNodeClassSpec
	// nodeLabels are labels that the source's class gives to nodes.
	nodeLabels map[string]string
}

// class converts a node class. What it says of labels of nodes is kept for the NodePools.
func (c *conversion) class(d manifest.Document) (manifest.Document, []Warning, error) {
	n := notesOf(d)
	known := checkFields(n, d.Object)
	class := &v1alpha1.OciNodeClass{}
	cc := &classConversion{notes: n, to: &class.Spec, nodeLabels: map[string]string{}}
	if err := decodeSpec(known, &cc.from); err != nil {
		return manifest.Document{}, nil, fmt.Errorf("%s: %s %s: %w", d.Source, d.Kind(), d.Name(), err)
	}
	cc.userData() // decides how a node joins, which other parts need to know
	cc.image()
	cc.bootVolume()
	cc.network()
	cc.podNetwork()
	cc.placement()
	cc.flex()
	cc.instance()
	cc.scripts()
	cc.kubelet()
	cc.metadata()

	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(class)
	if err != nil {
		return manifest.Document{}, nil, fmt.Errorf("%s: %s %s: %w", d.Source, d.Kind(), d.Name(), err)
	}
	out := map[string]any{
		"apiVersion": targetAPIVersion,
		"kind":       targetKind,
		"metadata":   ownMetadata(d.Object),
		"spec":       withoutEmptyRequired(fields["spec"]),
	}
	c.nodeLabels[d.Name()] = cc.nodeLabels
	if len(cc.nodeLabels) > 0 && len(c.pools[d.Name()]) == 0 {
		n.warn("spec.kubeletConfig.nodeLabels", "no NodePool of the input refers to this class; add %s to spec.template.metadata.labels of its NodePools", labelList(cc.nodeLabels))
	}
	return manifest.Document{Source: d.Source, Object: out}, n.warnings, nil
}

func decodeSpec(object map[string]any, into *sourceSpec) error {
	data, err := json.Marshal(object)
	if err != nil {
		return err
	}
	whole := struct {
		Spec *sourceSpec `json:"spec"`
	}{into}
	err = json.Unmarshal(data, &whole)
	var wrongType *json.UnmarshalTypeError
	if errors.As(err, &wrongType) {
		return fmt.Errorf("%s can not be a %s", wrongType.Field, wrongType.Value)
	}
	return err
}

// withoutEmptyRequired leaves out required lists that nothing was found for, so that the API server names them as missing.
func withoutEmptyRequired(spec any) any {
	if fields, ok := spec.(map[string]any); ok {
		for _, key := range []string{"imageSelector", "subnetSelector"} {
			if fields[key] == nil {
				delete(fields, key)
			}
		}
	}
	return spec
}

// ownMetadata is what a user writes into an object's metadata: all but what the API server and controllers add.
func ownMetadata(object map[string]any) map[string]any {
	out := map[string]any{}
	for _, key := range []string{"name", "labels", "annotations"} {
		if value := manifest.At(object, "metadata", key); value != nil {
			out[key] = value
		}
	}
	if annotations, ok := out["annotations"].(map[string]any); ok {
		kept := map[string]any{}
		for key, value := range annotations {
			if !isWrittenByControllers(key) {
				kept[key] = value
			}
		}
		if out["annotations"] = kept; len(kept) == 0 {
			delete(out, "annotations")
		}
	}
	return out
}

func isWrittenByControllers(annotation string) bool {
	switch annotation {
	case "kubectl.kubernetes.io/last-applied-configuration", "karpenter.sh/nodepool-hash", "karpenter.sh/nodepool-hash-version":
		return true
	}
	return strings.HasPrefix(annotation, SourceGroup+"/nodeclass-hash")
}
