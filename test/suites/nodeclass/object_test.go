package nodeclass_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/discovery"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
)

func TestAClassNeedsASpec(t *testing.T) {
	object := class(t, "{}")
	unstructured.RemoveNestedField(object.Object, "spec")
	complaints := causes(t, object)
	require.NotEmpty(t, complaints)
	require.Equal(t, "spec", complaints[0].Field)
}

func TestFieldsThatDoNotExistAreRefusedByStrictClients(t *testing.T) {
	_, err := create(t.Context(), class(t, "subnetSelectors: [{name: a}]"))
	require.ErrorContains(t, err, `unknown field "spec.subnetSelectors"`)
}

func TestTheKindIsFoundByItsNames(t *testing.T) {
	client, err := discovery.NewDiscoveryClientForConfig(plane.RESTConfig())
	require.NoError(t, err)
	list, err := client.ServerResourcesForGroupVersion(v1alpha1.GroupVersion.String())
	require.NoError(t, err)
	var found *metav1.APIResource
	for i := range list.APIResources {
		if list.APIResources[i].Name == "ocinodeclasses" {
			found = &list.APIResources[i]
		}
	}
	require.NotNil(t, found)
	require.False(t, found.Namespaced)
	require.Equal(t, []string{"ocinc", "ocincs"}, found.ShortNames)
	require.Equal(t, []string{"karpenter"}, found.Categories)
}

// TestAListShowsWhatIsReady reads the table that kubectl prints.
func TestAListShowsWhatIsReady(t *testing.T) {
	object := class(t, "{}")
	object.SetName("printed")
	created, err := classes.Create(t.Context(), object, metav1.CreateOptions{})
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, plane.Delete(context.WithoutCancel(t.Context()), `{"apiVersion": "karpenter.k8s.oracle/v1alpha1", "kind": "OciNodeClass", "metadata": {"name": "printed"}}`))
	})
	require.Equal(t, "OracleOKELinux", decode(t, created).Spec.ImageFamily, "the default is visible")

	status := decode(t, created)
	status.Status = v1alpha1.OciNodeClassStatus{
		Images:  []v1alpha1.Image{{ID: ocid("image"), Name: "Oracle-Linux-8"}, {ID: ocid("image"), Name: "Oracle-Linux-8-aarch64"}},
		Subnets: []v1alpha1.Subnet{{ID: ocid("subnet"), Name: "nodes-1"}, {ID: ocid("subnet"), Name: "nodes-2"}},
		Nodes:   3,
	}
	for _, condition := range v1alpha1.ReadyConditionTypes {
		status.StatusConditions().SetTrue(condition)
	}
	data, err := json.Marshal(status)
	require.NoError(t, err)
	update := &unstructured.Unstructured{}
	require.NoError(t, update.UnmarshalJSON(append(data[:len(data)-1], []byte(`,"apiVersion":"karpenter.k8s.oracle/v1alpha1","kind":"OciNodeClass"}`)...)))
	_, err = classes.UpdateStatus(t.Context(), update, metav1.UpdateOptions{})
	require.NoError(t, err, "the status that the Go types write is one that the schema takes")

	body, err := rest.Get().AbsPath("/apis/karpenter.k8s.oracle/v1alpha1/ocinodeclasses").
		SetHeader("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io").DoRaw(t.Context())
	require.NoError(t, err)
	var table metav1.Table
	require.NoError(t, json.Unmarshal(body, &table))
	columns := make([]string, 0, len(table.ColumnDefinitions))
	for _, c := range table.ColumnDefinitions {
		columns = append(columns, c.Name)
	}
	require.Equal(t, []string{"Name", "Ready", "Image", "Subnets", "Nodes", "Age"}, columns)
	require.Len(t, table.Rows, 1)
	require.Equal(t, []any{"printed", "True", "Oracle-Linux-8", "nodes-1", float64(3)}, table.Rows[0].Cells[:5])
}
