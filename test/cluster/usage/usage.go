// Package usage lets nodes without machines tell what their pods use: it serves the resource metrics that metrics-server asks
// kubelets for. What the pods use is up to the caller.
package usage

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/util/retry"
	"k8s.io/utils/clock"
)

// resourcePath is the annotation of a node that tells metrics-server where the node's resource metrics are.
const resourcePath = "metrics.k8s.io/resource-metrics-path"

// Use is what one container uses now.
type Use struct {
	CPU    float64 // cores
	Memory int64   // bytes
}

// Kubelets answer for a set of nodes. OKE's virtual nodes have two series and no others: container_cpu_usage_seconds_total and
// container_memory_working_set_bytes; so have these.
type Kubelets struct {
	client kubernetes.Interface
	clock  clock.PassiveClock
	of     func(pod *corev1.Pod) Use // of each container of a running pod
	server *http.Server
	port   int32

	mu      sync.Mutex
	seconds map[types.UID]*counter
}

// counter is the CPU time that the containers of a pod have used, each.
type counter struct {
	seconds float64
	rate    float64 // cores since at
	at      time.Time
}

// Serve answers on a free port of loopback until Close.
func Serve(client kubernetes.Interface, clk clock.PassiveClock, of func(pod *corev1.Pod) Use) (*Kubelets, error) {
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening for requests of resource metrics: %w", err)
	}
	k := &Kubelets{client: client, clock: clk, of: of, seconds: map[types.UID]*counter{}}
	k.port = int32(listener.Addr().(*net.TCPAddr).Port)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /nodes/{node}/metrics/resource", k.answer)
	k.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = k.server.Serve(listener) }()
	return k, nil
}

// Close ends the server.
func (k *Kubelets) Close() error { return k.server.Close() }

// Attach makes a node point here: its external address, its kubelet's port, and the path.
func (k *Kubelets) Attach(ctx context.Context, name string) error {
	nodes := k.client.CoreV1().Nodes()
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		node, err := nodes.Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if node.Annotations == nil {
			node.Annotations = map[string]string{}
		}
		node.Annotations[resourcePath] = "/nodes/" + name + "/metrics/resource"
		if node, err = nodes.Update(ctx, node, metav1.UpdateOptions{}); err != nil {
			return err
		}
		node.Status.Addresses = append(node.Status.Addresses, corev1.NodeAddress{Type: corev1.NodeExternalIP, Address: "127.0.0.1"})
		node.Status.DaemonEndpoints.KubeletEndpoint.Port = k.port
		_, err = nodes.UpdateStatus(ctx, node, metav1.UpdateOptions{})
		return err
	})
	if err != nil {
		return fmt.Errorf("pointing node %s at its resource metrics: %w", name, err)
	}
	return nil
}

func (k *Kubelets) answer(w http.ResponseWriter, r *http.Request) {
	pods, err := k.client.CoreV1().Pods("").List(r.Context(), metav1.ListOptions{FieldSelector: "spec.nodeName=" + r.PathValue("node")})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4")
	_, _ = fmt.Fprint(w, k.text(pods.Items))
}

// text counts on what the pods have used and writes it.
func (k *Kubelets) text(pods []corev1.Pod) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.clock.Now()
	var cpu, memory strings.Builder
	cpu.WriteString("# TYPE container_cpu_usage_seconds_total counter\n")
	memory.WriteString("# TYPE container_memory_working_set_bytes gauge\n")
	for i := range pods {
		pod := &pods[i]
		if pod.Status.Phase != corev1.PodRunning {
			delete(k.seconds, pod.UID)
			continue
		}
		use := k.of(pod)
		c, ok := k.seconds[pod.UID]
		if !ok {
			c = &counter{at: now}
			k.seconds[pod.UID] = c
		}
		c.seconds += c.rate * now.Sub(c.at).Seconds()
		c.rate, c.at = use.CPU, now
		for _, container := range pod.Spec.Containers {
			labels := fmt.Sprintf(`{container=%q,namespace=%q,pod=%q}`, container.Name, pod.Namespace, pod.Name)
			at := strconv.FormatInt(now.UnixMilli(), 10)
			// A new container has used something already; metrics-server takes 0 for a metric that is missing.
			fmt.Fprintf(&cpu, "container_cpu_usage_seconds_total%s %f %s\n", labels, 0.01+c.seconds, at)
			fmt.Fprintf(&memory, "container_memory_working_set_bytes%s %d %s\n", labels, use.Memory, at)
		}
	}
	return cpu.String() + memory.String()
}
