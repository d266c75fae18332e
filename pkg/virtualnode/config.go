package virtualnode

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
)

const (
	// LayerKey is the annotation or label by which a pod or a namespace states its layer: "managed" or "virtual".
	LayerKey = v1alpha1.Group + "/layer"
	// OverflowAfterKey is the pod annotation that overrides Config.OverflowAfter: a duration such as "5m", or "never".
	OverflowAfterKey = v1alpha1.Group + "/virtual-node-overflow-after"

	// DefaultTaint is the taint that pods tolerate to run on virtual nodes.
	DefaultTaint = "virtual-kubelet.io/provider=oracle:NoSchedule"
	// DefaultMarkers are what OKE and its users mark virtual nodes with, as ParseMarkers reads them. Sources disagree on what OKE sets by
	// itself, so any one suffices.
	DefaultMarkers = "taint:virtual-kubelet.io/provider=oracle,label:type=virtual-node,label:node-role.kubernetes.io/virtual-node," +
		"annotation:oci.oraclecloud.com/virtual-node-pool-id"
	// DefaultGracePeriod is how long a virtual node that went away still counts as there. A node's lease lasts 40 s and its
	// pods are evicted after 5 min, so two minutes outlasts a flap without holding pods back for a real loss.
	DefaultGracePeriod = 2 * time.Minute
)

// Consolidation says what core may think of the room on virtual nodes.
type Consolidation string

const (
	// ConsolidationIgnore shows virtual nodes to core without room: no managed node is ever emptied onto them.
	ConsolidationIgnore Consolidation = "ignore"
	// ConsolidationCount shows virtual nodes as they are: core may delete a managed node whose pods would fit on them.
	ConsolidationCount Consolidation = "count"
)

// Marker recognises a node by a label or an annotation. An empty Value means any value.
type Marker struct {
	Key   string
	Value string
}

// Markers recognise virtual nodes: a node that bears any one of them is virtual. In a taint, an empty value or effect means any.
type Markers struct {
	Taints      []corev1.Taint
	Labels      []Marker
	Annotations []Marker
}

// Config holds the filter's settings.
type Config struct {
	// Taint is the one that pods meant for virtual nodes tolerate. Tolerating it is what makes a pod a candidate for them.
	Taint corev1.Taint
	// Markers recognise virtual nodes; the taint does so without being named here again.
	Markers Markers
	// OverflowAfter hands a pod that has been unschedulable for this long to core, if a NodePool could take it. 0 is off.
	OverflowAfter time.Duration
	// Consolidation says whether core may count on the room of virtual nodes.
	Consolidation Consolidation
	// GracePeriod is how long a virtual node that stopped being Ready, or was deleted, still counts as usable.
	GracePeriod time.Duration
	// DisabledRules names rows of the rule table that do not apply, because OKE has learned the feature.
	DisabledRules []string
	// ExtraRules are rows added to the rule table.
	ExtraRules []Rule
}

// DefaultConfig returns the settings that fit OKE as it is.
func DefaultConfig() Config {
	taint := corev1.Taint{Key: "virtual-kubelet.io/provider", Value: "oracle", Effect: corev1.TaintEffectNoSchedule}
	return Config{
		Taint: taint,
		Markers: Markers{
			Taints:      []corev1.Taint{{Key: taint.Key, Value: taint.Value}},
			Labels:      []Marker{{Key: "type", Value: "virtual-node"}, {Key: "node-role.kubernetes.io/virtual-node"}},
			Annotations: []Marker{{Key: "oci.oraclecloud.com/virtual-node-pool-id"}},
		},
		Consolidation: ConsolidationIgnore,
		GracePeriod:   DefaultGracePeriod,
	}
}

// Validate returns every mistake in the settings, joined, or nil.
func (c Config) Validate() error {
	errs := []error{validateTaint(c.Taint)}
	if len(c.Markers.Taints)+len(c.Markers.Labels)+len(c.Markers.Annotations) == 0 {
		errs = append(errs, errors.New("no marker is set, so no virtual node could be recognised"))
	}
	for _, t := range c.Markers.Taints {
		errs = append(errs, validateKey("taint marker", t.Key))
	}
	for _, m := range slices.Concat(c.Markers.Labels, c.Markers.Annotations) {
		errs = append(errs, validateKey("marker", m.Key))
	}
	if c.OverflowAfter < 0 {
		errs = append(errs, fmt.Errorf("overflow after %s: want 0 (off) or a positive duration", c.OverflowAfter))
	}
	if c.GracePeriod < 0 {
		errs = append(errs, fmt.Errorf("grace period %s: want 0 or a positive duration", c.GracePeriod))
	}
	switch c.Consolidation {
	case ConsolidationIgnore:
	case ConsolidationCount:
		// Core would see room on the virtual nodes, plan the overflowing pods onto them again, and never buy a node.
		if c.OverflowAfter > 0 {
			errs = append(errs, fmt.Errorf("overflow needs consolidation %q: with %q core plans the overflowing pods onto virtual nodes",
				ConsolidationIgnore, ConsolidationCount))
		}
	default:
		errs = append(errs, fmt.Errorf("consolidation %q: want %q or %q", c.Consolidation, ConsolidationIgnore, ConsolidationCount))
	}
	return errors.Join(append(errs, c.validateRules())...)
}

func (c Config) validateRules() error {
	names := map[string]bool{}
	for _, r := range builtinRules {
		names[r.Name] = true
	}
	var errs []error
	for _, r := range c.ExtraRules {
		switch {
		case r.Name == "" || r.Test == nil:
			errs = append(errs, fmt.Errorf("extra rule %q: a rule needs a name and a test", r.Name))
		case names[r.Name]:
			errs = append(errs, fmt.Errorf("extra rule %q: the name is taken", r.Name))
		}
		names[r.Name] = true
	}
	for _, name := range c.DisabledRules {
		if !names[name] {
			errs = append(errs, fmt.Errorf("disabled rule %q does not exist; there are: %s", name, strings.Join(RuleNames(), ", ")))
		}
	}
	return errors.Join(errs...)
}

// ParseTaint reads a taint written as kubectl does: key=value:effect or key:effect. The effect is NoSchedule or NoExecute.
// The error says what a taint looks like.
func ParseTaint(s string) (corev1.Taint, error) {
	body, effect, found := strings.Cut(s, ":")
	key, value, _ := strings.Cut(body, "=")
	taint := corev1.Taint{Key: key, Value: value, Effect: corev1.TaintEffect(effect)}
	if !found {
		return corev1.Taint{}, fmt.Errorf("taint %q has no effect: write key=value:effect, such as %s", s, DefaultTaint)
	}
	if err := validateTaint(taint); err != nil {
		return corev1.Taint{}, fmt.Errorf("taint %q: %w: write key=value:effect, such as %s", s, err, DefaultTaint)
	}
	return taint, nil
}

// ParseMarkers reads a comma-separated list of label:, annotation: or taint:KEY[=VALUE]. The error says which item is none.
func ParseMarkers(text string) (Markers, error) {
	var m Markers
	var errs []error
	for _, item := range SplitList(text) {
		kind, body, _ := strings.Cut(item, ":")
		key, value, _ := strings.Cut(body, "=")
		switch kind {
		case "label":
			m.Labels = append(m.Labels, Marker{Key: key, Value: value})
		case "annotation":
			m.Annotations = append(m.Annotations, Marker{Key: key, Value: value})
		case "taint":
			m.Taints = append(m.Taints, corev1.Taint{Key: key, Value: value})
		default:
			errs = append(errs, fmt.Errorf("%q: want label:, annotation: or taint:KEY[=VALUE]", item))
			continue
		}
		errs = append(errs, validateKey(kind, key))
	}
	if len(SplitList(text)) == 0 {
		errs = append(errs, errors.New("no marker is given, so no virtual node could be recognised"))
	}
	return m, errors.Join(errs...)
}

// SplitList splits a comma-separated setting and leaves out spaces and empty items.
func SplitList(text string) []string {
	var items []string
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}

func validateTaint(t corev1.Taint) error {
	if err := validateKey("taint", t.Key); err != nil {
		return err
	}
	if msgs := validation.IsValidLabelValue(t.Value); len(msgs) > 0 {
		return fmt.Errorf("taint value %q: %s", t.Value, strings.Join(msgs, "; "))
	}
	switch t.Effect {
	case corev1.TaintEffectNoSchedule, corev1.TaintEffectNoExecute:
		return nil
	case corev1.TaintEffectPreferNoSchedule:
		return fmt.Errorf("taint effect %s keeps no pod away, so tolerating it says nothing; want NoSchedule or NoExecute", t.Effect)
	default:
		return fmt.Errorf("taint effect %q: want NoSchedule or NoExecute", t.Effect)
	}
}

func validateKey(what, key string) error {
	if msgs := validation.IsQualifiedName(key); len(msgs) > 0 {
		return fmt.Errorf("%s key %q: %s", what, key, strings.Join(msgs, "; "))
	}
	return nil
}

// IsVirtual tells whether the node bears the taint or any of the markers.
func (c *Config) IsVirtual(node *corev1.Node) bool {
	if node == nil {
		return false
	}
	for j := range node.Spec.Taints {
		if node.Spec.Taints[j].MatchTaint(&c.Taint) && node.Spec.Taints[j].Value == c.Taint.Value {
			return true
		}
		for i := range c.Markers.Taints {
			if taintMarks(&c.Markers.Taints[i], &node.Spec.Taints[j]) {
				return true
			}
		}
	}
	return anyMarks(c.Markers.Labels, node.Labels) || anyMarks(c.Markers.Annotations, node.Annotations)
}

func taintMarks(marker, taint *corev1.Taint) bool {
	return taint.Key == marker.Key &&
		(marker.Value == "" || taint.Value == marker.Value) &&
		(marker.Effect == "" || taint.Effect == marker.Effect)
}

func anyMarks(markers []Marker, values map[string]string) bool {
	for i := range markers {
		if v, ok := values[markers[i].Key]; ok && (markers[i].Value == "" || v == markers[i].Value) {
			return true
		}
	}
	return false
}
