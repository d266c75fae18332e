package kubelets_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/bootstrap"
	"github.com/karpenter-oke/karpenter-oke/test/cluster/clustertest"
	"github.com/karpenter-oke/karpenter-oke/test/cluster/kubelets"
	"github.com/karpenter-oke/karpenter-oke/test/cluster/kubelets/machine"
)

// familyNode is a node with something of everything.
func (w *world) familyNode(family v1alpha1.ImageFamily) bootstrap.Node {
	node := bootstrap.Node{
		Family: family, Endpoint: endpoint, CABundle: w.plane.CA(), DNSIP: "10.96.5.5", MaxPods: 42, KubernetesVersion: "v1.36.3",
		Labels: map[string]string{"karpenter.sh/nodepool": "a", "team": "x", "node-restriction.kubernetes.io/y": "z", "topology.kubernetes.io/zone": "PHX-AD-2"},
		Taints: []corev1.Taint{{Key: "karpenter.sh/unregistered", Effect: corev1.TaintEffectNoExecute}, {Key: "team", Value: "x", Effect: corev1.TaintEffectNoSchedule}, {Key: "starting", Effect: corev1.TaintEffectNoExecute}},
		Kubelet: &v1alpha1.KubeletConfiguration{
			KubeReserved: v1alpha1.ReservedResources{"cpu": "500m", "memory": "1Gi"}, SystemReserved: v1alpha1.ReservedResources{"cpu": "250m", "memory": "512Mi", "ephemeral-storage": "1Gi"},
			EvictionHard: v1alpha1.EvictionThresholds{"memory.available": "256Mi", "nodefs.available": "10%"}, ExtraArgs: []string{"--serialize-image-pulls=false"},
		},
		SSHAuthorizedKeys: []string{"ssh-ed25519 AAAA a"},
		UserData:          "echo user data",
	}
	if family != v1alpha1.ImageFamilyCustom {
		node.UserData = mimeDocument
		node.PreInstall, node.PostInstall = "test -d /var/lib/data", "test -d /var/lib/data"
		node.BlockDevices = []v1alpha1.BlockDevice{{SizeInGBs: 50, MountPath: "/var/lib/data"}}
	}
	return node
}

func (w *world) familiesJoin(t *testing.T) {
	client := clustertest.Client(t, w.plane)
	for family, image := range imageOf {
		t.Run(string(family), func(t *testing.T) {
			metadata, err := bootstrap.Metadata(w.familyNode(family))
			require.NoError(t, err)
			inst := w.launch("", func(i *kubelets.Instance) {
				i.Image, i.Metadata, i.Volumes = image, metadata, []machine.Volume{{Device: bootstrap.DevicePath(0)}}
			})
			w.phase(inst, kubelets.PhaseJoined)
			var node *corev1.Node
			clustertest.Eventually(t, 20*time.Second, "the node is initialised", func(ctx context.Context) (bool, string) {
				if node, err = client.CoreV1().Nodes().Get(ctx, inst.PrivateIP, metav1.GetOptions{}); err != nil {
					return false, err.Error()
				}
				return len(node.Spec.Taints) == 3, fmt.Sprint(node.Spec.Taints)
			})
			require.ElementsMatch(t, []string{"karpenter.sh/unregistered:NoExecute", "team=x:NoSchedule", "starting:NoExecute"}, taints(node))
			for label, want := range map[string]string{"karpenter.sh/nodepool": "a", "team": "x", "topology.kubernetes.io/zone": "PHX-AD-2"} {
				require.Equal(t, want, node.Labels[label], label)
			}
			require.NotContains(t, node.Labels, "node-restriction.kubernetes.io/y", "core sets it")
			capacity, allocatable := node.Status.Capacity, node.Status.Allocatable
			require.EqualValues(t, 42, allocatable.Pods().Value())
			require.EqualValues(t, 4000-750, allocatable.Cpu().MilliValue())
			reserved := resource.MustParse("1792Mi")
			require.Equal(t, capacity.Memory().Value()-reserved.Value(), allocatable.Memory().Value())
			disk := capacity.StorageEphemeral().Value()
			require.InDelta(t, disk-disk/10-1<<30, allocatable.StorageEphemeral().Value(), 1)
		})
	}
}

// A preemptible node has OKE's taint when it is asked for, and not by itself.
func (w *world) preemptibleMachine(t *testing.T) {
	client := clustertest.Client(t, w.plane)
	for taint, want := range map[v1alpha1.PreemptibleTaint][]string{
		v1alpha1.PreemptibleTaintNone: nil,
		v1alpha1.PreemptibleTaintOKE:  {"oci.oraclecloud.com/oke-is-preemptible=present:NoSchedule"},
	} {
		t.Run(string(taint), func(t *testing.T) {
			metadata, err := bootstrap.Metadata(bootstrap.Node{Endpoint: endpoint, CABundle: w.plane.CA(), Preemptible: true, PreemptibleTaint: taint,
				// A NodePool that lists OKE's taint, as its documentation asks for, gives it to the kubelet as well.
				Taints: map[v1alpha1.PreemptibleTaint][]corev1.Taint{v1alpha1.PreemptibleTaintOKE: {{Key: "oci.oraclecloud.com/oke-is-preemptible", Value: "present", Effect: corev1.TaintEffectNoSchedule}}}[taint]})
			require.NoError(t, err)
			inst := w.launch("", func(i *kubelets.Instance) { i.Preemptible, i.Metadata = true, metadata })
			w.phase(inst, kubelets.PhaseJoined)
			clustertest.Eventually(t, 20*time.Second, "the node is initialised", func(ctx context.Context) (bool, string) {
				node, err := client.CoreV1().Nodes().Get(ctx, inst.PrivateIP, metav1.GetOptions{})
				if err != nil {
					return false, err.Error()
				}
				return fmt.Sprint(taints(node)) == fmt.Sprint(want), fmt.Sprint(taints(node))
			})
		})
	}
}
