package convert_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	karpapis "sigs.k8s.io/karpenter/pkg/apis"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/yaml"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/convert"
	"github.com/karpenter-oke/karpenter-oke/test/cluster"
	"github.com/karpenter-oke/karpenter-oke/test/cluster/clustertest"
)

// TestTheOutputOfEveryCaseIsAcceptedByTheAPIServer applies it, and lets Karpenter core judge the NodePools as it does at run time.
func TestTheOutputOfEveryCaseIsAcceptedByTheAPIServer(t *testing.T) {
	plane := clustertest.Plane(t, cluster.Options{})
	require.NoError(t, plane.ApplyFile(t.Context(), "../apis/crds/karpenter.k8s.oracle_ocinodeclasses.yaml"))
	for _, definition := range karpapis.CRDs {
		text, err := yaml.Marshal(definition)
		require.NoError(t, err)
		require.NoError(t, plane.Apply(t.Context(), string(text)))
	}
	client, err := dynamic.NewForConfig(plane.RESTConfig())
	require.NoError(t, err)
	classes, pools := 0, 0
	for name, text := range cases(t) {
		t.Run(name, func(t *testing.T) {
			out, _ := converted(t, text, convert.Options{})
			require.NoError(t, plane.Apply(t.Context(), out))
		})
	}
	list, err := client.Resource(v1alpha1.GroupVersion.WithResource("ocinodeclasses")).List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	for _, item := range list.Items {
		class := &v1alpha1.OciNodeClass{}
		require.NoError(t, runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(item.Object, class, true))
		classes++
	}
	list, err = client.Resource(schema.GroupVersionResource{Group: "karpenter.sh", Version: "v1", Resource: "nodepools"}).List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	for _, item := range list.Items {
		pool := &karpv1.NodePool{}
		require.NoError(t, runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(item.Object, pool, true))
		require.NoError(t, pool.RuntimeValidate(t.Context()), pool.Name)
		require.Equal(t, v1alpha1.Group, pool.Spec.Template.Spec.NodeClassRef.Group, pool.Name)
		pools++
	}
	require.GreaterOrEqual(t, classes, 7)
	require.GreaterOrEqual(t, pools, 7)

	t.Run("a NodePool can not change the kind of its class, which is what the suffix is for", func(t *testing.T) {
		old := strings.ReplaceAll(string(cases(t)["minimal"]), "name: general", "name: moving")
		pool, _, found := strings.Cut(old, "---\n")
		require.True(t, found)
		require.NoError(t, plane.Apply(t.Context(), pool))
		same, _ := converted(t, []byte(old), convert.Options{})
		require.ErrorContains(t, plane.Apply(t.Context(), same), "immutable")
		beside, _ := converted(t, []byte(old), convert.Options{NodePoolSuffix: "-oke"})
		require.NoError(t, plane.Apply(t.Context(), beside))
	})
}
