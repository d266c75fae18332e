package inventory

import (
	"cmp"
	"encoding/json"
	"strings"
	"time"

	"github.com/oracle/oci-go-sdk/v65/core"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
)

// Instance is one OCI instance of this cluster's NodeClaims, as last seen.
type Instance struct {
	ID                 string
	Name               string
	State              core.InstanceLifecycleStateEnum
	AvailabilityDomain string // full name
	FaultDomain        string
	Shape              string
	OCPUs              float64
	MemoryGB           float64
	Baseline           string // OCI's name of a burstable utilisation, such as BASELINE_1_8; empty for whole OCPUs
	ImageID            string
	CapacityType       string // one of Karpenter's capacity types
	// CapacityReservationID is the OCID of the capacity reservation that the instance uses now; empty for none.
	CapacityReservationID string
	Created               time.Time
	Owner                 Owner
	CompartmentID         string
	// RebootDue is when Oracle reboots the instance for maintenance, within 24 hours after; zero when nothing is announced.
	RebootDue time.Time
	// FreeformTags and DefinedTags are all tags of the instance, ours and others'.
	FreeformTags map[string]string
	DefinedTags  map[string]map[string]interface{}
	// Unlisted says that this process launched the instance and that no list has shown it yet.
	Unlisted bool
	// TagsEdited says that the ownership tags do not say what the NodeClaim of this instance says; Owner is the NodeClaim's word.
	TagsEdited bool
	// WorkRequestID is the launch's work request; known only to the process that launched the instance.
	WorkRequestID string
	// NamedFaultDomain is the fault domain that the launch asked for, empty when OCI chose; known as WorkRequestID is.
	NamedFaultDomain string
}

// Owner is what the ownership tags of an instance say.
type Owner struct {
	NodePool     NamedUID
	NodeClaim    NamedUID
	NodeClass    string
	InstanceType string // the instance type's name that was chosen
}

// NamedUID is an object's name and UID, which share one tag as "name/uid".
type NamedUID struct {
	Name string
	UID  string
}

// String is the tag's value.
func (n NamedUID) String() string { return n.Name + "/" + n.UID }

func parseNamedUID(tag string) NamedUID {
	name, uid, _ := strings.Cut(tag, "/")
	return NamedUID{Name: name, UID: uid}
}

// OwnerOf is what a NodeClaim says of itself and its NodePool.
func OwnerOf(nodeClaim *karpv1.NodeClaim) Owner {
	owner := Owner{
		NodePool:  NamedUID{Name: nodeClaim.Labels[karpv1.NodePoolLabelKey]},
		NodeClaim: NamedUID{Name: nodeClaim.Name, UID: string(nodeClaim.UID)},
	}
	for _, ref := range nodeClaim.OwnerReferences {
		if ref.Kind == "NodePool" {
			owner.NodePool.UID = string(ref.UID)
		}
	}
	return owner
}

// Tags are the freeform tags that mark an instance as the owner's, in the cluster with this OCID.
func (o Owner) Tags(clusterID string) map[string]string {
	return map[string]string{
		v1alpha1.TagClusterID:    clusterID,
		v1alpha1.TagNodePool:     o.NodePool.String(),
		v1alpha1.TagNodeClaim:    o.NodeClaim.String(),
		v1alpha1.TagNodeClass:    o.NodeClass,
		v1alpha1.TagInstanceType: o.InstanceType,
	}
}

// Gone says that OCI has ended the instance and everything that it owned.
func (i Instance) Gone() bool { return i.State == core.InstanceLifecycleStateTerminated }

// Ending says that the instance is on its way out or gone.
func (i Instance) Ending() bool {
	return i.Gone() || i.State == core.InstanceLifecycleStateTerminating
}

// inTransit says that the instance is about to change its state by itself.
func (i Instance) inTransit() bool {
	switch i.State {
	case core.InstanceLifecycleStateRunning, core.InstanceLifecycleStateTerminated, core.InstanceLifecycleStateStopped:
		return false
	default:
		return true
	}
}

// FromSDK reads an instance; false when it does not carry the tag of this cluster, that is, is none of ours.
func FromSDK(raw core.Instance, clusterID string) (Instance, bool) {
	tags := ownership(raw)
	if clusterID == "" || tags[v1alpha1.TagClusterID] != clusterID {
		return Instance{}, false
	}
	return read(raw, tags), true
}

// fromClaim reads an instance that a NodeClaim of this cluster names. Tags can be edited by hand, so the NodeClaim's word about the
// owner counts more than they do. The one exception is a tag of another cluster: such an instance is never ours.
func fromClaim(raw core.Instance, clusterID string, owner Owner) (Instance, bool) {
	tags := ownership(raw)
	if at := tags[v1alpha1.TagClusterID]; clusterID == "" || (at != "" && at != clusterID) {
		return Instance{}, false
	}
	instance := read(raw, tags)
	if owner.NodePool.UID == "" && owner.NodePool.Name == instance.Owner.NodePool.Name {
		owner.NodePool.UID = instance.Owner.NodePool.UID // a NodeClaim that outlived its NodePool
	}
	owner.NodeClass, owner.InstanceType = cmp.Or(owner.NodeClass, instance.Owner.NodeClass), cmp.Or(owner.InstanceType, instance.Owner.InstanceType)
	instance.TagsEdited = tags[v1alpha1.TagClusterID] == "" || instance.Owner.NodeClaim != owner.NodeClaim || instance.Owner.NodePool != owner.NodePool
	instance.Owner = owner
	return instance, true
}

func read(raw core.Instance, tags map[string]string) Instance {
	instance := Instance{
		ID: oci.Value(raw.Id), Name: oci.Value(raw.DisplayName), State: raw.LifecycleState,
		AvailabilityDomain: oci.Value(raw.AvailabilityDomain), FaultDomain: oci.Value(raw.FaultDomain),
		CompartmentID: oci.Value(raw.CompartmentId), FreeformTags: raw.FreeformTags, DefinedTags: raw.DefinedTags,
		Shape: oci.Value(raw.Shape), ImageID: imageID(raw), CapacityType: capacityType(raw), CapacityReservationID: oci.Value(raw.CapacityReservationId), Created: oci.Value(raw.TimeCreated).Time,
		RebootDue: oci.Value(raw.TimeMaintenanceRebootDue).Time,
		Owner: Owner{
			NodePool: parseNamedUID(tags[v1alpha1.TagNodePool]), NodeClaim: parseNamedUID(tags[v1alpha1.TagNodeClaim]),
			NodeClass: tags[v1alpha1.TagNodeClass], InstanceType: tags[v1alpha1.TagInstanceType],
		},
	}
	if raw.ShapeConfig != nil {
		instance.OCPUs = float64(oci.Value(raw.ShapeConfig.Ocpus))
		instance.MemoryGB = float64(oci.Value(raw.ShapeConfig.MemoryInGBs))
		if b := raw.ShapeConfig.BaselineOcpuUtilization; b != core.InstanceShapeConfigBaselineOcpuUtilization1 {
			instance.Baseline = string(b)
		}
	}
	return instance
}

// ownership reads the ownership tags; those that found no room among the freeform tags stand in the instance's metadata.
func ownership(raw core.Instance) map[string]string {
	written := raw.Metadata[v1alpha1.MetadataOwnership]
	if written == "" {
		return raw.FreeformTags
	}
	tags := map[string]string{}
	if err := json.Unmarshal([]byte(written), &tags); err != nil {
		return raw.FreeformTags
	}
	for _, key := range v1alpha1.OwnTagsByImportance {
		if value, ok := raw.FreeformTags[key]; ok {
			tags[key] = value
		}
	}
	return tags
}

func imageID(raw core.Instance) string {
	if source, ok := raw.SourceDetails.(core.InstanceSourceViaImageDetails); ok && source.ImageId != nil {
		return *source.ImageId
	}
	return oci.Value(raw.ImageId)
}

func capacityType(raw core.Instance) string {
	switch {
	case raw.PreemptibleInstanceConfig != nil:
		return karpv1.CapacityTypeSpot
	case oci.Value(raw.CapacityReservationId) != "":
		return karpv1.CapacityTypeReserved
	default:
		return karpv1.CapacityTypeOnDemand
	}
}
