// Package virtualnodes plays a pool of OKE virtual nodes: Nodes without machines that run each pod on a container instance of its own
// and refuse what OKE's refuse.
package virtualnodes

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"

	"github.com/karpenter-oke/karpenter-oke/test/cluster"
)

// Markers of a virtual node. Sources disagree on what OKE sets by itself; these are the defaults here and can be replaced.
const (
	LabelType          = "type"
	LabelTypeValue     = "virtual-node"
	LabelRole          = "node-role.kubernetes.io/virtual-node"
	TaintKey           = "virtual-kubelet.io/provider"
	TaintValue         = "oracle"
	AnnotationPool     = "oci.oraclecloud.com/virtual-node-pool-id"
	leaseSeconds       = 40
	leaseEvery         = 10 * time.Second
	defaultStartDelay  = 1500 * time.Millisecond
	defaultPodsPerNode = 1000
)

// Options of a pool.
type Options struct {
	Plane *cluster.Plane
	Count int // of nodes; default 2

	Labels      map[string]string // nil: type=virtual-node and node-role.kubernetes.io/virtual-node=""
	Taints      []corev1.Taint    // nil: virtual-kubelet.io/provider=oracle:NoSchedule; empty: none
	PoolID      string            // OCID for the annotation; default a made-up one
	Region      string            // region label; default phx
	Zones       []string          // zone labels, by turns; default PHX-AD-1..3
	FirstAddr   [4]byte           // address, and so name, of the first node; default 10.0.12.10
	PodsPerNode int               // default 1000
	StartDelay  time.Duration     // until a pod's container instance runs; default 1.5 s
	ARM         bool              // Pod.Standard.A1.Flex instead of E4: arm64, one vCPU per OCPU
	Version     string            // of the kubelet; default v1.36.3

	Clock  clock.WithTicker
	Logger *slog.Logger
}

// Pool is a set of virtual nodes.
type Pool struct {
	o      Options
	client kubernetes.Interface
	names  []string

	mu    sync.Mutex
	ready map[string]bool
	pods  map[types.UID]*podState
	bills []*Bill
	next  uint16 // next pod address
}

// New checks the options. It does no I/O.
func New(o Options) (*Pool, error) {
	if o.Plane == nil {
		return nil, errors.New("virtualnodes: Plane is required")
	}
	o = o.withDefaults()
	if o.Count < 0 || int(o.FirstAddr[3])+o.Count > 255 {
		return nil, fmt.Errorf("virtualnodes: %d nodes from address %v do not fit a subnet", o.Count, o.FirstAddr)
	}
	client, err := kubernetes.NewForConfig(o.Plane.RESTConfig())
	if err != nil {
		return nil, fmt.Errorf("virtualnodes: making a client: %w", err)
	}
	p := &Pool{o: o, client: client, ready: map[string]bool{}, pods: map[types.UID]*podState{}}
	for i := range o.Count {
		name := fmt.Sprintf("%d.%d.%d.%d", o.FirstAddr[0], o.FirstAddr[1], o.FirstAddr[2], int(o.FirstAddr[3])+i)
		p.names = append(p.names, name)
		p.ready[name] = true
	}
	return p, nil
}

func (o Options) withDefaults() Options {
	if o.Count == 0 {
		o.Count = 2
	}
	if o.Labels == nil {
		o.Labels = map[string]string{LabelType: LabelTypeValue, LabelRole: ""}
	}
	if o.Taints == nil {
		o.Taints = []corev1.Taint{{Key: TaintKey, Value: TaintValue, Effect: corev1.TaintEffectNoSchedule}}
	}
	if o.PoolID == "" {
		o.PoolID = "ocid1.virtualnodepool.oc1.phx.simulated"
	}
	if o.Region == "" {
		o.Region = "phx"
	}
	if len(o.Zones) == 0 {
		o.Zones = []string{"PHX-AD-1", "PHX-AD-2", "PHX-AD-3"}
	}
	if o.FirstAddr == ([4]byte{}) {
		o.FirstAddr = [4]byte{10, 0, 12, 10}
	}
	if o.PodsPerNode == 0 {
		o.PodsPerNode = defaultPodsPerNode
	}
	if o.StartDelay == 0 {
		o.StartDelay = defaultStartDelay
	}
	if o.Version == "" {
		o.Version = "v1.36.3"
	}
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// Names are the nodes' names.
func (p *Pool) Names() []string { return slices.Clone(p.names) }

// Run registers the nodes, keeps them alive and runs their pods until ctx ends.
func (p *Pool) Run(ctx context.Context) error {
	for i, name := range p.names {
		if _, err := p.client.CoreV1().Nodes().Create(ctx, p.node(name, i), metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("registering virtual node %s: %w", name, err)
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return p.heartbeat(ctx) })
	group.Go(func() error { return p.runPods(ctx) })
	return group.Wait()
}

func (p *Pool) node(name string, index int) *corev1.Node {
	arch := "amd64"
	if p.o.ARM {
		arch = "arm64"
	}
	zone := p.o.Zones[index%len(p.o.Zones)]
	labels := map[string]string{
		corev1.LabelHostname: name, corev1.LabelArchStable: arch, corev1.LabelOSStable: "linux",
		corev1.LabelTopologyZone: zone, corev1.LabelTopologyRegion: p.o.Region,
		corev1.LabelFailureDomainBetaZone: zone, corev1.LabelFailureDomainBetaRegion: p.o.Region,
	}
	maps.Copy(labels, p.o.Labels)
	pods := int64(p.o.PodsPerNode)
	// A pod gets at most 64 OCPUs and 1 TB; what the node itself shows is no limit of Oracle's.
	capacity := corev1.ResourceList{
		corev1.ResourceCPU:              *resource.NewQuantity(8*pods, resource.DecimalSI),
		corev1.ResourceMemory:           *resource.NewQuantity(64*pods*gibibyte, resource.BinarySI),
		corev1.ResourceEphemeralStorage: *resource.NewQuantity(15*pods*gibibyte, resource.BinarySI),
		corev1.ResourcePods:             *resource.NewQuantity(pods, resource.DecimalSI),
	}
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels, Annotations: map[string]string{AnnotationPool: p.o.PoolID}},
		Spec:       corev1.NodeSpec{ProviderID: "ocid1.virtualnode.oc1." + p.o.Region + "." + name, Taints: p.o.Taints},
		Status: corev1.NodeStatus{
			Capacity: capacity, Allocatable: capacity,
			Addresses:  []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: name}},
			Conditions: p.conditions(true),
			NodeInfo:   corev1.NodeSystemInfo{KubeletVersion: p.o.Version, OperatingSystem: "linux", Architecture: arch, OSImage: "Oracle Virtual Node"},
		},
	}
}

func (p *Pool) conditions(ready bool) []corev1.NodeCondition {
	now := metav1.NewTime(p.o.Clock.Now())
	condition := corev1.NodeCondition{Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "KubeletReady", Message: "virtual node is ready", LastHeartbeatTime: now, LastTransitionTime: now}
	if !ready {
		condition.Status, condition.Reason, condition.Message = corev1.ConditionFalse, "KubeletNotReady", "virtual node was switched to not ready"
	}
	return []corev1.NodeCondition{condition}
}

// SetReady switches a node's Ready condition and waits until the API server has it.
func (p *Pool) SetReady(ctx context.Context, name string, ready bool) error {
	if !slices.Contains(p.names, name) {
		return fmt.Errorf("there is no virtual node %q", name)
	}
	node, err := p.client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("switching virtual node %s: %w", name, err)
	}
	node.Status.Conditions = p.conditions(ready)
	if _, err := p.client.CoreV1().Nodes().UpdateStatus(ctx, node, metav1.UpdateOptions{}); err != nil {
		return fmt.Errorf("switching virtual node %s: %w", name, err)
	}
	p.mu.Lock()
	p.ready[name] = ready
	p.mu.Unlock()
	return nil
}

// Cordon marks all nodes of the pool unschedulable, or schedulable again.
func (p *Pool) Cordon(ctx context.Context, unschedulable bool) error {
	for _, name := range p.names {
		patch := fmt.Appendf(nil, `{"spec":{"unschedulable":%t}}`, unschedulable)
		if _, err := p.client.CoreV1().Nodes().Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
			return fmt.Errorf("cordoning virtual node %s: %w", name, err)
		}
	}
	return nil
}

// heartbeat renews the leases.
func (p *Pool) heartbeat(ctx context.Context) error {
	ticker := p.o.Clock.NewTicker(leaseEvery)
	defer ticker.Stop()
	for {
		for _, name := range p.names {
			if err := p.renew(ctx, name); err != nil && ctx.Err() == nil {
				p.o.Logger.Error("renewing the lease of a virtual node", "node", name, "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C():
		}
	}
}

func (p *Pool) renew(ctx context.Context, name string) error {
	leases := p.client.CoordinationV1().Leases(corev1.NamespaceNodeLease)
	now := metav1.NewMicroTime(p.o.Clock.Now())
	lease, err := leases.Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		_, err = leases.Create(ctx, &coordinationv1.Lease{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: corev1.NamespaceNodeLease},
			Spec:       coordinationv1.LeaseSpec{HolderIdentity: ptr.To(name), LeaseDurationSeconds: ptr.To[int32](leaseSeconds), RenewTime: &now},
		}, metav1.CreateOptions{})
		return err
	}
	if err != nil {
		return err
	}
	lease.Spec.RenewTime = &now
	_, err = leases.Update(ctx, lease, metav1.UpdateOptions{})
	return err
}

// Bills returns what has been billed so far, in order of start; bills of pods that exist have no end.
func (p *Pool) Bills() []Bill {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]Bill, 0, len(p.bills))
	for _, b := range p.bills {
		out = append(out, *b)
	}
	return out
}
