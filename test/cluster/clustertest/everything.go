package clustertest

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"

	"github.com/karpenter-oke/karpenter-oke/test/cluster"
)

// comeAndGo are kinds that clusters make and remove by themselves.
var comeAndGo = []string{"events", "leases", "componentstatuses"}

// Everything lists all objects of the cluster, as "resource.group namespace/name" or "resource.group/name", without those that come and go by
// themselves.
func Everything(t testing.TB, plane *cluster.Plane) map[string]bool {
	t.Helper()
	config := plane.RESTConfig()
	config.WarningHandler = rest.NoWarnings{} // of kinds that are out of fashion
	client, err := discovery.NewDiscoveryClientForConfig(config)
	require.NoError(t, err)
	lists, err := discovery.ServerPreferredResources(client)
	require.NoError(t, err)
	reader, err := metadata.NewForConfig(config)
	require.NoError(t, err)
	found := map[string]bool{}
	for _, list := range lists {
		gv, err := schema.ParseGroupVersion(list.GroupVersion)
		require.NoError(t, err)
		for _, resource := range list.APIResources {
			if !slices.Contains(resource.Verbs, "list") || slices.Contains(comeAndGo, resource.Name) {
				continue
			}
			objects, err := reader.Resource(gv.WithResource(resource.Name)).List(t.Context(), metav1.ListOptions{})
			if err != nil {
				continue // a definition that has just gone
			}
			kind := gv.WithResource(resource.Name).GroupResource().String()
			for i := range objects.Items {
				if o := &objects.Items[i]; o.Namespace != "" {
					found[kind+" "+o.Namespace+"/"+o.Name] = true
				} else {
					found[kind+"/"+o.Name] = true
				}
			}
		}
	}
	return found
}
