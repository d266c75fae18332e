package convert

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/manifest"
)

const (
	pathTemplate     = "spec.template"
	pathRequirements = pathTemplate + ".spec.requirements"
	pathLabels       = pathTemplate + ".metadata.labels"
)

// preemptibleTaint is on all preemptible nodes of the source, and its NodePools have to list it to get such nodes.
const preemptibleTaint = SourceGroup + "/oke-is-preemptible"

// poolConversion is the conversion of one NodePool.
type poolConversion struct {
	*notes
	template     map[string]any // spec.template
	requirements []any
}

// nodePool converts a NodePool: the class it refers to, its labels, and what it requires of nodes. All else stays.
func (c *conversion) nodePool(d manifest.Document) (manifest.Document, []Warning, error) {
	n := notesOf(d)
	object, err := clone(d.Object)
	if err != nil {
		return manifest.Document{}, nil, fmt.Errorf("%s: %s %s: %w", d.Source, d.Kind(), d.Name(), err)
	}
	template, ok := manifest.At(object, "spec", "template").(map[string]any)
	if !ok { // not a NodePool that refers to a class
		return d, nil, nil
	}
	pc := &poolConversion{notes: n, template: template}
	if err := pc.readRequirements(); err != nil {
		return manifest.Document{}, nil, fmt.Errorf("%s: %s %s: %w", d.Source, d.Kind(), d.Name(), err)
	}
	pc.reference()
	pc.labels(c.nodeLabels[referredClass(d.Object)])
	pc.capacityTypes()
	if spec, ok := template["spec"].(map[string]any); ok && len(pc.requirements) > 0 {
		spec["requirements"] = pc.requirements
	}
	metadata := ownMetadata(object)
	metadata["name"] = d.Name() + c.options.NodePoolSuffix
	out := map[string]any{"apiVersion": d.APIVersion(), "kind": d.Kind(), "metadata": metadata, "spec": object["spec"]}
	return manifest.Document{Source: d.Source, Object: out}, n.warnings, nil
}

// referredClass is the name of the class that a NodePool refers to.
func referredClass(pool map[string]any) string {
	return manifest.Text(manifest.At(pool, "spec", "template", "spec", "nodeClassRef", "name"))
}

func (p *poolConversion) reference() {
	ref, ok := manifest.At(p.template, "spec", "nodeClassRef").(map[string]any)
	if ok {
		ref["group"], ref["kind"] = v1alpha1.Group, targetKind
	}
}

// readRequirements reads the requirements and translates those of the source's labels and values.
func (p *poolConversion) readRequirements() error {
	list, _ := manifest.At(p.template, "spec", "requirements").([]any)
	for i, item := range list {
		path := fmt.Sprintf("%s[%d]", pathRequirements, i)
		fields, ok := item.(map[string]any)
		if !ok {
			return fmt.Errorf("%s is not a requirement", path)
		}
		var values []string
		given, _ := fields["values"].([]any)
		for _, v := range given {
			s, ok := v.(string)
			if !ok {
				return fmt.Errorf("%s.values: %v is not a string; put it in quotes", path, v)
			}
			values = append(values, s)
		}
		p.require(path, fields, manifest.Text(fields["key"]), manifest.Text(fields["operator"]), values)
	}
	return nil
}

// require adds a requirement of the source, translated; fields is the requirement as it is written, nil for one made of a label.
func (p *poolConversion) require(path string, fields map[string]any, key, operator string, values []string) {
	out := maps.Clone(fields)
	if out == nil {
		out = map[string]any{}
	}
	switch key {
	case corev1.LabelTopologyZone:
		for i := range values {
			values[i] = zone(values[i])
		}
	case corev1.LabelInstanceTypeStable:
		values = p.instanceTypes(path, values)
	default:
		row, ok := labelRow(key)
		if !ok {
			p.requirements = append(p.requirements, out)
			return
		}
		key = row.Target
		r, doubt := row.translate(operator, values)
		if doubt != "" {
			p.warn(path, "%s %s %v: %s", row.Label, operator, values, doubt)
		}
		if r.operator == "" {
			return
		}
		operator, values = string(r.operator), r.values
		if row.isSwitch() {
			delete(out, "minValues")
		}
	}
	out["key"], out["operator"] = key, operator
	if delete(out, "values"); len(values) > 0 {
		out["values"] = toAny(values)
	}
	p.requirements = append(p.requirements, out)
}

func (p *poolConversion) instanceTypes(path string, values []string) []string {
	out := make([]string, 0, len(values))
	sized := false
	for _, v := range values {
		name, flexible := instanceType(v)
		sized = sized || flexible
		out = append(out, name)
	}
	if sized {
		p.warn(path, "sizes of flexible shapes are named here, and not every one is offered; require the shape by %s and bound the sizes by spec.flex of the class", v1alpha1.LabelInstanceShapeName)
	}
	return out
}

// labels are the template's labels: those of the source become requirements, those of the class's nodes are added.
func (p *poolConversion) labels(ofClass map[string]string) {
	metadata, _ := p.template["metadata"].(map[string]any)
	labels, _ := manifest.At(metadata, "labels").(map[string]any)
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		if _, ok := labelRow(key); ok {
			p.require(pathLabels, nil, key, string(corev1.NodeSelectorOpIn), []string{manifest.Text(labels[key])})
			delete(labels, key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(ofClass)) {
		if _, given := labels[key]; given {
			continue // the NodePool's own wins
		}
		if err := karpv1.IsRestrictedLabel(key); err != nil {
			p.warn(pathLabels, "the class's kubeletConfig gave nodes the label %s, which Karpenter does not let a NodePool set; it is left out", key)
			continue
		}
		if labels == nil {
			labels = map[string]any{}
		}
		labels[key] = ofClass[key]
	}
	if len(labels) > 0 {
		if metadata == nil {
			metadata = map[string]any{}
			p.template["metadata"] = metadata
		}
		metadata["labels"] = labels
	} else {
		delete(metadata, "labels")
		if len(metadata) == 0 {
			delete(p.template, "metadata")
		}
	}
}

// capacityTypes keeps what the source makes of preemptible capacity. There a NodePool gets it when it lists OKE's taint and does not
// rule it out; here when it asks for it.
func (p *poolConversion) capacityTypes() {
	tainted := false
	taints, _ := manifest.At(p.template, "spec", "taints").([]any)
	for _, taint := range taints {
		tainted = tainted || manifest.Text(manifest.At(taint, "key")) == preemptibleTaint && manifest.Text(manifest.At(taint, "effect")) == string(corev1.TaintEffectNoSchedule)
	}
	var asked map[string]any
	for _, r := range p.requirements {
		if manifest.Text(manifest.At(r, "key")) == karpv1.CapacityTypeLabelKey {
			asked, _ = r.(map[string]any)
		}
	}
	if asked == nil {
		if tainted {
			p.requirements = append(p.requirements, map[string]any{
				"key": karpv1.CapacityTypeLabelKey, "operator": string(corev1.NodeSelectorOpIn),
				"values": []any{karpv1.CapacityTypeReserved, karpv1.CapacityTypeSpot, karpv1.CapacityTypeOnDemand},
			})
		}
		return
	}
	values, _ := asked["values"].([]any)
	if manifest.Text(asked["operator"]) == string(corev1.NodeSelectorOpIn) && slices.Contains(values, any(karpv1.CapacityTypeSpot)) && !tainted {
		p.warn(pathTemplate+".spec.taints", "without the taint %s Oracle's provider gives a NodePool no spot capacity; karpenter-oke gives what it requires", preemptibleTaint)
	}
}

func toAny(values []string) []any {
	out := make([]any, len(values))
	for i, v := range values {
		out[i] = v
	}
	return out
}

func clone(object map[string]any) (map[string]any, error) {
	data, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}
	var out map[string]any
	return out, json.Unmarshal(data, &out)
}
