package operator

import (
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/inventory"
)

func TestCompartmentsAreTheControllersThoseOfClassesAndThoseOfNodeClaims(t *testing.T) {
	classOf := func(name, compartment string) *v1alpha1.OciNodeClass {
		return &v1alpha1.OciNodeClass{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.OciNodeClassSpec{CompartmentID: compartment}}
	}
	claimIn := func(name, compartment string) *karpv1.NodeClaim {
		return &karpv1.NodeClaim{ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{v1alpha1.AnnotationCompartmentID: compartment}}}
	}
	all := compartments{own: "own", kube: fake.NewClientBuilder().WithScheme(scheme.Scheme).WithObjects(
		classOf("default", ""), classOf("used", "used"), classOf("wrong", "wrong"),
		claimIn("a", "own"), claimIn("b", "used"), claimIn("c", "of-a-class-that-is-gone"), &karpv1.NodeClaim{ObjectMeta: metav1.ObjectMeta{Name: "pending"}},
	).Build()}
	got, err := all.Compartments(t.Context())
	require.NoError(t, err)
	require.Equal(t, []inventory.Compartment{
		{ID: "of-a-class-that-is-gone", Occupied: true}, {ID: "own", Essential: true, Occupied: true}, {ID: "used", Occupied: true}, {ID: "wrong"},
	}, got)
	ids, err := occupied{all}.Compartments(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"of-a-class-that-is-gone", "own", "used"}, ids, "in a wrong one nothing is looked for")
}
