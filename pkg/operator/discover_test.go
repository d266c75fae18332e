package operator

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"
	clienttesting "k8s.io/client-go/testing"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	coreoperator "sigs.k8s.io/karpenter/pkg/operator"

	"github.com/karpenter-oke/karpenter-oke/pkg/operator/options"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/cluster"
)

// managed is a manager of which only the configuration is asked for.
type managed struct {
	manager.Manager
	config *rest.Config
}

// GetConfig implements manager.Manager.
func (m managed) GetConfig() *rest.Config { return m.config }

func dnsService(ip string) *corev1.Service {
	return &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "kube-dns", Namespace: metav1.NamespaceSystem}, Spec: corev1.ServiceSpec{ClusterIP: ip}}
}

func TestWhatNodesAreGivenIsFoundOnTheClusterUnlessItIsSet(t *testing.T) {
	caFile := filepath.Join(t.TempDir(), "ca.crt")
	require.NoError(t, os.WriteFile(caFile, []byte("of the pod"), 0o600))
	inKubeconfig := &rest.Config{TLSClientConfig: rest.TLSClientConfig{CAData: []byte("of the kubeconfig")}}
	for says, tc := range map[string]struct {
		config  *rest.Config
		objects []runtime.Object
		opts    options.Options
		refuses bool // the API server
		want    cluster.Overrides
		err     string
	}{
		"in a pod": {
			config: &rest.Config{TLSClientConfig: rest.TLSClientConfig{CAFile: caFile}}, objects: []runtime.Object{dnsService("10.96.5.5")},
			want: cluster.Overrides{CABundle: []byte("of the pod"), DNSIP: "10.96.5.5"},
		},
		"with a kubeconfig": {
			config: inKubeconfig, objects: []runtime.Object{dnsService("10.96.5.5")},
			want: cluster.Overrides{CABundle: []byte("of the kubeconfig"), DNSIP: "10.96.5.5"},
		},
		"with settings": {
			config: inKubeconfig, objects: []runtime.Object{dnsService("10.96.5.5")}, refuses: true,
			opts: options.Options{ClusterEndpoint: "10.0.0.9", ClusterDNSIP: "10.96.0.10", ClusterCABundle: []byte("set"), ClusterVersion: version.MustParseGeneric("1.34.1"), ClusterPodNetwork: cluster.Flannel},
			want: cluster.Overrides{CABundle: []byte("set"), DNSIP: "10.96.0.10", Endpoint: "10.0.0.9", Version: version.MustParseGeneric("1.34.1"), Pods: cluster.Flannel},
		},
		"without the service, the image knows the address": {config: inKubeconfig, want: cluster.Overrides{CABundle: []byte("of the kubeconfig")}},
		"a headless service has no address": {
			config: inKubeconfig, objects: []runtime.Object{dnsService(corev1.ClusterIPNone)}, want: cluster.Overrides{CABundle: []byte("of the kubeconfig")},
		},
		"without any authority": {config: &rest.Config{}, err: "names no certificate authority"},
		"with one that is gone": {config: &rest.Config{TLSClientConfig: rest.TLSClientConfig{CAFile: caFile + ".gone"}}, err: "reading the API server's certificate authority"},
		"without an answer":     {config: inKubeconfig, refuses: true, err: "or set --cluster-dns-ip"},
	} {
		t.Run(says, func(t *testing.T) {
			kube := fake.NewClientset(tc.objects...)
			if tc.refuses {
				kube.PrependReactor("get", "services", func(clienttesting.Action) (bool, runtime.Object, error) { return true, nil, os.ErrDeadlineExceeded })
			}
			core := &coreoperator.Operator{Manager: managed{config: tc.config}, KubernetesInterface: kube}
			got, err := discover(t.Context(), core, &tc.opts)
			if tc.err != "" {
				require.ErrorContains(t, err, tc.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tc.want, got)
		})
	}
}
