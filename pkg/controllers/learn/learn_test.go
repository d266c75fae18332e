package learn

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/test"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instancetype"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instancetype/resources"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/inventory"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/learned"
)

const (
	mib       = int64(1) << 20
	clusterID = "ocid1.cluster.oc1.phx.mine"
	id        = "ocid1.instance.oc1.phx.a"
	shape     = "VM.Standard.E5.Flex"
)

var noon = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// model is that of a machine of 2 OCPUs with 16 GB.
type model struct{ err error }

func (m model) Model(size instancetype.Size, _ *v1alpha1.OciNodeClass) (resources.Resources, error) {
	return resources.Predict(resources.Machine{VCPUs: 2 * int(size.OCPUs), MemoryGB: size.MemoryGB, BootVolumeGB: 50}, resources.PodLimits{}, resources.Kubelet{}), m.err
}

// cloud lists one instance.
type cloud struct{}

func (cloud) ListInstances(context.Context, string) ([]core.Instance, error) {
	owner := inventory.Owner{NodeClaim: inventory.NamedUID{Name: "claim", UID: "u"}, NodeClass: "class"}
	return []core.Instance{{
		Id: common.String(id), LifecycleState: core.InstanceLifecycleStateRunning, Shape: common.String(shape), TimeCreated: &common.SDKTime{Time: noon},
		FreeformTags: owner.Tags(clusterID), ImageId: common.String("image"),
		ShapeConfig: &core.InstanceShapeConfig{Ocpus: common.Float32(2), MemoryInGBs: common.Float32(16)},
	}}, nil
}

// setup is a cluster with a node that lacks so much memory.
type setup struct {
	kube     client.Client
	store    *learned.Store
	recorder *test.EventRecorder
	nodes    *NodesController
	node     *corev1.Node
	claim    *karpv1.NodeClaim
	class    *v1alpha1.OciNodeClass
}

func newSetup(t *testing.T, lacking int64, change func(*setup)) *setup {
	t.Helper()
	s := &setup{recorder: test.NewEventRecorder()}
	clock := clocktesting.NewFakeClock(noon)
	s.store = learned.NewStore(clock, learned.DefaultTTL)
	s.class = &v1alpha1.OciNodeClass{ObjectMeta: metav1.ObjectMeta{Name: "class"}, Status: v1alpha1.OciNodeClassStatus{Images: []v1alpha1.Image{{ID: "image"}}}}
	s.claim = &karpv1.NodeClaim{ObjectMeta: metav1.ObjectMeta{Name: "claim", UID: "u", Annotations: map[string]string{
		v1alpha1.AnnotationNodeClassHash: s.class.Hash(), v1alpha1.AnnotationNodeClassHashVersion: v1alpha1.HashVersion,
	}}}
	s.claim.Status.ProviderID = id
	predicted, err := model{}.Model(instancetype.Size{OCPUs: 2, MemoryGB: 16}, nil)
	require.NoError(t, err)
	s.node = &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node", UID: types.UID("n")}, Spec: corev1.NodeSpec{ProviderID: id}}
	s.node.Status.Capacity, s.node.Status.Allocatable = predicted.Capacity.DeepCopy(), predicted.Allocatable()
	for _, list := range []corev1.ResourceList{s.node.Status.Capacity, s.node.Status.Allocatable} {
		has := list[corev1.ResourceMemory]
		has.Sub(*resource.NewQuantity(lacking, resource.BinarySI))
		list[corev1.ResourceMemory] = has
	}
	if change != nil {
		change(s)
	}
	s.kube = fake.NewClientBuilder().WithScheme(scheme.Scheme).WithObjects(s.node, s.claim, s.class).WithStatusSubresource(&karpv1.NodeClaim{}).
		WithIndex(&karpv1.NodeClaim{}, "status.providerID", func(o client.Object) []string {
			return []string{o.(*karpv1.NodeClaim).Status.ProviderID}
		}).Build()
	inv := inventory.NewProvider(cloud{}, inventory.OneCompartment("c"), clusterID, clock)
	require.NoError(t, inv.Refresh(t.Context()))
	s.nodes = NewNodesController(s.kube, s.recorder, inv, model{}, s.store)
	return s
}

func (s *setup) shortfall() learned.Shortfall {
	return s.store.View(s.class).Shortfall(learned.Size{Shape: shape, OCPUs: 2, MemoryGB: 16})
}

func TestANodeThatIsSmallerThanModelledIsLearnedAndTold(t *testing.T) {
	s := newSetup(t, 60*mib, nil)
	result, err := s.nodes.Reconcile(t.Context(), s.node)
	require.NoError(t, err)
	require.Equal(t, lookAgain, result.RequeueAfter)
	require.Equal(t, learned.Shortfall{Memory: 60 * mib}, s.shortfall())
	require.Equal(t, 1, s.recorder.Calls(EventSmaller))
	require.Contains(t, s.recorder.Events()[0].Message, "-memory 60Mi")

	_, err = s.nodes.Reconcile(t.Context(), s.node)
	require.NoError(t, err)
	require.Equal(t, 1, s.recorder.Calls(EventSmaller), "nothing new")
}

func TestWhatTheKubeletReservesMoreThanModelledIsLearnedForTheClass(t *testing.T) {
	s := newSetup(t, 0, func(s *setup) {
		for name, less := range map[corev1.ResourceName]string{corev1.ResourceMemory: "100Mi", corev1.ResourceCPU: "30m", corev1.ResourceEphemeralStorage: "1Gi", corev1.ResourcePods: "10"} {
			has := s.node.Status.Allocatable[name]
			has.Sub(resource.MustParse(less))
			s.node.Status.Allocatable[name] = has
		}
	})
	_, err := s.nodes.Reconcile(t.Context(), s.node)
	require.NoError(t, err)
	require.Equal(t, learned.Shortfall{Rest: learned.Amounts{Memory: 100 * mib, CPUMillis: 30, Disk: 1024 * mib, Pods: 10}}, s.shortfall())
}

func TestNothingIsLearnedFrom(t *testing.T) {
	for says, change := range map[string]func(*setup){
		"a node that says nothing of itself yet":       func(s *setup) { s.node.Status.Allocatable = nil },
		"a node of others":                             func(s *setup) { s.claim.Status.ProviderID = "other" },
		"a node of an older state of its class":        func(s *setup) { s.claim.Annotations[v1alpha1.AnnotationNodeClassHash] = "kubelet=1" },
		"a node whose class is gone":                   func(s *setup) { s.class.Name = "another" },
		"an instance that no list has shown (restart)": func(s *setup) { s.node.Spec.ProviderID, s.claim.Status.ProviderID = "unlisted", "unlisted" },
	} {
		t.Run(says, func(t *testing.T) {
			s := newSetup(t, 60*mib, change)
			_, err := s.nodes.Reconcile(t.Context(), s.node)
			require.NoError(t, err)
			require.Zero(t, s.shortfall())
			require.Zero(t, s.store.Generation())
		})
	}
}

func TestANodeThatHasMoreThanModelledChangesNothing(t *testing.T) {
	s := newSetup(t, -500*mib, nil)
	_, err := s.nodes.Reconcile(t.Context(), s.node)
	require.NoError(t, err)
	require.Zero(t, s.store.Generation())
	require.Empty(t, s.recorder.Events())
}

func (s *setup) keeper() *StoreController {
	return NewStoreController(s.kube, s.kube, "system", s.store)
}

func TestWhatWasLearnedIsThereAfterARestart(t *testing.T) {
	s := newSetup(t, 60*mib, nil)
	_, err := s.nodes.Reconcile(t.Context(), s.node)
	require.NoError(t, err)
	_, err = s.keeper().Reconcile(t.Context())
	require.NoError(t, err)

	fresh := learned.NewStore(clocktesting.NewFakePassiveClock(noon), learned.DefaultTTL)
	require.NoError(t, Load(t.Context(), s.kube, "system", fresh))
	require.Equal(t, s.store.Entries()[0].Observation, fresh.Entries()[0].Observation)
}

func TestTheConfigMapFollowsChangesAndIsNotWrittenWithout(t *testing.T) {
	s := newSetup(t, 60*mib, nil)
	keeper := s.keeper()
	_, err := keeper.Reconcile(t.Context())
	require.NoError(t, err)
	stored := &corev1.ConfigMap{}
	key := client.ObjectKey{Namespace: "system", Name: ConfigMapName}
	require.Error(t, s.kube.Get(t.Context(), key, stored), "nothing was learned, nothing is stored")

	size := learned.Size{Shape: shape, OCPUs: 2, MemoryGB: 16}
	for _, lacking := range []int64{10, 20} {
		s.store.Observe(learned.Observation{Class: "class", Image: "image", Size: size, Shortfall: learned.Shortfall{Memory: lacking * mib}})
		_, err = keeper.Reconcile(t.Context())
		require.NoError(t, err)
		require.NoError(t, s.kube.Get(t.Context(), key, stored))
		var found document
		require.NoError(t, json.Unmarshal([]byte(stored.Data[DataKey]), &found))
		require.Equal(t, lacking*mib, found.Entries[0].Memory)
	}
	version := stored.ResourceVersion
	_, err = keeper.Reconcile(t.Context())
	require.NoError(t, err)
	require.NoError(t, s.kube.Get(t.Context(), key, stored))
	require.Equal(t, version, stored.ResourceVersion)
}

func TestALeaderReadsWhatItsPredecessorStoredBeforeItWrites(t *testing.T) {
	s := newSetup(t, 60*mib, nil)
	observe := func(store *learned.Store, memoryGB float64) {
		store.Observe(learned.Observation{Class: "class", Image: "image", Size: learned.Size{Shape: shape, OCPUs: 2, MemoryGB: memoryGB}, Shortfall: learned.Shortfall{Memory: mib}})
	}
	observe(s.store, 8)
	_, err := s.keeper().Reconcile(t.Context())
	require.NoError(t, err)
	s.store = learned.NewStore(clocktesting.NewFakePassiveClock(noon), learned.DefaultTTL)
	observe(s.store, 16)
	_, err = s.keeper().Reconcile(t.Context())
	require.NoError(t, err)
	fresh := learned.NewStore(clocktesting.NewFakePassiveClock(noon), learned.DefaultTTL)
	require.NoError(t, Load(t.Context(), s.kube, "system", fresh))
	require.Len(t, fresh.Entries(), 2)
}

func TestAConfigMapThatCanNotBeReadIsNoReasonNotToStart(t *testing.T) {
	for says, data := range map[string]map[string]string{
		"empty": nil, "not JSON": {DataKey: "{"}, "of another version": {DataKey: `{"version":99,"entries":[{}]}`}, "nonsense": {DataKey: `{"version":1,"entries":[{"image":"i"}]}`},
	} {
		s := newSetup(t, 0, nil)
		require.NoError(t, s.kube.Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "system", Name: ConfigMapName}, Data: data}), says)
		require.NoError(t, Load(t.Context(), s.kube, "system", s.store), says)
		require.Empty(t, s.store.Entries(), says)
	}
}

func TestAFailureToStoreIsTriedAgain(t *testing.T) {
	s := newSetup(t, 60*mib, nil)
	_, err := s.nodes.Reconcile(t.Context(), s.node)
	require.NoError(t, err)
	failing := true
	broken := interceptor.NewClient(s.kube.(client.WithWatch), interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			if failing {
				return errors.New("away")
			}
			return c.Create(ctx, o, opts...)
		},
	})
	keeper := NewStoreController(broken, s.kube, "system", s.store)
	_, err = keeper.Reconcile(t.Context())
	require.ErrorContains(t, err, "away")
	failing = false
	_, err = keeper.Reconcile(t.Context())
	require.NoError(t, err)
	require.NoError(t, s.kube.Get(t.Context(), client.ObjectKey{Namespace: "system", Name: ConfigMapName}, &corev1.ConfigMap{}))
}

func TestWithoutANamespaceNothingIsStored(t *testing.T) {
	s := newSetup(t, 60*mib, nil)
	_, err := s.nodes.Reconcile(t.Context(), s.node)
	require.NoError(t, err)
	_, err = NewStoreController(s.kube, s.kube, "", s.store).Reconcile(t.Context())
	require.NoError(t, err)
	list := &corev1.ConfigMapList{}
	require.NoError(t, s.kube.List(t.Context(), list))
	require.Empty(t, list.Items)
}
