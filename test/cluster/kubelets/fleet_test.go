package kubelets_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/karpenter-oke/karpenter-oke/test/cluster"
	"github.com/karpenter-oke/karpenter-oke/test/cluster/clustertest"
	"github.com/karpenter-oke/karpenter-oke/test/cluster/kubelets"
	"github.com/karpenter-oke/karpenter-oke/test/cluster/pki"
)

const endpoint = "10.0.0.14"

// world is a plane with a fleet; instances are sent by hand.
type world struct {
	t      *testing.T
	plane  *cluster.Plane
	fleet  *kubelets.Fleet
	events chan kubelets.Instance
	count  int
}

func newWorld(t *testing.T) *world {
	plane := clustertest.Plane(t, cluster.Options{})
	w := &world{t: t, plane: plane, events: make(chan kubelets.Instance)}
	fleet, err := kubelets.New(kubelets.Options{Plane: plane, Events: w.events, Endpoint: endpoint, BootDelay: 100 * time.Millisecond, DeviceDelay: 100 * time.Millisecond})
	require.NoError(t, err)
	w.fleet = fleet
	clustertest.Run(t, "fleet", fleet.Run)
	return w
}

// userData is a boot script that joins with extra kubelet arguments.
func (w *world) userData(extra string) string {
	return fmt.Sprintf("#!/bin/bash\nset -e\n/usr/libexec/oci-growfs -y\nbash /etc/oke/oke-install.sh --apiserver-endpoint %q --kubelet-ca-cert %q --cluster-dns 10.96.5.5 --kubelet-extra-args '%s'\n",
		endpoint, base64.StdEncoding.EncodeToString(w.plane.CA()), extra)
}

// launch runs an instance with a plain-text boot script.
func (w *world) launch(script string, change ...func(*kubelets.Instance)) kubelets.Instance {
	w.count++
	inst := kubelets.Instance{
		ID: fmt.Sprintf("ocid1.instance.oc1.phx.test%d", w.count), DisplayName: fmt.Sprintf("node-%d", w.count), CompartmentID: "ocid1.compartment.oc1..test", State: "RUNNING",
		Shape: "VM.Standard.E5.Flex", AvailabilityDomain: "Uocm:PHX-AD-2", FaultDomain: "FAULT-DOMAIN-3", Region: "phx",
		OCPUs: 2, VCPUs: 4, MemoryGB: 32, BootVolumeSizeGB: 50, PrivateIP: fmt.Sprintf("10.0.10.%d", w.count),
		Metadata: map[string]string{"user_data": base64.StdEncoding.EncodeToString([]byte(script))},
	}
	for _, c := range change {
		c(&inst)
	}
	w.events <- inst
	return inst
}

func (w *world) phase(inst kubelets.Instance, phase string) kubelets.Status {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 30*time.Second)
	defer cancel()
	s, err := w.fleet.WaitFor(ctx, inst.ID, phase)
	require.NoError(w.t, err)
	return s
}

func TestFleet(t *testing.T) {
	w := newWorld(t)
	t.Run("a node joins as on OKE and runs pods", w.nodeRunsPods)
	t.Run("a stopped machine's node is not kept alive and comes back with another boot ID", w.stoppedMachine)
	t.Run("a terminated machine's node is deleted", w.terminatedMachine)
	t.Run("a machine with graphics cards advertises them after it joined", w.gpuMachine)
	t.Run("a managed pool's machine joins by the script from the metadata service", w.managedMachine)
	t.Run("nodes of every image family join with what they were given", w.familiesJoin)
	t.Run("a preemptible machine has the taint that was asked for", w.preemptibleMachine)
	t.Run("machines that boot wrongly never register", w.neverRegisters)
}

func (w *world) nodeRunsPods(t *testing.T) {
	client := clustertest.Client(t, w.plane)
	ctx := t.Context()
	inst := w.launch(w.userData("--node-labels=karpenter.sh/nodepool=a,team=x --register-with-taints=karpenter.sh/unregistered:NoExecute,team=x:NoSchedule --max-pods=42"))
	w.phase(inst, kubelets.PhaseJoined)
	var node *corev1.Node
	clustertest.Eventually(t, 20*time.Second, "the node is ready and initialised", func(ctx context.Context) (bool, string) {
		var err error
		if node, err = client.CoreV1().Nodes().Get(ctx, inst.PrivateIP, metav1.GetOptions{}); err != nil {
			return false, err.Error()
		}
		return isReady(node) && node.Labels[corev1.LabelTopologyZone] != "" && len(node.Spec.Taints) == 2, fmt.Sprint(node.Spec.Taints, node.Status.Conditions)
	})
	require.Equal(t, inst.ID, node.Spec.ProviderID)
	for label, want := range map[string]string{
		"topology.kubernetes.io/zone": "PHX-AD-2", "topology.kubernetes.io/region": "phx", "node.kubernetes.io/instance-type": "VM.Standard.E5.Flex", "kubernetes.io/hostname": inst.PrivateIP,
		"kubernetes.io/arch": "amd64", "oci.oraclecloud.com/fault-domain": "FAULT-DOMAIN-3", "oci.oraclecloud.com/node.info.byon": "true", "karpenter.sh/nodepool": "a", "team": "x", "displayName": inst.DisplayName,
	} {
		require.Equal(t, want, node.Labels[label], label)
	}
	require.Equal(t, "ocid1.compartment.oc1..test", node.Annotations["oci.oraclecloud.com/compartment-id"])
	require.ElementsMatch(t, []string{"karpenter.sh/unregistered:NoExecute", "team=x:NoSchedule"}, taints(node))
	require.EqualValues(t, 42, node.Status.Allocatable.Pods().Value())
	_, err := client.CoreV1().Nodes().Patch(ctx, node.Name, "application/merge-patch+json", []byte(`{"spec":{"taints":null}}`), metav1.PatchOptions{})
	require.NoError(t, err)

	pods := client.CoreV1().Pods(metav1.NamespaceDefault)
	_, err = pods.Create(ctx, clustertest.Pod("plain", func(p *corev1.Pod) {
		p.Spec.Containers[0].Lifecycle = &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: []string{"/bin/sh", "-c", "sleep 2"}}}}
	}), metav1.CreateOptions{})
	require.NoError(t, err)
	_, err = client.BatchV1().Jobs(metav1.NamespaceDefault).Create(ctx, &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Name: "job"},
		Spec: batchv1.JobSpec{Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{RestartPolicy: corev1.RestartPolicyNever,
			Containers: []corev1.Container{{Name: "main", Image: "registry.example/app:1"}}}}},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	pod := clustertest.PodPhase(t, client, "plain", corev1.PodRunning, 20*time.Second)
	require.Equal(t, inst.PrivateIP, pod.Status.HostIP)
	require.NotEmpty(t, pod.Status.PodIP)
	clustertest.Eventually(t, 30*time.Second, "the job completes", func(ctx context.Context) (bool, string) {
		job, err := client.BatchV1().Jobs(metav1.NamespaceDefault).Get(ctx, "job", metav1.GetOptions{})
		if err != nil {
			return false, err.Error()
		}
		return job.Status.Succeeded == 1, fmt.Sprint(job.Status)
	})
	begin := time.Now()
	require.NoError(t, pods.Delete(ctx, "plain", metav1.DeleteOptions{}))
	clustertest.Eventually(t, 20*time.Second, "the deleted pod goes", func(ctx context.Context) (bool, string) {
		_, err := pods.Get(ctx, "plain", metav1.GetOptions{})
		return apierrors.IsNotFound(err), "it is still there"
	})
	require.GreaterOrEqual(t, time.Since(begin), 2500*time.Millisecond, "preStop of 2 s and a second to end")
}

func (w *world) stoppedMachine(t *testing.T) {
	client := clustertest.Client(t, w.plane)
	inst := w.launch(w.userData(""))
	w.phase(inst, kubelets.PhaseJoined)
	get := func(ctx context.Context) *corev1.Node {
		node, err := client.CoreV1().Nodes().Get(ctx, inst.PrivateIP, metav1.GetOptions{})
		require.NoError(t, err)
		return node
	}
	clustertest.Eventually(t, 20*time.Second, "the node is ready", func(ctx context.Context) (bool, string) { return isReady(get(ctx)), "it is not" })
	before := get(t.Context()).Status.NodeInfo.BootID
	inst.State = "STOPPED"
	w.events <- inst
	w.phase(inst, kubelets.PhaseOff)
	clustertest.Eventually(t, 10*time.Second, "the node is let go", func(ctx context.Context) (bool, string) {
		_, kept := get(ctx).Labels[kubelets.KeptLabel]
		return !kept, "it is kept"
	})
	inst.State, inst.Boots = "RUNNING", 2
	w.events <- inst
	w.phase(inst, kubelets.PhaseJoined)
	clustertest.Eventually(t, 20*time.Second, "the node is ready again", func(ctx context.Context) (bool, string) { return isReady(get(ctx)), "it is not" })
	require.NotEqual(t, before, get(t.Context()).Status.NodeInfo.BootID)
}

func (w *world) terminatedMachine(t *testing.T) {
	client := clustertest.Client(t, w.plane)
	inst := w.launch(w.userData(""))
	w.phase(inst, kubelets.PhaseJoined)
	inst.State, inst.PrivateIP = "TERMINATED", ""
	w.events <- inst
	clustertest.Eventually(t, 20*time.Second, "the node is deleted", func(ctx context.Context) (bool, string) {
		_, err := client.CoreV1().Nodes().Get(ctx, fmt.Sprintf("10.0.10.%d", w.count), metav1.GetOptions{})
		return apierrors.IsNotFound(err), "it is still there"
	})
}

func (w *world) gpuMachine(t *testing.T) {
	client := clustertest.Client(t, w.plane)
	inst := w.launch(w.userData(""), func(i *kubelets.Instance) {
		i.Shape, i.GPUs, i.VCPUs, i.MemoryGB, i.Preemptible = "VM.GPU.A10.1", 1, 30, 240, true
	})
	w.phase(inst, kubelets.PhaseJoined)
	node, err := client.CoreV1().Nodes().Get(t.Context(), inst.PrivateIP, metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, resource.MustParse("1"), node.Status.Allocatable["nvidia.com/gpu"])
	require.Contains(t, taints(node), "nvidia.com/gpu=present:NoSchedule")
	require.Contains(t, taints(node), "oci.oraclecloud.com/oke-is-preemptible=present:NoSchedule")
	require.Equal(t, "true", node.Labels["oci.oraclecloud.com/oke-is-preemptible"])
}

func (w *world) managedMachine(t *testing.T) {
	client := clustertest.Client(t, w.plane)
	inst := w.launch("", func(i *kubelets.Instance) {
		i.Metadata = kubelets.ManagedMetadata(kubelets.ManagedNode{Endpoint: endpoint, CA: w.plane.CA(), ClusterDNS: "10.96.5.5", NodePoolID: "ocid1.nodepool.oc1.phx.a",
			Labels: map[string]string{"workload-type": "stateful"}, Taints: []string{"workload-type=stateful:NoSchedule"}})
	})
	w.phase(inst, kubelets.PhaseJoined)
	clustertest.Eventually(t, 20*time.Second, "the node is initialised", func(ctx context.Context) (bool, string) {
		node, err := client.CoreV1().Nodes().Get(ctx, inst.PrivateIP, metav1.GetOptions{})
		if err != nil {
			return false, err.Error()
		}
		return node.Annotations["oci.oraclecloud.com/node-pool-id"] == "ocid1.nodepool.oc1.phx.a" && node.Labels["workload-type"] == "stateful" &&
			node.Labels["oci.oraclecloud.com/node.info.byon"] == "", fmt.Sprint(node.Annotations, node.Labels)
	})
}

func (w *world) neverRegisters(t *testing.T) {
	other, err := pki.NewAuthority("somebody else's")
	require.NoError(t, err)
	join := func(endpoint string, ca []byte, rest string) string {
		return fmt.Sprintf("#!/bin/bash\nbash /etc/oke/oke-install.sh --apiserver-endpoint %q --kubelet-ca-cert %q %s\n", endpoint, base64.StdEncoding.EncodeToString(ca), rest)
	}
	tests := map[string]struct{ script, reason string }{
		"no user data at all":                           {"", "no user_data"},
		"a script without an interpreter line":          {"bash /etc/oke/oke-install.sh\n", "nothing that cloud-init runs"},
		"a script that breaks off before the install":   {"#!/bin/bash\nset -e\nfalse\n" + w.userData(""), "status 1"},
		"a quote that is never closed":                  {"#!/bin/bash\nbash /etc/oke/oke-install.sh --apiserver-endpoint \"10.0.0.14\n", "syntax error"},
		"an endpoint of another cluster":                {join("10.9.9.9", w.plane.CA(), ""), "i/o timeout"},
		"an endpoint with a port":                       {join("10.0.0.14:6443", w.plane.CA(), ""), "without scheme and port"},
		"an authority that did not sign the API server": {join(endpoint, other.CertPEM(), ""), "unknown authority"},
		"a certificate that is no certificate":          {join(endpoint, []byte("hello"), ""), "not PEM"},
		"an argument the install program has not":       {join(endpoint, w.plane.CA(), "--kubelet-args x"), "unknown argument"},
		"a kubelet argument that does not exist":        {join(endpoint, w.plane.CA(), "--kubelet-extra-args '--max-pod=3'"), "unknown flag"},
		"a label that only Kubernetes may set":          {join(endpoint, w.plane.CA(), "--kubelet-extra-args '--node-labels=node-role.kubernetes.io/worker='"), "unknown 'kubernetes.io'"},
		"a loop that waits for ever":                    {"#!/bin/bash\nuntil test -f /never; do sleep 10; done\n" + w.userData(""), "still waiting"},
	}
	instances := map[string]kubelets.Instance{}
	for name, tt := range tests {
		instances[name] = w.launch(tt.script)
	}
	client := clustertest.Client(t, w.plane)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := w.phase(instances[name], kubelets.PhaseFailed)
			require.Contains(t, s.Reason, tt.reason)
			require.Contains(t, s.Console, s.Reason)
			_, err := client.CoreV1().Nodes().Get(t.Context(), instances[name].PrivateIP, metav1.GetOptions{})
			require.True(t, apierrors.IsNotFound(err))
		})
	}
}

func isReady(node *corev1.Node) bool {
	for _, c := range node.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

func taints(node *corev1.Node) []string {
	var out []string
	for _, taint := range node.Spec.Taints {
		out = append(out, taint.ToString())
	}
	return out
}
