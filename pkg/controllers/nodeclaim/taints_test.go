package nodeclaim

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
)

func TestTheImagesGPUTaintStaysOnlyWhereTheNodePoolListsIt(t *testing.T) {
	nvidia := corev1.Taint{Key: "nvidia.com/gpu", Value: "present", Effect: corev1.TaintEffectNoSchedule}
	amd := corev1.Taint{Key: "amd.com/gpu", Value: "present", Effect: corev1.TaintEffectNoSchedule}
	own := corev1.Taint{Key: "nvidia.com/gpu", Value: "mine", Effect: corev1.TaintEffectNoSchedule}
	other := corev1.Taint{Key: "team", Value: "data", Effect: corev1.TaintEffectNoSchedule}
	for says, tc := range map[string]struct {
		pool, startup, node, want []corev1.Taint
	}{
		"not listed":                       {node: []corev1.Taint{other, nvidia}, pool: []corev1.Taint{other}, want: []corev1.Taint{other}},
		"AMD":                              {node: []corev1.Taint{amd}, want: nil},
		"listed":                           {node: []corev1.Taint{nvidia}, pool: []corev1.Taint{nvidia}, want: []corev1.Taint{nvidia}},
		"listed with another value":        {node: []corev1.Taint{nvidia}, pool: []corev1.Taint{own}, want: []corev1.Taint{nvidia}},
		"listed as a startup taint":        {node: []corev1.Taint{nvidia}, startup: []corev1.Taint{nvidia}, want: []corev1.Taint{nvidia}},
		"somebody's taint of the same key": {node: []corev1.Taint{own}, want: []corev1.Taint{own}},
	} {
		t.Run(says, func(t *testing.T) {
			claim := &karpv1.NodeClaim{ObjectMeta: metav1.ObjectMeta{Name: "one"}}
			claim.Spec.Taints, claim.Spec.StartupTaints, claim.Status.ProviderID = tc.pool, tc.startup, "ocid1.instance.one"
			node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "one"}, Spec: corev1.NodeSpec{ProviderID: "ocid1.instance.one", Taints: tc.node}}
			kube := fake.NewClientBuilder().WithScheme(scheme.Scheme).WithObjects(claim, node).WithStatusSubresource(claim).
				WithIndex(&karpv1.NodeClaim{}, "status.providerID", func(o client.Object) []string { return []string{o.(*karpv1.NodeClaim).Status.ProviderID} }).Build()
			require.NoError(t, kube.Get(t.Context(), client.ObjectKeyFromObject(node), node))
			_, err := NewTaintsController(kube).Reconcile(t.Context(), node)
			require.NoError(t, err)
			got := &corev1.Node{}
			require.NoError(t, kube.Get(t.Context(), client.ObjectKeyFromObject(node), got))
			require.Equal(t, tc.want, got.Spec.Taints)
		})
	}
}
