package instance

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/core"
	corev1 "k8s.io/api/core/v1"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/scheduling"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/bootstrap"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/cluster"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/image"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instancetype"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/inventory"
)

// plan is one launch, fully decided: the request, the token that makes it repeatable, and what it was decided from.
type plan struct {
	candidate Candidate
	fit       *instancetype.Fit
	subnet    v1alpha1.Subnet
	owner     inventory.Owner
	details   core.LaunchInstanceDetails
	attempt   int // among those of the NodeClaim, from 1
	token     string
	repeated  bool // was sent before, and nobody knows what became of it
}

// request is what a NodeClaim's launch is planned from.
type request struct {
	nodeClass *v1alpha1.OciNodeClass
	nodeClaim *karpv1.NodeClaim
	cluster   *cluster.Cluster
	sizes     *instancetype.Fitter
	ledger    *ledger
}

// plan decides one launch; faultDomain is empty when OCI is to choose. Equal input gives an equal request and token, so that a repeat after a
// crash finds the same instance.
func (p *DefaultProvider) plan(r request, candidate Candidate, subnet v1alpha1.Subnet, faultDomain string, attempt int) (plan, error) {
	fit, ok := r.sizes.FitIn(candidate.Type.Name, candidate.Offering)
	if !ok {
		return plan{}, fmt.Errorf("instance type %s has no known shape", candidate.Type.Name)
	}
	size := fit.Size
	domain, ok := p.availabilityDomain(candidate.Offering.Zone())
	if !ok {
		return plan{}, fmt.Errorf("zone %s is no availability domain of this region", candidate.Offering.Zone())
	}
	img, ok := image.ForInstanceType(r.nodeClass.Status.Images, candidate.Type.Requirements)
	if !ok {
		return plan{}, fmt.Errorf("OciNodeClass %s has no image for instance type %s; add a term to imageSelector", r.nodeClass.Name, candidate.Type.Name)
	}
	metadata, err := bootstrap.Metadata(node(r, candidate, fit, subnet, img))
	if err != nil {
		return plan{}, err
	}
	owner := ownerOf(r, candidate)
	tags, left := v1alpha1.WithOwnership(r.nodeClass.FreeformTags(), owner.Tags(p.cfg.ClusterID))
	if len(left) > 0 {
		if metadata[v1alpha1.MetadataOwnership], err = ownershipMetadata(owner.Tags(p.cfg.ClusterID)); err != nil {
			return plan{}, err
		}
	}
	spec := &r.nodeClass.Spec
	platform, err := p.platformConfig(spec.PlatformConfig, size.ShapeName)
	if err != nil {
		return plan{}, err
	}
	details := core.LaunchInstanceDetails{
		AvailabilityDomain: &domain,
		FaultDomain:        optional(faultDomain),
		CompartmentId:      common.String(r.nodeClass.CompartmentIDOr(p.cfg.CompartmentID)),
		DisplayName:        &r.nodeClaim.Name,
		Shape:              &size.ShapeName,
		ShapeConfig:        p.shapeConfig(size),
		CreateVnicDetails:  vnic(r.nodeClass, subnet, r.cluster),
		SourceDetails: core.InstanceSourceViaImageDetails{
			ImageId:             &img.ID,
			BootVolumeSizeInGBs: common.Int64(r.nodeClass.BootVolumeSizeInGBs()),
			BootVolumeVpusPerGB: common.Int64(r.nodeClass.BootVolumeVpusPerGB()),
			KmsKeyId:            optional(r.nodeClass.BootVolumeKMSKeyID()),
		},
		LaunchVolumeAttachments: volumes(r.nodeClass),
		LaunchOptions:           launchOptions(r.nodeClass),
		PlatformConfig:          platform,
		AvailabilityConfig:      availability(spec.AvailabilityConfig, p.migrates(size, candidate)),
		InstanceOptions:         &core.InstanceOptions{AreLegacyImdsEndpointsDisabled: common.Bool(r.nodeClass.LegacyIMDSDisabled())},
		Metadata:                metadata,
		FreeformTags:            tags,
		DefinedTags:             DefinedTags(r.nodeClass),
	}
	placeInDomain(&details, r.nodeClass, domain)
	details.AgentConfig = agent(plugins(spec, details.ComputeClusterId != nil), spec.DisabledAgentList)
	placeInReservation(&details, r.nodeClass, candidate)
	if candidate.Offering.CapacityType() == karpv1.CapacityTypeSpot {
		details.PreemptibleInstanceConfig = &core.PreemptibleInstanceConfigDetails{
			PreemptionAction: core.TerminatePreemptionAction{PreserveBootVolume: common.Bool(r.nodeClass.PreserveBootVolumeOnPreemption())},
		}
	}
	token, err := retryToken(r.nodeClaim, attempt, details)
	if err != nil {
		return plan{}, err
	}
	return plan{candidate: candidate, fit: fit, subnet: subnet, owner: owner, details: details, attempt: attempt, token: token}, nil
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
	owner := inventory.OwnerOf(r.nodeClaim)
	owner.NodeClass, owner.InstanceType = r.nodeClass.Name, candidate.Type.Name
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

// retryToken is derived from the NodeClaim, the attempt's number and the request: the same launch always has the same token, and a token is
// never used for a different request, which OCI would refuse, nor for a second launch after the first has ended. OCI takes up to 64 characters.
func retryToken(nodeClaim *karpv1.NodeClaim, attempt int, details core.LaunchInstanceDetails) (string, error) {
	body, err := json.Marshal(details)
	if err != nil {
		return "", fmt.Errorf("encoding the launch of NodeClaim %s: %w", nodeClaim.Name, err)
	}
	sum := sha256.Sum256(append(fmt.Appendf(nil, "%s\n%d\n", nodeClaim.UID, attempt), body...))
	return hex.EncodeToString(sum[:]), nil
}
