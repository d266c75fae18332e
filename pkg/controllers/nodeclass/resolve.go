package nodeclass

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode"

	"github.com/samber/lo"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/cluster"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/image"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/selection"
)

// Reasons of conditions. That of True is the condition's own name.
const (
	reasonNothingSelected = "NothingSelected"
	reasonNotAuthorized   = "NotAuthorized"
	reasonUnavailable     = "OCIUnavailable"
	reasonClusterUnknown  = "ClusterUnknown"
	reasonUnchecked       = "Unchecked"
)

// maxMessage bounds a condition's message; what OCI says has no bound of its own.
const maxMessage = 2000

// subReconciler resolves one part of a class into its fields of the status. What it resolved before stays when it fails: nodes
// that run must not drift because a selector can not be resolved.
type subReconciler struct {
	condition string
	// rights are the policy resource types that it reads, for the message when it may not.
	rights []string
	// resolve returns, besides an error, a note for the condition that is True; mostly empty.
	resolve func(context.Context, *v1alpha1.OciNodeClass, *cluster.Cluster) (note string, err error)
}

func (c *StatusController) subReconcilers(nodeClass *v1alpha1.OciNodeClass) []subReconciler {
	all := []subReconciler{
		{v1alpha1.ConditionTypeImageReady, []string{"instance-images"}, c.resolveImages},
		{v1alpha1.ConditionTypeSubnetsReady, []string{"subnets"}, c.resolveSubnets},
		{v1alpha1.ConditionTypeSecurityGroupsReady, []string{"network-security-groups"}, c.resolveSecurityGroups},
		{v1alpha1.ConditionTypeCompartmentReady, []string{"compartments", "instances"}, c.resolveCompartment},
		{v1alpha1.ConditionTypeKMSKeysReady, []string{"keys"}, c.resolveKeys},
		{v1alpha1.ConditionTypePlacementReady, []string{"compute-clusters", "cluster-placement-groups", "dedicated-vm-hosts"}, c.resolvePlacement},
		{v1alpha1.ConditionTypeBootstrapReady, nil, c.resolveBootstrap},
	}
	if selectsReservations(nodeClass) {
		all = append(all, subReconciler{v1alpha1.ConditionTypeCapacityReservationsReady, []string{"compute-capacity-reservations"}, c.resolveReservations})
	}
	return all
}

// apply resolves one part and sets its condition. When OCI can not be asked, what was resolved before stays good: a cloud that
// does not answer must not stop NodePools that could launch when it does.
func (c *StatusController) apply(ctx context.Context, nodeClass *v1alpha1.OciNodeClass, sub subReconciler, current *cluster.Cluster) {
	conditions := nodeClass.StatusConditions()
	if current == nil {
		conditions.SetUnknownWithReason(sub.condition, reasonClusterUnknown, "the OKE cluster has not been read yet")
		return
	}
	note, err := sub.resolve(ctx, nodeClass, current)
	var unresolved *selection.UnresolvedError
	switch {
	case err == nil && note == "":
		conditions.SetTrue(sub.condition)
	case err == nil:
		conditions.SetTrueWithReason(sub.condition, reasonUnchecked, bounded(note))
	case errors.As(err, &unresolved):
		conditions.SetFalse(sub.condition, reasonNothingSelected, bounded(unresolved.Message))
	case oci.ClassOf(err) == oci.ClassNotAuthorized, oci.ClassOf(err) == oci.ClassNotFound:
		conditions.SetFalse(sub.condition, reasonNotAuthorized, bounded(mayNotRead(sub.rights, err)))
	default:
		log.FromContext(ctx).Error(err, "resolving failed", "condition", sub.condition)
		if condition := conditions.Get(sub.condition); !condition.IsTrue() || condition.ObservedGeneration != nodeClass.Generation {
			conditions.SetUnknownWithReason(sub.condition, reasonUnavailable, bounded("OCI did not answer; it is asked again: "+oci.StableText(err)))
		}
	}
}

// bounded cuts a message at a character's end.
func bounded(message string) string {
	runes := []rune(message)
	if len(runes) <= maxMessage {
		return message
	}
	return string(runes[:maxMessage]) + "..."
}

func (c *StatusController) resolveImages(ctx context.Context, nodeClass *v1alpha1.OciNodeClass, current *cluster.Cluster) (string, error) {
	if err := checkImageFamily(nodeClass); err != nil {
		return "", err
	}
	held := c.heldImages(nodeClass)
	images, err := c.Images.Resolve(ctx, image.Query{
		Terms: nodeClass.Spec.ImageSelector, ControlPlane: current.Version, InUse: nodeClass.Status.Images,
		Adoption: nodeClass.ImageAdoption(), Soak: nodeClass.ImageSoak(),
		Held: lo.Map(held, func(i v1alpha1.HeldImage, _ int) string { return i.ID }),
	})
	if err == nil {
		nodeClass.Status.Images, nodeClass.Status.HeldImages = images, held
	}
	return "", err
}

// maxHeldImages bounds status.heldImages; those that have been there longest go first, and are published long since.
const maxHeldImages = 10

// heldImages are the images that the class is not to use: those that it went back from before and those whose nodes do not register, but
// none that its annotation names.
func (c *StatusController) heldImages(nodeClass *v1alpha1.OciNodeClass) []v1alpha1.HeldImage {
	held := slices.Clone(nodeClass.Status.HeldImages)
	if c.Registrations != nil {
		for _, id := range c.Registrations.FailedImages(nodeClass) {
			used, _ := lo.Find(nodeClass.Status.Images, func(i v1alpha1.Image) bool { return i.ID == id })
			if !slices.ContainsFunc(held, func(i v1alpha1.HeldImage) bool { return i.ID == id }) {
				held = append(held, v1alpha1.HeldImage{ID: id, Name: used.Name})
			}
		}
	}
	wanted := strings.FieldsFunc(nodeClass.Annotations[v1alpha1.AnnotationAdoptImage], func(r rune) bool { return r == ',' || unicode.IsSpace(r) })
	held = slices.DeleteFunc(held, func(i v1alpha1.HeldImage) bool {
		excused := slices.Contains(wanted, i.ID) || (i.Name != "" && slices.Contains(wanted, i.Name))
		if excused && c.Registrations != nil {
			c.Registrations.Excuse(nodeClass, i.ID)
		}
		return excused
	})
	return orNil(held[max(0, len(held)-maxHeldImages):])
}

// checkImageFamily refuses OKE images of one operating system that would be started like the other: such nodes never join.
func checkImageFamily(nodeClass *v1alpha1.OciNodeClass) error {
	family := nodeClass.ImageFamily()
	for _, term := range nodeClass.Spec.ImageSelector {
		want := map[string]v1alpha1.ImageFamily{"Ubuntu": v1alpha1.ImageFamilyUbuntu, "Oracle Linux": v1alpha1.ImageFamilyOracleOKELinux}[term.OSFamily]
		if want != "" && family != v1alpha1.ImageFamilyCustom && family != want {
			return selection.Unresolved("imageSelector asks for %s and imageFamily is %s, so nodes would not join; set imageFamily to %s", term.OSFamily, family, want)
		}
	}
	return nil
}

func (c *StatusController) resolveSubnets(ctx context.Context, nodeClass *v1alpha1.OciNodeClass, current *cluster.Cluster) (string, error) {
	subnets, err := c.Network.Subnets(ctx, nodeClass.Spec.SubnetSelector, vcn(nodeClass, current))
	if err != nil {
		return "", err
	}
	if nodesHaveIPv6(nodeClass, current) {
		if subnets, err = withIPv6(subnets, "nodes get IPv6 addresses", "set primaryVnic.assignIpv6Ip to false"); err != nil {
			return "", err
		}
	}
	var podSubnets []v1alpha1.Subnet
	if pods := nodeClass.Spec.PodNetworking; pods != nil && len(pods.PodSubnetSelector) > 0 {
		if podSubnets, err = c.Network.Subnets(ctx, pods.PodSubnetSelector, vcn(nodeClass, current)); err != nil {
			return "", prefixed("podSubnetSelector: ", err)
		}
		if current.HasIPv6() {
			if podSubnets, err = withIPv6(podSubnets, "pods of the OKE cluster get IPv6 addresses", "leave podSubnetSelector out"); err != nil {
				return "", prefixed("podSubnetSelector: ", err)
			}
		}
		if err := checkPodAddresses(podSubnets, pods.IPCount); err != nil {
			return "", err
		}
	}
	nodeClass.Status.Subnets, nodeClass.Status.PodSubnets = subnets, podSubnets
	return "", nil
}

// nodesHaveIPv6 says whether instances of the class are launched with an IPv6 address.
func nodesHaveIPv6(nodeClass *v1alpha1.OciNodeClass, current *cluster.Cluster) bool {
	if v := nodeClass.Spec.PrimaryVNIC; v != nil && v.AssignIPv6IP != nil {
		return *v.AssignIPv6IP
	}
	return current.HasIPv6()
}

// withIPv6 keeps the subnets with an IPv6 prefix: OCI refuses a launch that asks for an address where there are none.
func withIPv6(subnets []v1alpha1.Subnet, because, otherwise string) ([]v1alpha1.Subnet, error) {
	kept := lo.Filter(subnets, func(s v1alpha1.Subnet, _ int) bool { return s.IPv6 })
	if len(kept) == 0 {
		return nil, selection.Unresolved("%s and %s has no IPv6 prefix; add one, select other subnets or %s", because,
			strings.Join(names(subnets, func(s v1alpha1.Subnet) string { return s.Name }), ", "), otherwise)
	}
	return kept, nil
}

// checkPodAddresses refuses pod subnets none of which has an address, or those that one VNIC takes in advance: without them no pod starts, so
// a node would be bought in vain. What is not known is believed to be enough.
func checkPodAddresses(podSubnets []v1alpha1.Subnet, ipCount *int32) error {
	least := int64(lo.FromPtrOr(ipCount, 1))
	enough := func(s v1alpha1.Subnet) bool { return s.AvailableIPAddresses == nil || *s.AvailableIPAddresses >= least }
	if len(podSubnets) == 0 || slices.ContainsFunc(podSubnets, enough) {
		return nil
	}
	where := strings.Join(names(podSubnets, func(s v1alpha1.Subnet) string { return s.Name }), ", ")
	if least == 1 {
		return selection.Unresolved("podSubnetSelector: no address is free in %s; add a subnet or free some addresses", where)
	}
	return selection.Unresolved("podSubnetSelector: the %d addresses of podNetworking.ipCount, which a node's VNIC takes in advance, are not free in any of %s; add a subnet, free some addresses or lower ipCount",
		least, where)
}

func (c *StatusController) resolveSecurityGroups(ctx context.Context, nodeClass *v1alpha1.OciNodeClass, current *cluster.Cluster) (string, error) {
	groups, err := c.Network.SecurityGroups(ctx, nodeClass.Spec.SecurityGroupSelector, vcn(nodeClass, current))
	if err != nil {
		return "", err
	}
	var podGroups []v1alpha1.SecurityGroup
	if pods := nodeClass.Spec.PodNetworking; pods != nil && pods.PodSecurityGroupSelector != nil {
		if podGroups, err = c.Network.SecurityGroups(ctx, *pods.PodSecurityGroupSelector, vcn(nodeClass, current)); err != nil {
			return "", prefixed("podSecurityGroupSelector: ", err)
		}
	}
	nodeClass.Status.SecurityGroups, nodeClass.Status.PodSecurityGroups = orNil(groups), orNil(podGroups)
	return "", nil
}

// prefixed tells in the message of an unresolved selector which of two it was.
func prefixed(prefix string, err error) error {
	var unresolved *selection.UnresolvedError
	if errors.As(err, &unresolved) {
		return &selection.UnresolvedError{Message: prefix + unresolved.Message}
	}
	return err
}

// orNil makes an empty list what the API server stores of it, so that it does not look changed.
func orNil[T any](list []T) []T {
	if len(list) == 0 {
		return nil
	}
	return list
}

func vcn(nodeClass *v1alpha1.OciNodeClass, current *cluster.Cluster) string {
	if nodeClass.Spec.VCNID != "" {
		return nodeClass.Spec.VCNID
	}
	return current.VCNID
}

// logChange tells in one line what a class resolves to now.
func logChange(ctx context.Context, before, after *v1alpha1.OciNodeClass) {
	was, is := summary(before), summary(after)
	if reflect.DeepEqual(was, is) {
		return
	}
	values := make([]any, 0, 2*len(is))
	for _, line := range is {
		values = append(values, line.key, line.names)
	}
	log.FromContext(ctx).Info("resolved node class", values...)
}

type summaryLine struct {
	key   string
	names []string
}

// summary names what the status holds, without what changes often, such as free addresses.
func summary(nodeClass *v1alpha1.OciNodeClass) []summaryLine {
	s := nodeClass.Status
	return []summaryLine{
		{"images", names(s.Images, func(i v1alpha1.Image) string { return fmt.Sprintf("%s (%s)", i.Name, i.ID) })},
		{"subnets", names(s.Subnets, func(n v1alpha1.Subnet) string { return n.Name })},
		{"podSubnets", names(s.PodSubnets, func(n v1alpha1.Subnet) string { return n.Name })},
		{"securityGroups", names(s.SecurityGroups, func(g v1alpha1.SecurityGroup) string { return g.Name })},
		{"capacityReservations", names(s.CapacityReservations, func(r v1alpha1.CapacityReservation) string { return r.Name })},
		{"computeClusters", names(s.ComputeClusters, func(r v1alpha1.ZonalResource) string { return r.Name })},
		{"clusterPlacementGroups", names(s.ClusterPlacementGroups, func(r v1alpha1.ZonalResource) string { return r.Name })},
		{"dedicatedVmHosts", names(s.DedicatedVMHosts, func(h v1alpha1.DedicatedVMHost) string { return h.Name })},
	}
}

func names[T any](items []T, name func(T) string) []string {
	var out []string
	for _, item := range items {
		out = append(out, name(item))
	}
	return out
}
