package charts_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/yaml"

	"github.com/karpenter-oke/karpenter-oke/test/cluster/clustertest"
	"github.com/karpenter-oke/karpenter-oke/test/cluster/rights"
	"github.com/karpenter-oke/karpenter-oke/test/environment"
)

// launchPatience bounds the launch of a node and its removal, which take some ten seconds on a quiet machine.
const launchPatience = 150 * time.Second

const controllerUser = "system:serviceaccount:karpenter:karpenter-oke"

// notExercised are rights that a launch and a drain do not need, with what does.
var notExercised = map[string]string{
	"nodepools.karpenter.sh/finalizers update":  "owning NodeClaims, where the API server runs OwnerReferencesPermissionEnforcement",
	"nodeclaims.karpenter.sh/finalizers update": "owning Nodes, likewise",
	"pods delete":                                  "pods that outlive a NodeClaim's terminationGracePeriod",
	"events patch":                                 "an event that happens again",
	"configmaps create":                            "the first node from which something is learned",
	"configmaps update":                            "later ones",
	"nodepools.karpenter.sh patch":                 "a NodePool whose hash or its version changed",
	"nativepodnetworks.oci.oraclecloud.com get":    "a class with podNetworking.ipCount",
	"nativepodnetworks.oci.oraclecloud.com create": "likewise",
	"nodeclaims.karpenter.sh delete":               "consolidation, drift and failed launches",
}

// The controller runs with the arguments and the rights that the chart gives it, launches a node for a pod of the chart's default
// NodePool, and drains it again. The API server's audit log says which rights that took.
func TestTheControllerNeedsTheChartsRightsAndNoOthers(t *testing.T) {
	e, roles := startAsInstalled(t)
	launchAndDrain(t, e)

	granted, err := rights.Granted(roles)
	require.NoError(t, err)
	// The audit log is written in the background, so what was used may come late.
	clustertest.Eventually(t, patience, "every right that the chart grants was used", func(context.Context) (bool, string) {
		used, refused, err := rights.Audited(e.Plane().AuditLogFile(), controllerUser)
		require.NoError(t, err)
		require.Empty(t, refused, "the chart does not grant what the controller asks for")
		unused := rights.Unused(granted, used, notExercised)
		return len(unused) == 0, strings.Join(unused, ", ")
	})
}

// startAsInstalled starts a cluster whose controller has the rendered rights and, as far as the simulator allows, arguments.
func startAsInstalled(t *testing.T) (*environment.Environment, []*unstructured.Unstructured) {
	t.Helper()
	objects := render(t, "--set", "settings.leaderElectionNamespace=karpenter,settings.systemNamespace=karpenter")
	roles := lo.Filter(objects, func(o *unstructured.Unstructured, _ int) bool {
		return strings.Contains(o.GetAPIVersion(), "rbac.authorization.k8s.io")
	})
	manifest := "apiVersion: v1\nkind: Namespace\nmetadata: {name: karpenter}\n"
	for _, role := range roles {
		data, err := yaml.Marshal(role.Object)
		require.NoError(t, err)
		manifest += "---\n" + string(data)
	}
	path := filepath.Join(t.TempDir(), "rights.yaml")
	require.NoError(t, os.WriteFile(path, []byte(manifest), 0o600))
	// The environment says who it is and which ports are free.
	simulated := []string{"--cluster-id=", "--compartment-id=", "--oci-auth=", "--metrics-port=", "--health-probe-port="}
	args := lo.Filter(controllerArgs(t, "--set", "settings.leaderElectionNamespace=karpenter,settings.systemNamespace=karpenter"), func(arg string, _ int) bool {
		return !slices.ContainsFunc(simulated, func(prefix string) bool { return strings.HasPrefix(arg, prefix) })
	})
	none := 0
	e, err := environment.Start(t.Context(), environment.Options{
		Name: "test-charts", Controller: true, ControllerRBAC: []string{path}, ControllerArgs: args, AuditLog: true,
		FixedNodes: &none, SystemNodes: &none, VirtualNodes: &none, Say: func(line string) { t.Log(line) },
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log("end of the controller's log:\n" + e.ControllerLogTail(30))
		}
		require.NoError(t, e.Stop(context.Background()))
		if !t.Failed() {
			require.NoError(t, os.RemoveAll(e.Dir()))
		}
	})
	return e, roles
}

func launchAndDrain(t *testing.T, e *environment.Environment) {
	t.Helper()
	valuesFile := filepath.Join(t.TempDir(), "values.yaml")
	require.NoError(t, os.WriteFile(valuesFile, []byte(defaults), 0o600))
	for _, object := range render(t, "--values", valuesFile) {
		if kind := object.GetKind(); kind == "NodePool" || kind == "OciNodeClass" {
			data, err := yaml.Marshal(object.Object)
			require.NoError(t, err)
			require.NoError(t, e.Apply(t.Context(), string(data)))
		}
	}
	pod := sample(t, `metadata: {name: web, namespace: default}`)
	require.NoError(t, e.Client().Create(t.Context(), pod))
	clustertest.Eventually(t, launchPatience, "the pod runs on a new node", func(ctx context.Context) (bool, string) {
		if err := e.Client().Get(ctx, client.ObjectKeyFromObject(pod), pod); err != nil {
			return false, err.Error()
		}
		return pod.Status.Phase == corev1.PodRunning, string(pod.Status.Phase)
	})
	claims := &karpv1.NodeClaimList{}
	require.NoError(t, e.Client().List(t.Context(), claims))
	require.Len(t, claims.Items, 1)
	clustertest.Eventually(t, launchPatience, "the node is initialised", func(ctx context.Context) (bool, string) {
		claim := &claims.Items[0]
		err := e.Client().Get(ctx, client.ObjectKeyFromObject(claim), claim)
		return err == nil && claim.StatusConditions().Get(karpv1.ConditionTypeInitialized).IsTrue(), "it is not"
	})
	require.NoError(t, e.Client().Delete(t.Context(), &claims.Items[0]))
	clustertest.Eventually(t, launchPatience, "the node is drained and gone", func(ctx context.Context) (bool, string) {
		nodes := &corev1.NodeList{}
		if err := e.Client().List(ctx, claims); err != nil {
			return false, err.Error()
		}
		if err := e.Client().List(ctx, nodes); err != nil {
			return false, err.Error()
		}
		return len(claims.Items)+len(nodes.Items) == 0, "it is there"
	})
	class := &unstructured.Unstructured{}
	class.SetAPIVersion("karpenter.k8s.oracle/v1alpha1")
	class.SetKind("OciNodeClass")
	class.SetName("default")
	require.NoError(t, e.Client().Delete(t.Context(), class))
	clustertest.Eventually(t, launchPatience, "the class is gone", func(ctx context.Context) (bool, string) {
		return apierrors.IsNotFound(e.Client().Get(ctx, client.ObjectKeyFromObject(class), class)), "it is there"
	})
}
