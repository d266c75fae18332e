package instance

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/samber/lo"
	corev1 "k8s.io/api/core/v1"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/scheduling"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/bootstrap"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/cluster"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/image"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instancetype"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/inventory"
)

// plan is one launch, fully decided: the request, the token that makes it repeatable, and what it was decided from.
type plan struct {
	candidate Candidate
	size      instancetype.Size
	subnet    v1alpha1.Subnet
	owner     inventory.Owner
	details   core.LaunchInstanceDetails
	token     string
}

// request is what a NodeClaim's launch is planned from.
type request struct {
	nodeClass *v1alpha1.OciNodeClass
	nodeClaim *karpv1.NodeClaim
	cluster   *cluster.Cluster
}

// plan decides one launch. Equal input gives an equal request and token, so that a repeat after a crash finds the same instance.
func (p *DefaultProvider) plan(r request, candidate Candidate, subnet v1alpha1.Subnet) (plan, error) {
	size, ok := p.sizes.Size(candidate.Type.Name)
	if !ok {
		return plan{}, fmt.Errorf("instance type %s has no known shape", candidate.Type.Name)
	}
	domain, ok := p.availabilityDomain(candidate.Offering.Zone())
	if !ok {
		return plan{}, fmt.Errorf("zone %s is no availability domain of this region", candidate.Offering.Zone())
	}
	img, ok := image.ForInstanceType(r.nodeClass.Status.Images, candidate.Type.Requirements)
	if !ok {
		return plan{}, fmt.Errorf("OciNodeClass %s has no image for instance type %s; add a term to imageSelector", r.nodeClass.Name, candidate.Type.Name)
	}
	metadata, err := bootstrap.Metadata(node(r, candidate, subnet))
	if err != nil {
		return plan{}, err
	}
	owner := ownerOf(r, candidate)
	details := core.LaunchInstanceDetails{
		AvailabilityDomain: &domain,
		CompartmentId:      &p.cfg.CompartmentID,
		DisplayName:        &r.nodeClaim.Name,
		Shape:              &size.ShapeName,
		ShapeConfig:        p.shapeConfig(size),
		CreateVnicDetails: &core.CreateVnicDetails{
			SubnetId:     &subnet.ID,
			NsgIds:       lo.Map(r.nodeClass.Status.SecurityGroups, func(g v1alpha1.SecurityGroup, _ int) string { return g.ID }),
			FreeformTags: maps.Clone(r.nodeClass.Spec.FreeFormTags),
		},
		SourceDetails: core.InstanceSourceViaImageDetails{
			ImageId:             &img.ID,
			BootVolumeSizeInGBs: common.Int64(r.nodeClass.BootVolumeSizeInGBs()),
			BootVolumeVpusPerGB: common.Int64(r.nodeClass.BootVolumeVpusPerGB()),
		},
		Metadata: metadata,
		// The metadata service's first version answers any process that can make a request; nothing of OKE's needs it.
		InstanceOptions: &core.InstanceOptions{AreLegacyImdsEndpointsDisabled: common.Bool(true)},
		FreeformTags:    lo.Assign(r.nodeClass.Spec.FreeFormTags, owner.Tags(p.cfg.ClusterID)),
		DefinedTags:     definedTags(r.nodeClass.Spec.DefinedTags),
	}
	if candidate.Offering.CapacityType() == karpv1.CapacityTypeSpot {
		details.PreemptibleInstanceConfig = &core.PreemptibleInstanceConfigDetails{
			PreemptionAction: core.TerminatePreemptionAction{PreserveBootVolume: common.Bool(false)},
		}
	}
	token, err := retryToken(r.nodeClaim, details)
	if err != nil {
		return plan{}, err
	}
	return plan{candidate: candidate, size: size, subnet: subnet, owner: owner, details: details, token: token}, nil
}

// node is what the instance is told about the node that it becomes.
func node(r request, candidate Candidate, subnet v1alpha1.Subnet) bootstrap.Node {
	n := bootstrap.Node{
		Endpoint: r.cluster.Endpoint, CABundle: r.cluster.CABundle, DNSIP: r.cluster.DNSIP,
		Labels:  lo.Assign(r.nodeClaim.Labels, Labels(candidate)),
		Taints:  append(append([]corev1.Taint{karpv1.UnregisteredNoExecuteTaint}, r.nodeClaim.Spec.Taints...), r.nodeClaim.Spec.StartupTaints...),
		MaxPods: int(candidate.Type.Capacity.Pods().Value()),
	}
	if r.cluster.Pods == cluster.VCNNative {
		n.Native = &bootstrap.NativePodNetworking{
			PodSubnetIDs: []string{subnet.ID},
			PodNSGIDs:    lo.Map(r.nodeClass.Status.SecurityGroups, func(g v1alpha1.SecurityGroup, _ int) string { return g.ID }),
		}
	}
	return n
}

// Labels are the labels that a launch decides: every requirement of the instance type and the offering that has one value.
func Labels(candidate Candidate) map[string]string {
	labels := map[string]string{}
	for _, requirements := range []scheduling.Requirements{candidate.Type.Requirements, candidate.Offering.Requirements} {
		for key, requirement := range requirements {
			if requirement.Operator() == corev1.NodeSelectorOpIn && requirement.Len() == 1 {
				labels[key] = requirement.Any()
			}
		}
	}
	return labels
}

func ownerOf(r request, candidate Candidate) inventory.Owner {
	owner := inventory.Owner{
		NodePool:     inventory.NamedUID{Name: r.nodeClaim.Labels[karpv1.NodePoolLabelKey]},
		NodeClaim:    inventory.NamedUID{Name: r.nodeClaim.Name, UID: string(r.nodeClaim.UID)},
		NodeClass:    r.nodeClass.Name,
		InstanceType: candidate.Type.Name,
	}
	for _, ref := range r.nodeClaim.OwnerReferences {
		if ref.Kind == "NodePool" {
			owner.NodePool.UID = string(ref.UID)
		}
	}
	return owner
}

// availabilityDomain is the full name of a zone's availability domain.
func (p *DefaultProvider) availabilityDomain(zone string) (string, bool) {
	snapshot := p.shapes.Snapshot()
	if snapshot == nil {
		return "", false
	}
	return snapshot.AvailabilityDomain(zone)
}

// shapeConfig is nil for a fixed shape, which takes no size.
func (p *DefaultProvider) shapeConfig(size instancetype.Size) *core.LaunchInstanceShapeConfigDetails {
	if s, ok := p.shapes.Snapshot().Shape(size.ShapeName); !ok || !s.Flexible {
		return nil
	}
	config := &core.LaunchInstanceShapeConfigDetails{
		Ocpus: common.Float32(float32(size.OCPUs)), MemoryInGBs: common.Float32(float32(size.MemoryGB)),
	}
	if size.Baseline != "" {
		config.BaselineOcpuUtilization = core.LaunchInstanceShapeConfigDetailsBaselineOcpuUtilizationEnum(size.Baseline)
	}
	return config
}

func definedTags(tags map[string]map[string]string) map[string]map[string]interface{} {
	if len(tags) == 0 {
		return nil
	}
	out := make(map[string]map[string]interface{}, len(tags))
	for namespace, values := range tags {
		out[namespace] = lo.MapValues(values, func(v string, _ string) interface{} { return v })
	}
	return out
}

// retryToken is derived from the NodeClaim and the request: the same launch always has the same token, and a token is never
// used for a different request, which OCI would refuse. OCI takes up to 64 characters.
func retryToken(nodeClaim *karpv1.NodeClaim, details core.LaunchInstanceDetails) (string, error) {
	body, err := json.Marshal(details)
	if err != nil {
		return "", fmt.Errorf("encoding the launch of NodeClaim %s: %w", nodeClaim.Name, err)
	}
	sum := sha256.Sum256(append([]byte(string(nodeClaim.UID)+"\n"), body...))
	return hex.EncodeToString(sum[:]), nil
}

// subnetsFor lists the subnets that serve an availability domain, beginning at a place that the NodeClaim's UID decides, so
// that nodes spread over them and a repeat begins at the same one.
func subnetsFor(nodeClass *v1alpha1.OciNodeClass, availabilityDomain string, uid string) []v1alpha1.Subnet {
	usable := lo.Filter(nodeClass.Status.Subnets, func(s v1alpha1.Subnet, _ int) bool {
		return s.AvailabilityDomain == "" || s.AvailabilityDomain == availabilityDomain
	})
	if len(usable) == 0 {
		return nil
	}
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(uid))
	first := int(hash.Sum32() % uint32(len(usable))) //nolint:gosec // a handful of subnets
	return append(append([]v1alpha1.Subnet{}, usable[first:]...), usable[:first]...)
}

// nodesByZone counts the NodePool's instances by zone.
func nodesByZone(nodePool string, instances inventory.Snapshot) map[string]int {
	zones := map[string]int{}
	for _, i := range instances.All() {
		if i.Owner.NodePool.Name == nodePool && !i.Ending() {
			zones[oci.Zone(i.AvailabilityDomain)]++
		}
	}
	return zones
}
