//go:build e2e

package hpa

import (
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-oke/karpenter-oke/test/cluster/binaries"
	"github.com/karpenter-oke/karpenter-oke/test/cluster/process"
)

// isOurs tells the environment's own requests from the controller's.
func isOurs(userAgent string) bool { return strings.Contains(userAgent, "karpenter-oke-environment") }

// startMetricsServer runs the real metrics-server beside the control plane and joins it to the API server, as its manifests do in a
// cluster. Two things differ, since pods have no network here: the Service has an external name, loopback, and virtual nodes are asked
// without TLS. Only virtual nodes are asked, as only they tell of what pods use here.
func (s *spec) startMetricsServer() {
	s.Helper()
	plane := s.Plane()
	require.NoError(s.T, binaries.Check(plane.BinDir(), "metrics-server"), "make e2e-tools builds it")
	kubeconfig, err := plane.KubeconfigFor("metrics-server", "metrics-server", "system:masters")
	require.NoError(s.T, err)
	port := freePort(s)
	_, err = plane.Run(process.Spec{
		Name: "metrics-server", Path: filepath.Join(plane.BinDir(), "metrics-server"),
		Args: []string{
			"--kubeconfig=" + kubeconfig, "--authentication-kubeconfig=" + kubeconfig, "--authorization-kubeconfig=" + kubeconfig,
			"--bind-address=127.0.0.1", "--secure-port=" + strconv.Itoa(port), "--cert-dir=" + filepath.Join(plane.WorkDir(), "pki", "metrics-server"),
			"--metric-resolution=10s", "--kubelet-request-timeout=5s", "--node-selector=type=virtual-node",
			"--kubelet-use-node-status-port", "--kubelet-preferred-address-types=ExternalIP", "--deprecated-kubelet-completely-insecure",
		},
	})
	require.NoError(s.T, err)
	s.Create(aggregated, map[string]any{"port": port})

	service := &unstructured.Unstructured{}
	service.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiregistration.k8s.io", Version: "v1", Kind: "APIService"})
	s.Eventually("the API server to have the metrics API", func() string {
		require.NoError(s.T, s.Client().Get(s.Context(), client.ObjectKey{Name: "v1beta1.metrics.k8s.io"}, service))
		conditions, _, err := unstructured.NestedSlice(service.Object, "status", "conditions")
		require.NoError(s.T, err)
		for _, c := range conditions {
			if c := c.(map[string]any); c["type"] == "Available" && c["status"] == string(metav1.ConditionTrue) {
				return ""
			}
		}
		return fmt.Sprint(conditions)
	})
}

func freePort(s *spec) int {
	s.Helper()
	listener, err := (&net.ListenConfig{}).Listen(s.Context(), "tcp", "127.0.0.1:0")
	require.NoError(s.T, err)
	defer func() { require.NoError(s.T, listener.Close()) }()
	return listener.Addr().(*net.TCPAddr).Port
}

const aggregated = `
apiVersion: v1
kind: Service
metadata: {name: metrics-server, namespace: kube-system}
spec: {type: ExternalName, externalName: localhost, ports: [{name: https, port: {{.port}}}]}
---
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1beta1.metrics.k8s.io}
spec:
  group: metrics.k8s.io
  version: v1beta1
  groupPriorityMinimum: 100
  versionPriority: 100
  insecureSkipTLSVerify: true
  service: {name: metrics-server, namespace: kube-system, port: {{.port}}}
`

const defaultPools = `
apiVersion: karpenter.k8s.oracle/v1alpha1
kind: OciNodeClass
metadata: {name: default}
spec:
  imageSelector: [{osFamily: Oracle Linux, osVersion: "8"}]
  subnetSelector: [{freeFormTags: {role: nodes}}]
  securityGroupSelector: [{freeFormTags: {role: nodes}}]
---
apiVersion: karpenter.sh/v1
kind: NodePool
metadata: {name: default}
spec:
  template:
    spec:
      nodeClassRef: {group: karpenter.k8s.oracle, kind: OciNodeClass, name: default}
      requirements: [{key: karpenter.sh/capacity-type, operator: In, values: [on-demand]}]
`

const largePod = `
apiVersion: v1
kind: Pod
metadata: {name: large}
spec:
  containers:
    - {name: c, image: phx.ocir.io/acme/large:1, resources: {requests: {cpu: "20", memory: 20Gi}}}
`
