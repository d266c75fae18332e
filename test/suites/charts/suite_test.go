// Package charts_test tries the Helm charts with the real helm against a real control plane: what they refuse, what they render,
// what they install and leave behind, and that the layer-routing policy agrees with the controller's own table of rules.
package charts_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/karpenter-oke/karpenter-oke/test/cluster"
	realhelm "github.com/karpenter-oke/karpenter-oke/test/cluster/helm"
)

const (
	chart    = "../../../charts/karpenter-oke"
	crdChart = "../../../charts/karpenter-oke-crd"
)

// required are the values that have no default, and a version of the policy for renderings without a cluster.
var required = []string{"--set", "settings.clusterId=ocid1.cluster.oc1.phx.a,settings.compartmentId=ocid1.compartment.oc1..a"}

// plane is one control plane for the whole package.
var (
	plane   *cluster.Plane
	kube    kubernetes.Interface
	program *realhelm.Helm
)

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	ctx := context.Background()
	if plane, err = cluster.Start(ctx, cluster.Options{}); err != nil {
		return 0, err
	}
	defer func() {
		if stopErr := plane.Stop(ctx); err == nil {
			err = stopErr
		}
	}()
	if program, err = realhelm.New(plane.Kubeconfig()); err != nil {
		return 0, err
	}
	config := plane.RESTConfig()
	config.WarningHandler = rest.NoWarnings{}
	if kube, err = kubernetes.NewForConfig(config); err != nil {
		return 0, err
	}
	return m.Run(), nil
}

// tryHelm runs helm against the plane, with nothing of the user's own configuration.
func tryHelm(t *testing.T, args ...string) (stdout string, err error) {
	t.Helper()
	return tryHelmWith(t.Context(), t, args...)
}

func tryHelmWith(ctx context.Context, t *testing.T, args ...string) (stdout string, err error) {
	t.Helper()
	return program.Run(ctx, args...)
}

func helm(t *testing.T, args ...string) string {
	t.Helper()
	out, err := tryHelm(t, args...)
	require.NoError(t, err)
	return out
}

// render renders the controller's chart without a cluster.
func render(t *testing.T, args ...string) []*unstructured.Unstructured {
	t.Helper()
	out := helm(t, append(append([]string{"template", "karpenter-oke", chart, "--namespace", "karpenter"}, required...), args...)...)
	objects, err := cluster.Decode(out)
	require.NoError(t, err)
	return objects
}

// only is the one object of a kind and name.
func only(t *testing.T, objects []*unstructured.Unstructured, kind, name string) *unstructured.Unstructured {
	t.Helper()
	var found []*unstructured.Unstructured
	for _, o := range objects {
		if o.GetKind() == kind && o.GetName() == name {
			found = append(found, o)
		}
	}
	require.Len(t, found, 1, "%s %s", kind, name)
	return found[0]
}
