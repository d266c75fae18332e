package nodeclass

import (
	"testing"
	"time"

	"github.com/awslabs/operatorpkg/status"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	testclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/cluster"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/image"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/network"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/placement"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
	"github.com/karpenter-oke/karpenter-oke/test/ocitest"
)

type suite struct {
	t      *testing.T
	region *ocitest.Region
	kube   client.Client
	status *StatusController
	class  *v1alpha1.OciNodeClass

	clock     *testclock.FakeClock
	clusters  *cluster.DefaultProvider
	launches  *LaunchOutcomes
	bootstrap checker
}

// checker is a BootstrapChecker that says what it is told to.
type checker struct{ err error }

func (c *checker) Check(*v1alpha1.OciNodeClass) error { return c.err }

func newSuite(t *testing.T) *suite {
	t.Helper()
	s := &suite{t: t, region: ocitest.Start(t, ocisim.Options{}), clock: testclock.NewFakeClock(time.Now())}
	s.class = &v1alpha1.OciNodeClass{ObjectMeta: metav1.ObjectMeta{Name: "class", Generation: 1, UID: "uid"}, Spec: v1alpha1.OciNodeClassSpec{
		ImageSelector:         []v1alpha1.ImageSelectorTerm{{OSFamily: "Oracle Linux", OSVersion: "8"}},
		SubnetSelector:        []v1alpha1.SubnetSelectorTerm{{ID: s.region.World.NodeSubnetIDs[0]}},
		SecurityGroupSelector: []v1alpha1.SecurityGroupSelectorTerm{{ID: s.region.World.NSGIDs[0]}},
	}}
	byClass := func(field func(*karpv1.NodeClassReference) string) client.IndexerFunc {
		return func(o client.Object) []string { return []string{field(o.(*karpv1.NodeClaim).Spec.NodeClassRef)} }
	}
	s.kube = fake.NewClientBuilder().WithScheme(scheme.Scheme).WithObjects(s.class).WithStatusSubresource(s.class).
		WithIndex(&karpv1.NodeClaim{}, "spec.nodeClassRef.group", byClass(func(r *karpv1.NodeClassReference) string { return r.Group })).
		WithIndex(&karpv1.NodeClaim{}, "spec.nodeClassRef.kind", byClass(func(r *karpv1.NodeClassReference) string { return r.Kind })).
		WithIndex(&karpv1.NodeClaim{}, "spec.nodeClassRef.name", byClass(func(r *karpv1.NodeClassReference) string { return r.Name })).
		Build()
	w, c := s.region.World, s.region.Client
	clusters := cluster.NewProvider(c, w.ClusterID, cluster.Overrides{})
	require.NoError(t, clusters.Refresh(t.Context()))
	s.clusters, s.launches = clusters, NewLaunchOutcomes(s.clock)
	s.status = NewStatusController(Dependencies{
		Kube: s.kube, OCI: c, Cluster: clusters, Placement: placement.NewProvider(c), Network: network.NewProvider(c, w.CompartmentID),
		Images:   image.NewProvider(c, image.Config{ClusterID: w.ClusterID, CompartmentID: w.CompartmentID, Clock: s.clock}),
		Launches: s.launches, CompartmentID: w.CompartmentID, Clock: s.clock, Bootstrap: &s.bootstrap,
	})
	return s
}

func (s *suite) reconcile() {
	s.t.Helper()
	require.NoError(s.t, s.kube.Get(s.t.Context(), client.ObjectKeyFromObject(s.class), s.class))
	_, err := s.status.Reconcile(s.t.Context(), s.class)
	require.NoError(s.t, err)
	require.NoError(s.t, s.kube.Get(s.t.Context(), client.ObjectKeyFromObject(s.class), s.class))
}

func (s *suite) condition(kind string) *status.Condition { return s.class.StatusConditions().Get(kind) }

func TestAClassBecomesReady(t *testing.T) {
	s := newSuite(t)
	s.reconcile()
	require.True(t, s.condition(status.ConditionReady).IsTrue())
	require.Len(t, s.class.Status.Images, 3, "x86, x86 with NVIDIA GPUs, Arm")
	require.Equal(t, s.region.World.NodeSubnetIDs[0], s.class.Status.Subnets[0].ID)
	require.Equal(t, s.region.World.NSGIDs[0], s.class.Status.SecurityGroups[0].ID)

	before := s.class.ResourceVersion
	s.reconcile()
	require.Equal(t, before, s.class.ResourceVersion, "nothing changed, nothing is written")
}

func TestAConditionSaysWhatToChange(t *testing.T) {
	s := newSuite(t)
	s.class.Spec.SubnetSelector = []v1alpha1.SubnetSelectorTerm{{Name: "nope"}}
	require.NoError(t, s.kube.Update(t.Context(), s.class))
	s.reconcile()
	require.True(t, s.condition(status.ConditionReady).IsFalse())
	require.True(t, s.condition(v1alpha1.ConditionTypeImageReady).IsTrue(), "one selector does not hold up the others")
	require.Equal(t, "NothingSelected", s.condition(v1alpha1.ConditionTypeSubnetsReady).Reason)
	require.Contains(t, s.condition(v1alpha1.ConditionTypeSubnetsReady).Message, `no subnet that is AVAILABLE is named "nope"`)
	before := s.class.ResourceVersion
	s.reconcile()
	require.Equal(t, before, s.class.ResourceVersion, "the same failure has the same message")
}

func TestAClassStaysReadyWhileOCIDoesNotAnswer(t *testing.T) {
	s := newSuite(t)
	s.reconcile()
	s.region.Fail(ocisim.Fault{Kind: ocisim.ErrorAnswer, Status: 500, Code: "InternalError", Message: "x", Operation: "GetSubnet", Times: 4})
	s.reconcile()
	require.True(t, s.condition(status.ConditionReady).IsTrue())
}

func TestANewClassIsUnknownWhileOCIDoesNotAnswerAndRecovers(t *testing.T) {
	s := newSuite(t)
	s.region.Fail(ocisim.Fault{Kind: ocisim.ErrorAnswer, Status: 500, Code: "InternalError", Message: "x", Operation: "GetSubnet", Times: 4})
	s.reconcile()
	require.True(t, s.condition(v1alpha1.ConditionTypeSubnetsReady).IsUnknown())
	require.Equal(t, "OCIUnavailable", s.condition(v1alpha1.ConditionTypeSubnetsReady).Reason)
	s.reconcile()
	require.True(t, s.condition(status.ConditionReady).IsTrue())
}
