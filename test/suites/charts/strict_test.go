package charts_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// The API server itself says whether what is rendered is right, down to fields that do not exist: it knows the kinds as they are served, those of
// the charts' own definitions and the rules within them included, which a collection of schemas would not.
func TestWhatIsRenderedIsTakenStrictly(t *testing.T) {
	helm(t, "install", "strict", crdChart, "--set", "keep=false")
	t.Cleanup(func() {
		_, err := tryHelmWith(context.WithoutCancel(t.Context()), t, "uninstall", "strict", "--wait")
		require.NoError(t, err)
	})
	waitForDefinitions(t)
	kube, err := client.New(plane.RESTConfig(), client.Options{})
	require.NoError(t, err)
	strict := client.WithFieldValidation(client.NewDryRunClient(kube), metav1.FieldValidationStrict)

	values := filepath.Join(t.TempDir(), "values.yaml")
	require.NoError(t, os.WriteFile(values, []byte(defaults), 0o600))
	all := []string{"--values", values, "--set", "layerRouting.enabled=true,layerRouting.apiVersion=v1,networkPolicy.enabled=true,ociConfigSecret=oci,settings.ociAuth=api-key," +
		"settings.featureGates.NodeOverlay=true,settings.featureGates.CapacityBuffer=true,settings.ignoreDraRequests=false,settings.schedulerConfig=x,commonLabels.team=platform"}
	for name, args := range map[string][]string{"the defaults": nil, "everything": all} {
		t.Run(name, func(t *testing.T) {
			for _, object := range render(t, args...) {
				if object.GetNamespace() == "karpenter" {
					object.SetNamespace(metav1.NamespaceDefault) // one that is there
				}
				require.NoError(t, strict.Create(t.Context(), object), "%s %s", object.GetKind(), object.GetName())
			}
		})
	}
	t.Run("a field that does not exist is refused", func(t *testing.T) {
		for kind, path := range map[string][]string{
			"Deployment": {"spec", "template", "spec", "dnsPolici"}, "NodePool": {"spec", "templat"}, "OciNodeClass": {"spec", "imageSelectors"}, "MutatingAdmissionPolicy": {"spec", "matchCondition"},
		} {
			object, ok := lo.Find(render(t, all...), func(o *unstructured.Unstructured) bool { return o.GetKind() == kind })
			require.True(t, ok, kind)
			if object.GetNamespace() != "" {
				object.SetNamespace(metav1.NamespaceDefault)
			}
			require.NoError(t, unstructured.SetNestedField(object.Object, "x", path...))
			require.ErrorContains(t, strict.Create(t.Context(), object), "unknown field", kind)
		}
	})
}
