package convert

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
)

// LabelRow says what becomes of one label of the source in requirements and templates of NodePools.
type LabelRow struct {
	// Label is the source's.
	Label string
	// Target is the label that says the same; where Yes is empty the values stay.
	Target string
	// Yes and No are the requirement's operator and values where the source's label is "true" and where it is not there.
	Yes, No requirement
}

type requirement struct {
	operator corev1.NodeSelectorOperator
	values   []string
}

// LabelRows is every label that the source puts on its nodes beside the well-known ones of Kubernetes.
var LabelRows = []LabelRow{
	{Label: SourceGroup + "/instance-shape", Target: v1alpha1.LabelInstanceShapeName},
	{Label: SourceGroup + "/fault-domain", Target: v1alpha1.LabelFaultDomain},
	{Label: SourceGroup + "/capacity-reservation-id", Target: v1alpha1.LabelCapacityReservationID},
	{
		Label: SourceGroup + "/gpu-shape", Target: v1alpha1.LabelInstanceGPU,
		Yes: requirement{operator: corev1.NodeSelectorOpExists}, No: requirement{operator: corev1.NodeSelectorOpDoesNotExist},
	},
	{
		Label: SourceGroup + "/baremetal-shape", Target: v1alpha1.LabelInstanceHypervisor,
		Yes: requirement{corev1.NodeSelectorOpIn, []string{"bm"}}, No: requirement{corev1.NodeSelectorOpIn, []string{"vm"}},
	},
	{
		Label: SourceGroup + "/denseio-shape", Target: v1alpha1.LabelInstanceCategory,
		Yes: requirement{corev1.NodeSelectorOpIn, []string{"denseio"}}, No: requirement{corev1.NodeSelectorOpNotIn, []string{"denseio"}},
	},
	{
		Label: SourceGroup + "/flex-shape", Target: v1alpha1.LabelIsFlexible,
		Yes: requirement{corev1.NodeSelectorOpIn, []string{"true"}}, No: requirement{corev1.NodeSelectorOpIn, []string{"false"}},
	},
	{Label: SourceGroup + "/ocinodeclass", Target: v1alpha1.LabelNodeClass},
}

func labelRow(label string) (LabelRow, bool) {
	i := slices.IndexFunc(LabelRows, func(r LabelRow) bool { return r.Label == label })
	if i < 0 {
		return LabelRow{}, false
	}
	return LabelRows[i], true
}

// isSwitch is true for labels that are "true" or not there.
func (r LabelRow) isSwitch() bool { return r.Yes.operator != "" }

// translate writes a requirement of the source's label as one of the target's. doubt says why the source's requirement can not
// have been meant; it is empty when there is none. The operator is empty when nothing is to be required.
func (r LabelRow) translate(operator string, values []string) (out requirement, doubt string) {
	op := corev1.NodeSelectorOperator(operator)
	if !r.isSwitch() {
		return requirement{op, values}, ""
	}
	hasTrue := slices.Contains(values, "true")
	switch {
	case op == corev1.NodeSelectorOpExists || op == corev1.NodeSelectorOpIn && hasTrue:
		return r.Yes, ""
	case op == corev1.NodeSelectorOpDoesNotExist || op == corev1.NodeSelectorOpNotIn && hasTrue:
		return r.No, ""
	case op == corev1.NodeSelectorOpIn:
		return r.No, "it is \"true\" or not there, so this chose no node; it is read as DoesNotExist"
	}
	return requirement{}, "it is \"true\" or not there, so this says nothing; it is left out"
}

// zone is a value of topology.kubernetes.io/zone: the availability domain without the tenancy's prefix.
func zone(value string) string {
	if _, domain, ok := strings.Cut(value, ":"); ok {
		return domain
	}
	return value
}

// baselineSuffixes end the names of the source's instance types of flexible shapes, and what ends the target's.
var baselineSuffixes = map[string]string{".1_1b": "", ".1_2b": ".b2", ".1_8b": ".b8"}

// instanceType is a value of node.kubernetes.io/instance-type; flexible is true when it names a size of a flexible shape.
func instanceType(value string) (name string, flexible bool) {
	for from, to := range baselineSuffixes {
		if cut, ok := strings.CutSuffix(value, from); ok {
			return cut + to, true
		}
	}
	return value, false
}

// Becomes says in words what the label turns into.
func (r LabelRow) Becomes() string {
	if !r.isSwitch() {
		return "`" + r.Target + "`, the same values"
	}
	return "`" + r.Target + "`: " + r.Yes.String() + " for \"true\", " + r.No.String() + " where the label is not there"
}

func (r requirement) String() string {
	return strings.TrimSpace(string(r.operator) + " " + strings.Join(r.values, ", "))
}
