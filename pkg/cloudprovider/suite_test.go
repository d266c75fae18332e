package cloudprovider_test

import (
	"context"
	"testing"
	"time"

	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/test"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/cloudprovider"
	"github.com/karpenter-oke/karpenter-oke/pkg/controllers/nodeclass"
	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/capacity"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/cluster"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/image"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instance"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instancetype"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instancetype/resources"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/inventory"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/maintenance"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/network"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/placement"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/pricing"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/reservation"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/shape"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
	"github.com/karpenter-oke/karpenter-oke/test/ocitest"
)

// suite is the cloud provider on a simulated region, with a NodePool and a ready node class.
type suite struct {
	*cloudprovider.CloudProvider
	t            *testing.T
	deps         cloudprovider.Dependencies
	region       *ocitest.Region
	kube         client.Client
	claims       instance.Claims
	clock        clock.Clock
	api          func(instance.API) instance.API // what a test puts between the provider and OCI
	compartments inventory.Compartments          // nil: the one of the region
	inventory    *inventory.DefaultProvider
	unavailable  *capacity.Unavailable
	status       *nodeclass.StatusController
	nodeClass    *v1alpha1.OciNodeClass
	nodePool     *karpv1.NodePool
	reservations *reservation.DefaultProvider
	annotate     map[string]string // what a test adds to a NodeClaim's annotations
}

func newSuite(t *testing.T, options ocisim.Options) *suite {
	t.Helper()
	s := &suite{t: t, region: ocitest.Start(t, options)}
	s.nodeClass = &v1alpha1.OciNodeClass{
		ObjectMeta: metav1.ObjectMeta{Name: "burst", Generation: 1},
		Spec: v1alpha1.OciNodeClassSpec{
			ImageSelector: []v1alpha1.ImageSelectorTerm{{OSFamily: "Oracle Linux", OSVersion: "8"}},
			SubnetSelector: lo.Map(s.region.World.NodeSubnetIDs, func(id string, _ int) v1alpha1.SubnetSelectorTerm {
				return v1alpha1.SubnetSelectorTerm{ID: id}
			}),
			SecurityGroupSelector: []v1alpha1.SecurityGroupSelectorTerm{{ID: s.region.World.NSGIDs[0]}},
			BootConfig:            &v1alpha1.BootConfig{BootVolumeSizeInGBs: lo.ToPtr(int64(100)), BootVolumeVpusPerGB: lo.ToPtr(int64(20))},
			FreeFormTags:          map[string]string{"team": "data"},
		},
	}
	s.nodePool = &karpv1.NodePool{ObjectMeta: metav1.ObjectMeta{Name: "burst", UID: "pool-uid"}}
	s.nodePool.Spec.Template.Spec.NodeClassRef = &karpv1.NodeClassReference{Group: v1alpha1.Group, Kind: "OciNodeClass", Name: "burst"}
	s.nodePool.Spec.Template.Spec.Requirements = []karpv1.NodeSelectorRequirementWithMinValues{
		{Key: v1alpha1.LabelInstanceShapeName, Operator: corev1.NodeSelectorOpIn, Values: []string{"VM.Standard.E5.Flex"}},
	}
	s.kube = fake.NewClientBuilder().WithScheme(scheme.Scheme).WithObjects(s.nodeClass, s.nodePool).WithStatusSubresource(s.nodeClass).Build()
	s.claims, s.clock, s.api = s.kube, clock.RealClock{}, func(api instance.API) instance.API { return api }
	s.restart()
	return s
}

// Reservations implements reservation.Selected.
func (s *suite) Reservations(context.Context) ([]string, error) {
	return lo.Map(s.nodeClass.Status.CapacityReservations, func(r v1alpha1.CapacityReservation, _ int) string { return r.ID }), nil
}

// resolve brings the class's status up to date.
func (s *suite) resolve() {
	s.t.Helper()
	require.NoError(s.t, s.kube.Get(s.t.Context(), client.ObjectKeyFromObject(s.nodeClass), s.nodeClass))
	_, err := s.status.Reconcile(s.t.Context(), s.nodeClass)
	require.NoError(s.t, err)
	require.NoError(s.t, s.kube.Get(s.t.Context(), client.ObjectKeyFromObject(s.nodeClass), s.nodeClass))
}

// restart makes the providers anew, as a controller that was killed and started again: nothing is remembered.
func (s *suite) restart() {
	s.t.Helper()
	c, world := s.region.Client, s.region.World
	clusters := cluster.NewProvider(c, world.ClusterID, cluster.Overrides{CABundle: []byte("ca"), DNSIP: "10.96.5.5"})
	require.NoError(s.t, clusters.Refresh(s.t.Context()))
	shapes, err := shape.NewProvider(c, world.CompartmentID)
	require.NoError(s.t, err)
	require.NoError(s.t, shapes.Refresh(s.t.Context()))
	prices, err := pricing.NewProvider(pricing.Settings{})
	require.NoError(s.t, err)
	s.unavailable = capacity.NewUnavailable(clock.RealClock{}).WithShapes(shapes)
	compartments := s.compartments
	if compartments == nil {
		compartments = inventory.OneCompartment(world.CompartmentID)
	}
	s.inventory = inventory.NewProvider(c, compartments, world.ClusterID, clock.RealClock{})
	addresses := network.NewAddresses(clock.RealClock{})
	s.reservations = reservation.NewProvider(c, s, clock.RealClock{})
	instanceTypes := instancetype.NewProvider(
		instancetype.Dependencies{Shapes: shapes, Prices: prices, Unavailable: s.unavailable, Reservations: s.reservations, Addresses: addresses},
		instancetype.Settings{Region: oci.RegionLabel(c.Region()), Pods: resources.PodLimits{VCNNative: true}})
	tenancy, err := c.Tenancy()
	require.NoError(s.t, err)
	instances := instance.NewProvider(instance.Config{ClusterID: world.ClusterID, CompartmentID: world.CompartmentID}, instance.Dependencies{
		API: s.api(c), Sizes: instanceTypes, Shapes: shapes, Cluster: clusters, Inventory: s.inventory, Claims: s.claims, Unavailable: s.unavailable,
		Reports: capacity.NewReports(tenancy, shapes, clock.RealClock{}), Reservations: s.reservations, Addresses: addresses, Clock: s.clock,
	})
	outcomes := nodeclass.NewLaunchOutcomes(clock.RealClock{})
	s.deps = cloudprovider.Dependencies{
		Kube: s.kube, Recorder: test.NewEventRecorder(), Launches: outcomes, InstanceTypes: instanceTypes, Instances: instances, Inventory: s.inventory,
		Maintenance: maintenance.Policy{Clock: clock.RealClock{}, ReplaceBefore: time.Hour},
	}
	s.CloudProvider = cloudprovider.New(s.deps)
	s.status = nodeclass.NewStatusController(nodeclass.Dependencies{
		Kube: s.kube, OCI: c, Cluster: clusters, Images: image.NewProvider(c, image.Config{ClusterID: world.ClusterID, CompartmentID: world.CompartmentID}),
		Network: network.NewProvider(c, world.CompartmentID), Placement: placement.NewProvider(c),
		Launches: outcomes, CompartmentID: world.CompartmentID, Clock: clock.RealClock{},
	})
	s.resolve()
	require.True(s.t, s.nodeClass.StatusConditions().Root().IsTrue(), "%v", s.nodeClass.Status.Conditions)
}

// claim is a NodeClaim as core makes it: the types that would do by name, and what the pods ask for.
func (s *suite) claim(name string, more ...karpv1.NodeSelectorRequirementWithMinValues) *karpv1.NodeClaim {
	s.t.Helper()
	instanceTypes, err := s.GetInstanceTypes(s.t.Context(), s.nodePool)
	require.NoError(s.t, err)
	names := make([]string, 0, len(instanceTypes))
	for _, it := range instanceTypes {
		names = append(names, it.Name)
	}
	require.NotEmpty(s.t, names)
	c := &karpv1.NodeClaim{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, UID: types.UID("uid-" + name), CreationTimestamp: metav1.Now(),
			Labels:          map[string]string{karpv1.NodePoolLabelKey: "burst", "workload-type": "stateful"},
			OwnerReferences: []metav1.OwnerReference{{Kind: "NodePool", Name: "burst", UID: "pool-uid"}},
		},
	}
	c.Spec.NodeClassRef = s.nodePool.Spec.Template.Spec.NodeClassRef
	c.Spec.Requirements = append([]karpv1.NodeSelectorRequirementWithMinValues{
		{Key: corev1.LabelInstanceTypeStable, Operator: corev1.NodeSelectorOpIn, Values: names},
		{Key: karpv1.NodePoolLabelKey, Operator: corev1.NodeSelectorOpIn, Values: []string{"burst"}},
		{Key: v1alpha1.LabelNodeClass, Operator: corev1.NodeSelectorOpIn, Values: []string{"burst"}},
		{Key: "workload-type", Operator: corev1.NodeSelectorOpIn, Values: []string{"stateful"}},
	}, more...)
	c.Spec.Taints = []corev1.Taint{{Key: "workload-type", Value: "stateful", Effect: corev1.TaintEffectNoSchedule}}
	c.Spec.Resources.Requests = corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("3"), corev1.ResourceMemory: resource.MustParse("6Gi"), corev1.ResourcePods: resource.MustParse("4"),
	}
	require.NoError(s.t, s.kube.Create(s.t.Context(), c))
	return c
}

// reread is a NodeClaim as the API server has it now, which is what core gives at the next reconcile.
func (s *suite) reread(claim *karpv1.NodeClaim) *karpv1.NodeClaim {
	s.t.Helper()
	stored := &karpv1.NodeClaim{}
	require.NoError(s.t, s.kube.Get(s.t.Context(), client.ObjectKeyFromObject(claim), stored))
	stored.CreationTimestamp, stored.Spec = claim.CreationTimestamp, claim.Spec // which tests change
	return stored
}

func in(key string, values ...string) karpv1.NodeSelectorRequirementWithMinValues {
	return karpv1.NodeSelectorRequirementWithMinValues{Key: key, Operator: corev1.NodeSelectorOpIn, Values: values}
}

// live are the instances that are not ending.
func (s *suite) live() []ocisim.Instance {
	return lo.Filter(s.region.Instances(), func(i ocisim.Instance, _ int) bool { return i.State != "TERMINATED" && i.State != "TERMINATING" })
}

func (s *suite) calls(operation string) int { return s.region.Journal().Counts()[operation] }

// foreignInstance launches what another cluster's controller would in the same compartment, equal names included.
func (s *suite) foreignInstance() string {
	s.t.Helper()
	shapeName, name := "VM.Standard.E5.Flex", "one"
	instance, _, err := s.region.Client.LaunchInstance(s.t.Context(), core.LaunchInstanceDetails{
		AvailabilityDomain: &s.region.World.ADs[0], CompartmentId: &s.region.World.CompartmentID, Shape: &shapeName, DisplayName: &name,
		ShapeConfig:       &core.LaunchInstanceShapeConfigDetails{Ocpus: lo.ToPtr(float32(1)), MemoryInGBs: lo.ToPtr(float32(8))},
		CreateVnicDetails: &core.CreateVnicDetails{SubnetId: &s.region.World.NodeSubnetIDs[0]},
		SourceDetails:     core.InstanceSourceViaImageDetails{ImageId: &s.nodeClass.Status.Images[0].ID},
		FreeformTags: map[string]string{
			v1alpha1.TagClusterID: "ocid1.cluster.oc1.phx.other", v1alpha1.TagNodePool: "burst/pool-uid", v1alpha1.TagNodeClaim: "one/uid-one",
		},
	}, "foreign")
	require.NoError(s.t, err)
	return oci.Value(instance.Id)
}

// volumes are the block volumes that are attached to an instance.
func (s *suite) volumes(instanceID string) []core.VolumeAttachment {
	s.t.Helper()
	provider, err := s.region.ConfigurationProvider()
	require.NoError(s.t, err)
	compute, err := core.NewComputeClientWithConfigurationProvider(provider)
	require.NoError(s.t, err)
	compute.Host = s.region.URL
	answer, err := compute.ListVolumeAttachments(s.t.Context(), core.ListVolumeAttachmentsRequest{CompartmentId: &s.region.World.CompartmentID, InstanceId: &instanceID})
	require.NoError(s.t, err)
	return lo.Filter(answer.Items, func(a core.VolumeAttachment, _ int) bool {
		return a.GetLifecycleState() != core.VolumeAttachmentLifecycleStateDetached
	})
}
