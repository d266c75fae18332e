// Package podhost runs the pods of a Node as processes of this machine, as a kubelet runs them as containers: from an image's root folder, as the
// user of the security context, with environment, volumes, service account token and probes of the pod's own specification, so that what a
// chart installs is what is tried. Pods share the machine's network, so their ports are mapped; everything else is done or refused.
package podhost

import (
	"context"
	"fmt"
	"net/url"
	goruntime "runtime"
	"strconv"
	"sync"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/util/retry"
	"k8s.io/utils/ptr"

	"github.com/karpenter-oke/karpenter-oke/test/cluster"
)

const (
	loopback  = "127.0.0.1"
	leases    = "kube-node-lease"
	every     = 250 * time.Millisecond // between two looks at the pods
	heartbeat = 5 * time.Second
	backOff   = time.Second // before a container that ended is started again
)

// Options of a host.
type Options struct {
	Plane *cluster.Plane
	Name  string // of the Node
	Zone  string
	// Namespace is where pods are taken from. Others that are bound to the Node, such as those of the cluster's DaemonSets, are left waiting.
	Namespace string
	Dir       string // pods' root folders and logs
	// Pull writes the root folder of an image.
	Pull func(ctx context.Context, reference, root string) (v1.Image, error)
}

// Ended is a container's end.
type Ended struct {
	Pod      string
	Asked    bool // the pod was deleted, so its process was told to end
	ExitCode int  // -1 when a signal ended it
	After    time.Duration
	Log      string
}

// Host is a Node whose pods run here.
type Host struct {
	o                Options
	kube             kubernetes.Interface
	apiHost, apiPort string

	mu      sync.Mutex
	running map[string]*container // by the pod's UID
	ended   []Ended
}

// New makes a host; Run joins the cluster.
func New(o Options) (*Host, error) {
	kube, err := kubernetes.NewForConfig(o.Plane.RESTConfig())
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	address, err := url.Parse(o.Plane.URL())
	if err != nil {
		return nil, fmt.Errorf("reading the API server's address: %w", err)
	}
	return &Host{o: o, kube: kube, apiHost: address.Hostname(), apiPort: address.Port(), running: map[string]*container{}}, nil
}

// Run joins the cluster and runs what is bound to the Node until ctx ends; then it ends what runs.
func (h *Host) Run(ctx context.Context) error {
	if err := h.register(ctx); err != nil {
		return fmt.Errorf("registering the node %s: %w", h.o.Name, err)
	}
	var work sync.WaitGroup
	defer work.Wait()
	defer h.killAll()
	look, beat := time.NewTicker(every), time.NewTicker(heartbeat)
	defer look.Stop()
	defer beat.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-beat.C:
			_ = h.renew(ctx) // a missed one is made good by the next
		case <-look.C:
			if err := h.sync(ctx, &work); err != nil && ctx.Err() == nil {
				return err
			}
		}
	}
}

// register makes the Node and says that it is ready.
func (h *Host) register(ctx context.Context) error {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: h.o.Name, Labels: map[string]string{
		corev1.LabelHostname: h.o.Name, corev1.LabelOSStable: "linux", corev1.LabelArchStable: goruntime.GOARCH, corev1.LabelTopologyZone: h.o.Zone,
	}}}
	node, err := h.kube.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	if err := h.renew(ctx); err != nil {
		return err
	}
	return retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		if node, err = h.kube.CoreV1().Nodes().Get(ctx, h.o.Name, metav1.GetOptions{}); err != nil {
			return err
		}
		node.Status = ready()
		_, err = h.kube.CoreV1().Nodes().UpdateStatus(ctx, node, metav1.UpdateOptions{})
		return err
	})
}

// ready is the status of a healthy node of a moderate size.
func ready() corev1.NodeStatus {
	capacity := corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("4"), corev1.ResourceMemory: resource.MustParse("8Gi"), corev1.ResourcePods: resource.MustParse("20"),
		corev1.ResourceEphemeralStorage: resource.MustParse("20Gi"),
	}
	status := corev1.NodeStatus{Capacity: capacity, Allocatable: capacity, Addresses: []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: loopback}}}
	now := metav1.Now()
	for kind, value := range map[corev1.NodeConditionType]corev1.ConditionStatus{
		corev1.NodeReady: corev1.ConditionTrue, corev1.NodeMemoryPressure: corev1.ConditionFalse, corev1.NodeDiskPressure: corev1.ConditionFalse,
		corev1.NodePIDPressure: corev1.ConditionFalse,
	} {
		status.Conditions = append(status.Conditions, corev1.NodeCondition{
			Type: kind, Status: value, Reason: "PodHost", LastHeartbeatTime: now, LastTransitionTime: now,
		})
	}
	return status
}

// renew is the Node's heartbeat.
func (h *Host) renew(ctx context.Context) error {
	now := metav1.NowMicro()
	lease, err := h.kube.CoordinationV1().Leases(leases).Get(ctx, h.o.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		_, err = h.kube.CoordinationV1().Leases(leases).Create(ctx, &coordinationv1.Lease{
			ObjectMeta: metav1.ObjectMeta{Name: h.o.Name},
			Spec:       coordinationv1.LeaseSpec{HolderIdentity: &h.o.Name, LeaseDurationSeconds: ptr.To[int32](40), RenewTime: &now},
		}, metav1.CreateOptions{})
		return err
	}
	if err != nil {
		return err
	}
	lease.Spec.RenewTime = &now
	_, err = h.kube.CoordinationV1().Leases(leases).Update(ctx, lease, metav1.UpdateOptions{})
	return err
}

// sync starts what is new, ends what is deleted, starts again what ended, and writes how all are.
func (h *Host) sync(ctx context.Context, work *sync.WaitGroup) error {
	pods, err := h.kube.CoreV1().Pods(h.o.Namespace).List(ctx, metav1.ListOptions{FieldSelector: fields.OneTermEqualSelector("spec.nodeName", h.o.Name).String()})
	if err != nil {
		return fmt.Errorf("listing the pods of %s: %w", h.o.Name, err)
	}
	for i := range pods.Items {
		pod := &pods.Items[i]
		known := h.get(pod)
		switch {
		case pod.DeletionTimestamp != nil:
			h.forget(ctx, pod, known, work)
		case known == nil:
			if err := h.begin(ctx, pod, work); err != nil {
				h.complain(ctx, pod, err)
			}
		default:
			if err := h.tend(ctx, pod, known, work); err != nil {
				return fmt.Errorf("tending pod %s on %s: %w", pod.Name, h.o.Name, err)
			}
		}
	}
	return nil
}

// complain writes into a pod's status why it does not start. It is tried again.
func (h *Host) complain(ctx context.Context, pod *corev1.Pod, reason error) {
	updated := pod.DeepCopy()
	updated.Status.Message = reason.Error()
	if updated.Status.Message != pod.Status.Message {
		_, _ = h.kube.CoreV1().Pods(pod.Namespace).UpdateStatus(ctx, updated, metav1.UpdateOptions{}) // said again otherwise
	}
}

func (h *Host) get(pod *corev1.Pod) *container {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.running[string(pod.UID)]
}

func (h *Host) begin(ctx context.Context, pod *corev1.Pod, work *sync.WaitGroup) error {
	c, err := h.prepare(ctx, pod)
	if err != nil {
		return err
	}
	if err := c.launch(h.o.Dir, time.Now()); err != nil {
		return err
	}
	h.mu.Lock()
	h.running[string(pod.UID)] = c
	h.mu.Unlock()
	work.Go(func() { c.probe(ctx) })
	return nil
}

// tend starts a container again that has ended, and writes the pod's status when it changed.
func (h *Host) tend(ctx context.Context, pod *corev1.Pod, c *container, work *sync.WaitGroup) error {
	child := c.current()
	select {
	case <-child.Done():
		h.note(Ended{Pod: pod.Name, ExitCode: child.ExitCode(), Log: child.LogFile()})
		c.mu.Lock()
		c.ready = false
		wait := time.Since(c.since) < backOff
		if !wait {
			c.restarts++
		}
		c.mu.Unlock()
		if wait {
			break
		}
		if err := c.launch(h.o.Dir, time.Now()); err != nil {
			return err
		}
		work.Go(func() { c.probe(ctx) })
	default:
	}
	want := c.status(pod)
	if sameStatus(&pod.Status, want) {
		return nil
	}
	updated := pod.DeepCopy()
	updated.Status = *want
	_, err := h.kube.CoreV1().Pods(pod.Namespace).UpdateStatus(ctx, updated, metav1.UpdateOptions{})
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return nil // looked at again soon
	}
	return err
}

// forget ends a deleted pod's process in the background, and then the pod.
func (h *Host) forget(ctx context.Context, pod *corev1.Pod, c *container, work *sync.WaitGroup) {
	h.mu.Lock()
	if c != nil && c.ending {
		h.mu.Unlock()
		return
	}
	if c != nil {
		c.ending = true
	}
	h.mu.Unlock()
	grace := time.Duration(ptr.Deref(pod.DeletionGracePeriodSeconds, 30)) * time.Second
	work.Go(func() {
		if c != nil {
			h.note(c.end(grace))
			h.remove(pod.Name)
		}
		_ = h.kube.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{
			GracePeriodSeconds: ptr.To[int64](0), Preconditions: &metav1.Preconditions{UID: &pod.UID},
		})
	})
}

func (h *Host) note(e Ended) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ended = append(h.ended, e)
}

// Ended lists the containers that have ended, in their order.
func (h *Host) Ended() []Ended {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]Ended(nil), h.ended...)
}

// Kill ends the process of a pod as kill -9 does; it is started again after a moment. False when the pod does not run here.
func (h *Host) Kill(pod string) bool {
	c := h.named(pod)
	if c == nil {
		return false
	}
	_ = c.current().Kill()
	return true
}

// Log is the path of the log of a pod's process that runs now; empty when the pod does not run here.
func (h *Host) Log(pod string) string {
	if c := h.named(pod); c != nil {
		return c.current().LogFile()
	}
	return ""
}

// URL is where a port that a pod declares can be reached; empty when the pod does not run here.
func (h *Host) URL(pod string, port int32) string {
	if c := h.named(pod); c != nil {
		return "http://" + loopback + ":" + strconv.Itoa(int(c.ports[port]))
	}
	return ""
}

func (h *Host) named(pod string) *container {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.running {
		if c.pod.Name == pod && !c.ending {
			return c
		}
	}
	return nil
}

func (h *Host) killAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.running {
		_ = c.current().Kill()
	}
}
