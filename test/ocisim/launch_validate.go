package ocisim

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/samber/lo"
)

// launchPlan is a launch whose request has been found valid.
type launchPlan struct {
	details        core.LaunchInstanceDetails
	shape          core.Shape
	size           size
	baseline       core.InstanceShapeConfigBaselineOcpuUtilizationEnum
	image          core.Image
	bootVolumeGB   int64
	bootVolumeVPUs int64
	bootVolumeKey  string // OCID; empty for Oracle's
	vnic           vnicRequest
	volumes        []core.LaunchCreateVolumeFromAttributes
	devices        []string // device paths of the volumes, in the same order
	platform       core.PlatformConfig
	reservation    *reservation
	spot           bool
}

// The documented bounds of a launch request.
const (
	maxMetadataBytes    = 32_000 // metadata and extended metadata together
	minBootVolumeGB     = 50
	maxBootVolumeGB     = 32_768
	maxFreeformTags     = 10
	maxTagKeyLength     = 100
	maxTagValueLength   = 256
	standardVPUsPerGB   = 10
	bootVPUsStep        = 10
	maxVPUsPerGB        = 120
	maxDisplayNameBytes = 255
)

// validateLaunch checks a launch as the service does before it looks for a host, and resolves what it refers to.
func (s *Simulator) validateLaunch(d core.LaunchInstanceDetails) (*launchPlan, error) {
	p := &launchPlan{details: d, spot: d.PreemptibleInstanceConfig != nil}
	for _, step := range []func(*launchPlan) error{s.checkPlacement, s.checkShape, s.checkSource, s.checkCapacityType, s.checkPlaces, s.checkNetwork, s.checkTexts, s.checkDataVolumes} {
		if err := step(p); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (s *Simulator) checkPlacement(p *launchPlan) error {
	d := p.details
	switch {
	case lo.FromPtr(d.CompartmentId) == "":
		return missing("compartmentId")
	case lo.FromPtr(d.AvailabilityDomain) == "":
		return missing("availabilityDomain")
	case lo.FromPtr(d.Shape) == "":
		return missing("shape")
	}
	if err := s.state.compartment(*d.CompartmentId); err != nil {
		return err
	}
	if err := s.availabilityDomain(*d.AvailabilityDomain); err != nil {
		return err
	}
	if d.FaultDomain != nil && !lo.Contains(s.world.FDs, *d.FaultDomain) {
		return invalid("fault domain %q does not exist in %s", *d.FaultDomain, *d.AvailabilityDomain)
	}
	if id := lo.FromPtr(d.ComputeClusterId); id != "" {
		cluster, known := s.state.clusters.get(id)
		if !known {
			return relatedNotFound("compute cluster %s", id)
		}
		if *cluster.AvailabilityDomain != *d.AvailabilityDomain {
			return invalid("compute cluster %s is not in availability domain %s", id, *d.AvailabilityDomain)
		}
		if shape, listed := s.shape(*d.Shape); listed && lo.FromPtr(shape.RdmaPorts) == 0 {
			return invalid("Shape %s has no RDMA network and is not supported in a compute cluster", *d.Shape)
		}
	}
	return nil
}

func (s *Simulator) checkShape(p *launchPlan) error {
	name := *p.details.Shape
	shape, known := s.shape(name)
	if !known || s.state.absentShapes[name+"\x00"+*p.details.AvailabilityDomain] {
		return shapeNotFound(name)
	}
	z, err := resize(shape, p.details.ShapeConfig)
	if err != nil {
		return err
	}
	p.shape, p.size = shape, z
	if p.platform, err = platformConfig(p.details, shape); err != nil {
		return err
	}
	if p.details.ShapeConfig == nil || p.details.ShapeConfig.BaselineOcpuUtilization == "" {
		return nil
	}
	wanted := string(p.details.ShapeConfig.BaselineOcpuUtilization)
	if !lo.Contains(shape.BaselineOcpuUtilizations, core.ShapeBaselineOcpuUtilizationsEnum(wanted)) {
		return invalid("baselineOcpuUtilization %s is not available for shape %s", wanted, name)
	}
	p.baseline = core.InstanceShapeConfigBaselineOcpuUtilizationEnum(wanted)
	return nil
}

func (s *Simulator) checkSource(p *launchPlan) error {
	id, gb, vpus := lo.FromPtr(p.details.ImageId), int64(0), int64(standardVPUsPerGB)
	switch source := p.details.SourceDetails.(type) {
	case core.InstanceSourceViaImageDetails:
		id, gb = lo.FromPtr(source.ImageId), lo.FromPtr(source.BootVolumeSizeInGBs)
		if source.BootVolumeSizeInGBs != nil && (gb < minBootVolumeGB || gb > maxBootVolumeGB) {
			return invalid("bootVolumeSizeInGBs %d is not within %d..%d", gb, minBootVolumeGB, maxBootVolumeGB)
		}
		if source.BootVolumeVpusPerGB != nil {
			vpus = *source.BootVolumeVpusPerGB
		}
		if vpus < bootVPUsStep || vpus > maxVPUsPerGB || vpus%bootVPUsStep != 0 {
			return invalid("bootVolumeVpusPerGB %d is not a multiple of 10 within 10..120", vpus)
		}
		p.bootVolumeKey = lo.FromPtr(source.KmsKeyId)
		if err := s.checkKey(p.bootVolumeKey); err != nil {
			return err
		}
	case nil:
	default:
		return invalid("sourceDetails.sourceType must be image in this simulator")
	}
	if id == "" {
		return missing("sourceDetails.imageId")
	}
	image, known := s.state.images.get(id)
	if !known || image.LifecycleState != core.ImageLifecycleStateAvailable {
		return relatedNotFound("image %s", id)
	}
	if !compatible(image, p.shape) {
		return invalid("Shape %s is not valid for image %s.", *p.shape.Shape, id)
	}
	p.image, p.bootVolumeGB, p.bootVolumeVPUs = image, max(gb, minBootVolumeGB), vpus
	return nil
}

func (s *Simulator) checkCapacityType(p *launchPlan) error {
	burst := p.baseline == core.InstanceShapeConfigBaselineOcpuUtilization8 || p.baseline == core.InstanceShapeConfigBaselineOcpuUtilization2
	reservationID := lo.FromPtr(p.details.CapacityReservationId)
	switch {
	case p.spot && !preemptible(*p.shape.Shape):
		return invalid("Shape %s does not support preemptible instances", *p.shape.Shape)
	case p.spot && burst:
		return invalid("Preemptible instances cannot be burstable")
	case p.spot && extended(p.shape, p.size):
		return invalid("Preemptible instances cannot have extended memory")
	case burst && extended(p.shape, p.size):
		return invalid("Burstable instances cannot have extended memory")
	case p.spot && reservationID != "":
		return invalid("Preemptible instances cannot use a capacity reservation")
	}
	if reservationID == "" {
		return nil
	}
	r, known := s.state.reservations.get(reservationID)
	if !known || r.model.LifecycleState == core.ComputeCapacityReservationLifecycleStateDeleted {
		return relatedNotFound("capacity reservation %s", reservationID)
	}
	if *r.model.AvailabilityDomain != *p.details.AvailabilityDomain {
		return invalid("capacity reservation %s is not in availability domain %s", reservationID, *p.details.AvailabilityDomain)
	}
	p.reservation = r
	return nil
}

func (s *Simulator) checkNetwork(p *launchPlan) error {
	d := p.details.CreateVnicDetails
	if d == nil && p.details.SubnetId != nil {
		d = &core.CreateVnicDetails{SubnetId: p.details.SubnetId}
	}
	request, err := s.checkVNIC(d, *p.details.AvailabilityDomain)
	p.vnic = request
	return err
}

func (s *Simulator) checkTexts(p *launchPlan) error {
	if len(lo.FromPtr(p.details.DisplayName)) > maxDisplayNameBytes {
		return invalid("displayName is longer than %d characters", maxDisplayNameBytes)
	}
	if n := metadataSize(p.details.Metadata, p.details.ExtendedMetadata); n > maxMetadataBytes {
		return invalid("The combined size of metadata and extendedMetadata is %d bytes, more than the %d allowed", n, maxMetadataBytes)
	}
	return checkTags(p.details.FreeformTags)
}

// checkTags applies OCI's documented bounds of free-form tags.
func checkTags(tags map[string]string) error {
	if len(tags) > maxFreeformTags {
		return invalid("freeformTags has %d tags, at most %d are allowed", len(tags), maxFreeformTags)
	}
	for key, value := range tags {
		if key == "" || len(key) > maxTagKeyLength || len(value) > maxTagValueLength {
			return invalid("freeform tag %.120q: a key has 1 to %d characters and a value at most %d", key, maxTagKeyLength, maxTagValueLength)
		}
	}
	return nil
}

// metadataSize counts keys and values; extended values count as JSON.
func metadataSize(metadata map[string]string, extended map[string]any) int {
	n := 0
	for key, value := range metadata {
		n += len(key) + len(value)
	}
	for key, value := range extended {
		raw, err := json.Marshal(value)
		if err != nil { // it came from JSON, so this cannot happen; count what can be seen
			raw = []byte(fmt.Sprint(value))
		}
		n += len(key) + len(raw)
	}
	return n
}

func (s *Simulator) checkDataVolumes(p *launchPlan) error {
	for _, wanted := range p.details.LaunchVolumeAttachments {
		if wanted == nil || wanted.GetLaunchCreateVolumeDetails() == nil {
			return invalid("launchVolumeAttachments: only volumes to be created (launchCreateVolumeDetails) are known to this simulator")
		}
		v, isNew := wanted.GetLaunchCreateVolumeDetails().(core.LaunchCreateVolumeFromAttributes)
		if !isNew {
			return invalid("launchCreateVolumeDetails.volumeCreationType must be ATTRIBUTES")
		}
		if gb := lo.FromPtr(v.SizeInGBs); gb < minBootVolumeGB || gb > maxBootVolumeGB {
			return invalid("sizeInGBs %d is not within %d..%d", gb, minBootVolumeGB, maxBootVolumeGB)
		}
		if err := s.checkKey(lo.FromPtr(v.KmsKeyId)); err != nil {
			return err
		}
		p.volumes = append(p.volumes, v)
		p.devices = append(p.devices, lo.FromPtr(wanted.GetDevice()))
	}
	return nil
}

// platformConfig turns the platform options of a launch into those of the instance. Their type must be the shape's.
func platformConfig(d core.LaunchInstanceDetails, shape core.Shape) (core.PlatformConfig, error) {
	if d.PlatformConfig == nil {
		return nil, nil
	}
	raw, err := json.Marshal(map[string]any{"platformConfig": d.PlatformConfig})
	if err != nil {
		return nil, fmt.Errorf("encoding platformConfig: %w", err)
	}
	var kind struct {
		PlatformConfig struct {
			Type string `json:"type"`
		} `json:"platformConfig"`
	}
	var same core.Instance
	if err := errors.Join(json.Unmarshal(raw, &kind), json.Unmarshal(raw, &same)); err != nil {
		return nil, fmt.Errorf("decoding platformConfig: %w", err)
	}
	if shape.PlatformConfigOptions == nil || string(shape.PlatformConfigOptions.Type) != kind.PlatformConfig.Type {
		return nil, invalid("platformConfig.type %s is not the one of shape %s", kind.PlatformConfig.Type, lo.FromPtr(d.Shape))
	}
	return same.PlatformConfig, nil
}

// smtOff says whether a launch turned the second thread of each core off.
func smtOff(platform core.PlatformConfig) bool {
	raw, err := json.Marshal(platform)
	if err != nil {
		return false
	}
	var options struct {
		SMT *bool `json:"isSymmetricMultiThreadingEnabled"`
	}
	return json.Unmarshal(raw, &options) == nil && options.SMT != nil && !*options.SMT
}

// vcpus are the CPUs that the instance's system sees.
func (i *instance) vcpus() int {
	if i.smtOff {
		return max(i.size.vcpus/2, 1)
	}
	return i.size.vcpus
}

// capacityTypeOf names what a launch asks for, in the words faults are matched by.
func capacityTypeOf(d core.LaunchInstanceDetails) string {
	switch {
	case d.PreemptibleInstanceConfig != nil:
		return "spot"
	case lo.FromPtr(d.CapacityReservationId) != "":
		return "reserved"
	}
	return "on-demand"
}

// limitNames are the service limits that a launch of the shape counts against.
func (p *launchPlan) limitNames() string { return strings.Join(p.shape.QuotaNames, ", ") }
