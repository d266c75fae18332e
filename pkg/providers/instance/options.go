package instance

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/samber/lo"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/bootstrap"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/cluster"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instancetype"
)

// optional is nil for an empty string, which leaves the choice to OCI.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// vnic is the node's own VNIC. A node of a cluster with IPv6 needs an IPv6 address, which OCI gives only when asked.
func vnic(nodeClass *v1alpha1.OciNodeClass, subnet v1alpha1.Subnet, current *cluster.Cluster) *core.CreateVnicDetails {
	details := &core.CreateVnicDetails{
		SubnetId: &subnet.ID, NsgIds: SecurityGroupIDs(nodeClass),
		FreeformTags: nodeClass.FreeformTags(), DefinedTags: DefinedTags(nodeClass),
	}
	if v := nodeClass.Spec.PrimaryVNIC; v != nil {
		details.AssignPublicIp, details.AssignIpv6Ip, details.SkipSourceDestCheck = v.AssignPublicIP, v.AssignIPv6IP, v.SkipSourceDestCheck
	}
	if details.AssignIpv6Ip == nil && current.HasIPv6() {
		details.AssignIpv6Ip = common.Bool(true)
	}
	return details
}

// SecurityGroupIDs are the network security groups that nodes of a class join, in order of their OCIDs.
func SecurityGroupIDs(nodeClass *v1alpha1.OciNodeClass) []string {
	ids := lo.Map(nodeClass.Status.SecurityGroups, func(g v1alpha1.SecurityGroup, _ int) string { return g.ID })
	slices.Sort(ids)
	return ids
}

// DefinedTags are the defined tags of a class as the SDK takes them; nil when there are none.
func DefinedTags(nodeClass *v1alpha1.OciNodeClass) map[string]map[string]interface{} {
	if len(nodeClass.Spec.DefinedTags) == 0 {
		return nil
	}
	out := make(map[string]map[string]interface{}, len(nodeClass.Spec.DefinedTags))
	for namespace, values := range nodeClass.Spec.DefinedTags {
		out[namespace] = map[string]interface{}{}
		for key, value := range values {
			out[namespace][key] = value
		}
	}
	return out
}

// volumes are the block volumes that are made and attached with the instance, and end with it.
func volumes(nodeClass *v1alpha1.OciNodeClass) []core.LaunchAttachVolumeDetails {
	var out []core.LaunchAttachVolumeDetails
	for i, d := range nodeClass.Spec.BlockDevices {
		device := bootstrap.DevicePath(i)
		attach := core.LaunchAttachParavirtualizedVolumeDetails{
			Device: &device,
			LaunchCreateVolumeDetails: core.LaunchCreateVolumeFromAttributes{
				SizeInGBs: common.Int64(d.SizeInGBs), VpusPerGB: common.Int64(d.VolumeVpusPerGB()), KmsKeyId: optional(d.KMSKeyID),
			},
			IsPvEncryptionInTransitEnabled: d.IsPVEncryptionInTransitEnabled,
		}
		out = append(out, attach)
	}
	return out
}

// launchOptions is nil when the class leaves everything to the image.
func launchOptions(nodeClass *v1alpha1.OciNodeClass) *core.LaunchOptions {
	encrypted := nodeClass.BootVolumeEncryptionInTransit()
	// Volumes are mounted by their consistent device paths.
	mounted := slices.ContainsFunc(nodeClass.Spec.BlockDevices, func(d v1alpha1.BlockDevice) bool { return d.MountPath != "" })
	o := nodeClass.Spec.LaunchOptions
	if o == nil && !encrypted && !mounted {
		return nil
	}
	out := &core.LaunchOptions{}
	if o != nil {
		out.BootVolumeType = core.LaunchOptionsBootVolumeTypeEnum(o.BootVolumeType)
		out.Firmware = core.LaunchOptionsFirmwareEnum(o.Firmware)
		out.NetworkType = core.LaunchOptionsNetworkTypeEnum(o.NetworkType)
		out.RemoteDataVolumeType = core.LaunchOptionsRemoteDataVolumeTypeEnum(o.RemoteDataVolumeType)
		out.IsConsistentVolumeNamingEnabled = o.IsConsistentVolumeNamingEnabled
	}
	if mounted && out.IsConsistentVolumeNamingEnabled == nil {
		out.IsConsistentVolumeNamingEnabled = common.Bool(true)
	}
	if encrypted {
		out.IsPvEncryptionInTransitEnabled = common.Bool(true)
	}
	return out
}

// availability leaves a preference of live migration out where there is none to prefer, so that OCI has nothing to refuse.
func availability(a *v1alpha1.AvailabilityConfig, migrates bool) *core.LaunchInstanceAvailabilityConfigDetails {
	if a == nil {
		return nil
	}
	out := &core.LaunchInstanceAvailabilityConfigDetails{RecoveryAction: core.LaunchInstanceAvailabilityConfigDetailsRecoveryActionEnum(a.RecoveryAction)}
	if migrates {
		out.IsLiveMigrationPreferred = a.IsLiveMigrationPreferred
	}
	if *out == (core.LaunchInstanceAvailabilityConfigDetails{}) {
		return nil
	}
	return out
}

// migrates says whether OCI can move an instance to another host while it runs: not where the shape's record says no, and neither preemptible
// instances nor those with extended memory (Compute documentation).
func (p *DefaultProvider) migrates(size instancetype.Size, candidate Candidate) bool {
	s, ok := p.shapes.Snapshot().Shape(size.ShapeName)
	return ok && s.LiveMigration && !s.IsExtended(size.OCPUs, size.MemoryGB) && candidate.Offering.CapacityType() != karpv1.CapacityTypeSpot
}

// rdmaPlugins are the plugins of Oracle Cloud Agent without which a server in a compute cluster has no RDMA network: one lets it into the
// network, the other sets up its cards. Both are off unless a launch turns them on (documentation of compute clusters).
var rdmaPlugins = []string{"Compute HPC RDMA Authentication", "Compute HPC RDMA Auto-Configuration"}

// plugins are those to turn on: the class's, and in a compute cluster what RDMA needs, unless the class turns it off.
func plugins(spec *v1alpha1.OciNodeClassSpec, inComputeCluster bool) []string {
	if !inComputeCluster {
		return spec.AgentList
	}
	needed := lo.Reject(rdmaPlugins, func(name string, _ int) bool { return slices.Contains(spec.DisabledAgentList, name) })
	return lo.Uniq(slices.Concat(spec.AgentList, needed))
}

// agent turns plugins of Oracle Cloud Agent on and off; the others keep their defaults.
func agent(enabled, disabled []string) *core.LaunchInstanceAgentConfigDetails {
	if len(enabled)+len(disabled) == 0 {
		return nil
	}
	var plugins []core.InstanceAgentPluginConfigDetails
	for _, name := range enabled {
		plugins = append(plugins, core.InstanceAgentPluginConfigDetails{Name: common.String(name), DesiredState: core.InstanceAgentPluginConfigDetailsDesiredStateEnabled})
	}
	for _, name := range disabled {
		plugins = append(plugins, core.InstanceAgentPluginConfigDetails{Name: common.String(name), DesiredState: core.InstanceAgentPluginConfigDetailsDesiredStateDisabled})
	}
	return &core.LaunchInstanceAgentConfigDetails{PluginsConfig: plugins}
}

// platformConfig is nil when the class asks for nothing. Its type follows the shape; instance types of shapes that can not do
// what is asked are not offered. The SDK has one Go type for each kind of platform, all with the fields that the class has under
// the same names, so the SDK's own decoding chooses among them.
func (p *DefaultProvider) platformConfig(asked *v1alpha1.PlatformConfig, shapeName string) (core.LaunchInstancePlatformConfig, error) {
	s, ok := p.shapes.Snapshot().Shape(shapeName)
	if asked == nil || !ok || s.Platform.Type == "" {
		return nil, nil
	}
	// A switch that a shape does not have is off, and OCI refuses even to be told so.
	sent := v1alpha1.PlatformConfig{
		IsSecureBootEnabled:              s.Platform.SecureBoot.Sent(asked.IsSecureBootEnabled),
		IsMeasuredBootEnabled:            s.Platform.MeasuredBoot.Sent(asked.IsMeasuredBootEnabled),
		IsTrustedPlatformModuleEnabled:   s.Platform.TPM.Sent(asked.IsTrustedPlatformModuleEnabled),
		IsMemoryEncryptionEnabled:        s.Platform.MemoryEncryption.Sent(asked.IsMemoryEncryptionEnabled),
		IsSymmetricMultiThreadingEnabled: s.Platform.Multithreading.Sent(asked.IsSymmetricMultiThreadingEnabled),
	}
	if sent == (v1alpha1.PlatformConfig{}) {
		return nil, nil
	}
	raw, err := json.Marshal(map[string]any{"platformConfig": struct {
		Type string `json:"type"`
		v1alpha1.PlatformConfig
	}{s.Platform.Type, sent}})
	if err != nil {
		return nil, fmt.Errorf("encoding the platform options: %w", err)
	}
	var details core.LaunchInstanceDetails
	if err := json.Unmarshal(raw, &details); err != nil {
		return nil, fmt.Errorf("shape %s has platform options of an unknown type %s: %w", shapeName, s.Platform.Type, err)
	}
	return details.PlatformConfig, nil
}

// placeInDomain puts the instance where the class's placement says, which is bound to an availability domain.
func placeInDomain(details *core.LaunchInstanceDetails, nodeClass *v1alpha1.OciNodeClass, domain string) {
	in := func(z v1alpha1.ZonalResource) bool { return z.AvailabilityDomain == domain }
	if found, ok := lo.Find(nodeClass.Status.ComputeClusters, in); ok {
		details.ComputeClusterId = &found.ID
	}
	if found, ok := lo.Find(nodeClass.Status.ClusterPlacementGroups, in); ok {
		details.ClusterPlacementGroupId = &found.ID
	}
	if found, ok := dedicatedHost(nodeClass, domain); ok {
		details.DedicatedVmHostId = &found.ID
		if found.FaultDomain != "" {
			details.FaultDomain = &found.FaultDomain
		}
	}
}

// placementIDs are the places that a launch names, in order of their OCIDs.
func placementIDs(details core.LaunchInstanceDetails) []string {
	ids := lo.Compact([]string{oci.Value(details.ComputeClusterId), oci.Value(details.ClusterPlacementGroupId), oci.Value(details.DedicatedVmHostId)})
	slices.Sort(ids)
	return ids
}

// ownershipMetadata holds all ownership tags, for instances whose class leaves no room among the freeform tags.
func ownershipMetadata(tags map[string]string) (string, error) {
	out, err := json.Marshal(tags)
	if err != nil {
		return "", fmt.Errorf("encoding the ownership tags: %w", err)
	}
	return string(out), nil
}
