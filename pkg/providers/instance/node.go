package instance

import (
	"fmt"
	"slices"
	"strings"

	"github.com/samber/lo"
	corev1 "k8s.io/api/core/v1"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/bootstrap"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/cluster"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instancetype"
)

// node is what the instance is told about the node that it becomes.
func node(r request, candidate Candidate, fit *instancetype.Fit, subnet v1alpha1.Subnet, img v1alpha1.Image) bootstrap.Node {
	n := classNode(r.nodeClass, r.cluster)
	n.KubernetesVersion = img.KubernetesVersion
	n.Labels = lo.Assign(r.nodeClaim.Labels, Labels(candidate))
	n.Taints = slices.Concat([]corev1.Taint{karpv1.UnregisteredNoExecuteTaint}, r.nodeClaim.Spec.Taints, r.nodeClaim.Spec.StartupTaints)
	n.MaxPods = int(fit.Resources.Capacity.Pods().Value())
	n.LocalNVMe = r.nodeClass.LocalNVMeHoldsPods() && n.Labels[v1alpha1.LabelInstanceLocalNVMe] != ""
	n.Preemptible = candidate.Offering.CapacityType() == karpv1.CapacityTypeSpot
	if n.Native != nil && len(n.Native.PodSubnetIDs) == 0 {
		n.Native.PodSubnetIDs = []string{subnet.ID}
	}
	return n
}

// classNode is the part of it that every node of a class has in common.
func classNode(nodeClass *v1alpha1.OciNodeClass, current *cluster.Cluster) bootstrap.Node {
	spec := &nodeClass.Spec
	n := bootstrap.Node{
		Family: nodeClass.ImageFamily(), Endpoint: current.Endpoint, CABundle: current.CABundle, DNSIP: current.DNSIP, IPFamilies: current.IPFamilies,
		Kubelet: spec.Kubelet, PreemptibleTaint: nodeClass.PreemptibleTaint(), BlockDevices: spec.BlockDevices,
		PreInstall: lo.FromPtr(spec.PreInstallScript), PostInstall: lo.FromPtr(spec.PostInstallScript), UserData: lo.FromPtr(spec.UserData),
		Metadata: spec.MetaData, SSHAuthorizedKeys: spec.SSHAuthorizedKeys,
	}
	if usesNativePodNetworking(nodeClass, current) {
		n.Native = &bootstrap.NativePodNetworking{
			PodSubnetIDs: lo.Map(nodeClass.Status.PodSubnets, func(s v1alpha1.Subnet, _ int) string { return s.ID }),
			PodNSGIDs:    PodSecurityGroupIDs(nodeClass),
		}
	}
	return n
}

// usesNativePodNetworking follows the class where it says, else the cluster.
func usesNativePodNetworking(nodeClass *v1alpha1.OciNodeClass, current *cluster.Cluster) bool {
	switch nodeClass.PodNetworkingType() {
	case v1alpha1.PodNetworkingFlannel:
		return false
	case v1alpha1.PodNetworkingVCNNative:
		return true
	default:
		return current.Pods == cluster.VCNNative
	}
}

// PodSecurityGroupIDs are the groups that pods join: those that the class selects for pods, or the node's when it does not say.
func PodSecurityGroupIDs(nodeClass *v1alpha1.OciNodeClass) []string {
	if p := nodeClass.Spec.PodNetworking; p == nil || p.PodSecurityGroupSelector == nil {
		return SecurityGroupIDs(nodeClass)
	}
	return lo.Map(nodeClass.Status.PodSecurityGroups, func(g v1alpha1.SecurityGroup, _ int) string { return g.ID })
}

// BootstrapCheck finds what would keep every node of a class from being launched, before one is.
type BootstrapCheck struct {
	Cluster cluster.Provider
}

// What a typical node has beside its class, in bytes of labels and taints; a class that fits with these leaves room for what
// NodePools add.
const typicalLabelBytes = 2_000

// Check builds the metadata of a typical node of the class. The error is a sentence for a condition.
func (c BootstrapCheck) Check(nodeClass *v1alpha1.OciNodeClass) error {
	current := c.Cluster.Get()
	if current == nil {
		return fmt.Errorf("the OKE cluster has not been read yet")
	}
	n := classNode(nodeClass, current)
	n.Labels = map[string]string{}
	for i := range typicalLabelBytes / 100 {
		n.Labels[fmt.Sprintf("example.com/%02d-%s", i, strings.Repeat("k", 30))] = strings.Repeat("v", 50)
	}
	n.Taints = []corev1.Taint{karpv1.UnregisteredNoExecuteTaint}
	n.MaxPods = 110
	n.LocalNVMe = nodeClass.LocalNVMeHoldsPods()
	if n.Native != nil && len(n.Native.PodSubnetIDs) == 0 {
		n.Native.PodSubnetIDs = lo.Map(nodeClass.Status.Subnets, func(s v1alpha1.Subnet, _ int) string { return s.ID })
	}
	_, err := bootstrap.Metadata(n)
	return err
}
