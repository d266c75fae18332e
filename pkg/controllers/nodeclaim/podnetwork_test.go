package nodeclaim

import (
	"context"
	"testing"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/test"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
)

// podNetworkSuite has a NodeClaim of a class with pod subnets and an ipCount.
type podNetworkSuite struct {
	t        *testing.T
	kube     client.WithWatch
	recorder *test.EventRecorder
	class    *v1alpha1.OciNodeClass
	claim    *karpv1.NodeClaim
	served   bool
}

func newPodNetworkSuite(t *testing.T, ipCount int32, pods string) *podNetworkSuite {
	t.Helper()
	s := &podNetworkSuite{t: t, recorder: test.NewEventRecorder(), served: true}
	s.class = &v1alpha1.OciNodeClass{ObjectMeta: metav1.ObjectMeta{Name: "class"}}
	s.class.Spec.PodNetworking = &v1alpha1.PodNetworking{IPCount: &ipCount}
	s.class.Status.PodNetworking = v1alpha1.PodNetworkingVCNNative
	s.class.Status.PodSubnets = []v1alpha1.Subnet{{ID: "subnet-a"}, {ID: "subnet-b"}}
	s.class.Status.SecurityGroups = []v1alpha1.SecurityGroup{{ID: "nsg-node"}}
	s.claim = &karpv1.NodeClaim{ObjectMeta: metav1.ObjectMeta{
		Name: "one", UID: "uid", Labels: map[string]string{karpv1.NodePoolLabelKey: "pool", v1alpha1.LabelInstanceMaxVNICs: "4"},
		Annotations: map[string]string{v1alpha1.AnnotationSubnetID: "subnet-node"},
	}}
	s.claim.Spec.NodeClassRef = &karpv1.NodeClassReference{Group: v1alpha1.Group, Kind: "OciNodeClass", Name: "class"}
	s.claim.Status.ProviderID = "ocid1.instance.oc1.phx.anyhqljtABC"
	s.claim.Status.Capacity = corev1.ResourceList{corev1.ResourcePods: resource.MustParse(pods)}
	noMatch := &meta.NoKindMatchError{GroupKind: NativePodNetworkKind.GroupKind()}
	s.kube = fake.NewClientBuilder().WithScheme(scheme.Scheme).WithObjects(s.class, s.claim).WithInterceptorFuncs(interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			if o.GetObjectKind().GroupVersionKind() == NativePodNetworkKind && !s.served {
				return noMatch
			}
			return c.Get(ctx, key, o, opts...)
		},
	}).Build()
	return s
}

func (s *podNetworkSuite) reconcile() {
	s.t.Helper()
	_, err := NewPodNetworkController(s.kube, s.recorder, func() []string { return []string{"IPv4", "IPv6"} }).Reconcile(s.t.Context(), s.claim)
	require.NoError(s.t, err)
}

// made is the object that was made; nil for none.
func (s *podNetworkSuite) made() *unstructured.Unstructured {
	s.t.Helper()
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(NativePodNetworkKind)
	require.NoError(s.t, s.kube.List(s.t.Context(), list))
	return lo.FirstOr(lo.ToSlicePtr(list.Items), nil)
}

func TestANodeWithAnIPCountGetsItsPodNetwork(t *testing.T) {
	s := newPodNetworkSuite(t, 16, "31")
	s.reconcile()
	made := s.made()
	require.Equal(t, "anyhqljtabc", made.GetName(), "the last part of the instance's OCID")
	require.Equal(t, "uid", string(made.GetOwnerReferences()[0].UID), "it goes with the NodeClaim")
	vnic := func(subnet string) any {
		return map[string]any{"createVnicDetails": map[string]any{"subnetId": subnet, "ipCount": int64(16), "nsgIds": []any{"nsg-node"}, "assignIpv6Ip": true}}
	}
	require.Equal(t, map[string]any{
		"id": "ocid1.instance.oc1.phx.anyhqljtABC", "maxPodCount": int64(31), "podSubnetIds": []any{"subnet-a", "subnet-b"},
		"networkSecurityGroupIds": []any{"nsg-node"}, "ipFamilies": []any{"IPv4", "IPv6"},
		"secondaryVnics": []any{vnic("subnet-a"), vnic("subnet-b"), vnic("subnet-a")},
	}, made.Object["spec"], "31 pods need three VNICs of 15 addresses each")
	s.reconcile()
	require.Equal(t, made, s.made(), "once")
	require.Empty(t, s.recorder.Events())
}

func TestVNICsAreAsManyAsPodsNeedAndTheInstanceTakes(t *testing.T) {
	for says, tc := range map[string]struct {
		ipCount int32
		pods    string
		want    int
	}{
		"one holds all":                    {32, "31", 1},
		"the instance takes three":         {8, "110", 3},
		"OKE holds 256 addresses together": {128, "250", 2},
		"an address a VNIC":                {1, "2", 2},
	} {
		t.Run(says, func(t *testing.T) {
			s := newPodNetworkSuite(t, tc.ipCount, tc.pods)
			s.reconcile()
			vnics, _, err := unstructured.NestedSlice(s.made().Object, "spec", "secondaryVnics")
			require.NoError(t, err)
			require.Len(t, vnics, tc.want)
		})
	}
}

func TestPodsWithoutASubnetOfTheirOwnUseTheNodes(t *testing.T) {
	s := newPodNetworkSuite(t, 32, "31")
	s.class.Status.PodSubnets = nil
	require.NoError(t, s.kube.Update(t.Context(), s.class))
	s.reconcile()
	subnets, _, err := unstructured.NestedStringSlice(s.made().Object, "spec", "podSubnetIds")
	require.NoError(t, err)
	require.Equal(t, []string{"subnet-node"}, subnets)
}

func TestNoPodNetworkIsMadeForOthers(t *testing.T) {
	for says, change := range map[string]func(*podNetworkSuite){
		"no ipCount":         func(s *podNetworkSuite) { s.class.Spec.PodNetworking.IPCount = nil },
		"Flannel":            func(s *podNetworkSuite) { s.class.Status.PodNetworking = v1alpha1.PodNetworkingFlannel },
		"the node has begun": func(s *podNetworkSuite) { s.claim.StatusConditions().SetTrue(karpv1.ConditionTypeInitialized) },
	} {
		t.Run(says, func(t *testing.T) {
			s := newPodNetworkSuite(t, 32, "31")
			change(s)
			require.NoError(t, s.kube.Update(t.Context(), s.class))
			s.reconcile()
			require.Nil(t, s.made())
		})
	}
}

func TestProblemsOfThePodNetworkAreTold(t *testing.T) {
	s := newPodNetworkSuite(t, 32, "31")
	s.reconcile()
	made := s.made()
	require.NoError(t, unstructured.SetNestedMap(made.Object, map[string]any{"state": "BACKOFF", "reason": "subnet-a has no free address"}, "status"))
	require.NoError(t, s.kube.Update(t.Context(), made))
	s.reconcile()
	require.Contains(t, s.recorder.Events()[0].Message, "subnet-a has no free address")

	s = newPodNetworkSuite(t, 32, "31")
	s.served = false
	s.reconcile()
	require.Contains(t, s.recorder.Events()[0].Message, "update OKE's CNI add-on")
}
