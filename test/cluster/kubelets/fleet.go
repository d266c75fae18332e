// Package kubelets makes the instances of an OCI simulator into nodes: each instance that runs is booted as a machine would be
// (package machine), its kubelet registers a Node as on OKE, a stand-in for OKE's cloud controller labels and removes Nodes, and kwok
// keeps them and their pods alive.
//
// Nothing here is shared with the controller under test: this package judges what the controller sends to OCI.
package kubelets

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"

	"github.com/karpenter-oke/karpenter-oke/test/cluster"
	"github.com/karpenter-oke/karpenter-oke/test/cluster/kubelets/machine"
)

// Instance is the state of an OCI instance at one time.
type Instance = machine.Instance

// Options of a fleet.
type Options struct {
	Plane    *cluster.Plane
	Events   <-chan Instance // every change of an instance, the present ones first; closing it is allowed
	Endpoint string          // host of the cluster's private API endpoint, e.g. 10.0.0.14; any other never answers

	BootDelay    time.Duration // from RUNNING until the kubelet starts; default 2 s
	DeviceDelay  time.Duration // from joining until GPUs are advertised; default 1 s
	DefaultPods  int           // pods per node when the instance says nothing; default 110
	PodCIDR      string        // addresses of pods; default 10.244.0.0/16
	KubeletMinor string        // version the kubelets report; default v1.36.3
	// KeepInstanceType leaves label node.kubernetes.io/instance-type as the kubelet registered it; otherwise the cloud controller
	// writes the raw shape over it, as OKE's does.
	KeepInstanceType bool

	// Alter may change a Node before its kubelet registers it: nodes that are not as their instance lets expect. nil changes nothing.
	Alter func(Instance, *corev1.Node)

	Clock  clock.WithTicker // default: the real one
	Logger *slog.Logger     // default: silent
}

// Phases of a machine.
const (
	PhaseBooting = "Booting"
	PhaseJoined  = "Joined"
	PhaseFailed  = "Failed" // up, but its kubelet never registers
	PhaseOff     = "Off"
)

// Status tells how far a machine has come.
type Status struct {
	InstanceID string
	Phase      string
	NodeName   string        // set when Joined
	Reason     string        // why it failed
	Console    string        // what a console history would show
	BootTook   time.Duration // from RUNNING to a registered Node
}

// Fleet runs the machines.
type Fleet struct {
	o     Options
	admin kubernetes.Interface
	boots chan struct{} // bounds shells that run at the same time

	mu       sync.Mutex
	agents   map[string]*agent // by instance OCID
	changed  chan struct{}     // closed and replaced at each change of a status
	nodeKick chan string       // node names for the cloud controller
}

// New checks the options. It does no I/O.
func New(o Options) (*Fleet, error) {
	if o.Plane == nil || o.Events == nil || o.Endpoint == "" {
		return nil, errors.New("kubelets: Plane, Events and Endpoint are required")
	}
	if o.BootDelay == 0 {
		o.BootDelay = 2 * time.Second
	}
	if o.DeviceDelay == 0 {
		o.DeviceDelay = time.Second
	}
	if o.PodCIDR == "" {
		o.PodCIDR = "10.244.0.0/16"
	}
	if o.KubeletMinor == "" {
		o.KubeletMinor = "v1.36.3"
	}
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	admin, err := kubernetes.NewForConfig(o.Plane.RESTConfig())
	if err != nil {
		return nil, fmt.Errorf("kubelets: making a client: %w", err)
	}
	return &Fleet{o: o, admin: admin, boots: make(chan struct{}, 4), agents: map[string]*agent{}, changed: make(chan struct{}),
		nodeKick: make(chan string, 1024)}, nil
}

// Run starts kwok and plays machines until ctx ends; it returns when everything it started has ended. kwok ends with the plane.
func (f *Fleet) Run(ctx context.Context) error {
	kwok, err := startKwok(f.o.Plane, f.o.PodCIDR)
	if err != nil {
		return fmt.Errorf("kubelets: %w", err)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return f.runCloudController(ctx) })
	group.Go(func() error {
		select {
		case <-kwok.Done():
			if ctx.Err() != nil {
				return nil
			}
			return kwok.Exited()
		case <-ctx.Done():
			return nil
		}
	})
	group.Go(func() error {
		for {
			select {
			case <-ctx.Done():
				return nil
			case inst, ok := <-f.o.Events:
				if !ok {
					return nil
				}
				f.observe(ctx, group, inst)
			}
		}
	})
	return group.Wait()
}

// observe takes one event and starts or stops the machine's agent.
func (f *Fleet) observe(ctx context.Context, group *errgroup.Group, inst Instance) {
	f.mu.Lock()
	defer f.mu.Unlock()
	a, ok := f.agents[inst.ID]
	if !ok {
		a = &agent{fleet: f, status: Status{InstanceID: inst.ID, Phase: PhaseOff}}
		f.agents[inst.ID] = a
	}
	previous := a.inst
	a.inst = inst
	switch {
	case inst.State != "RUNNING":
		a.powerOff(ctx, group)
	case previous.State != "RUNNING" || previous.Boots != inst.Boots:
		a.powerOff(ctx, group)
		a.powerOn(ctx, group)
	}
	f.kick(a.status.NodeName) // a terminated instance has lost its address, its Node has not lost its name
	f.notify()
}

// kick asks the cloud controller to look at a node; it also looks at all of them from time to time, so a full queue loses nothing.
func (f *Fleet) kick(node string) {
	if node == "" {
		return
	}
	select {
	case f.nodeKick <- node:
	default:
	}
}

// notify wakes those who wait for a status; the caller holds mu.
func (f *Fleet) notify() {
	close(f.changed)
	f.changed = make(chan struct{})
}

// Status returns what is known of an instance's machine.
func (f *Fleet) Status(instanceID string) (Status, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	a, ok := f.agents[instanceID]
	if !ok {
		return Status{}, false
	}
	return a.status, true
}

// Statuses returns all machines, ordered by instance OCID.
func (f *Fleet) Statuses() []Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make([]Status, 0, len(f.agents))
	for _, a := range f.agents {
		out = append(out, a.status)
	}
	slices.SortFunc(out, func(a, b Status) int { return strings.Compare(a.InstanceID, b.InstanceID) })
	return out
}

// WaitFor blocks until the machine of an instance is in the phase, or ctx ends; the error then tells its last status.
func (f *Fleet) WaitFor(ctx context.Context, instanceID, phase string) (Status, error) {
	for {
		f.mu.Lock()
		changed := f.changed
		f.mu.Unlock()
		s, _ := f.Status(instanceID)
		if s.Phase == phase {
			return s, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return s, fmt.Errorf("instance %s is %q, not %q: %s: %w", instanceID, s.Phase, phase, s.Reason, context.Cause(ctx))
		}
	}
}

// instanceOf finds the instance a node belongs to, by provider ID.
func (f *Fleet) instanceOf(providerID string) (Instance, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	a, ok := f.agents[strings.TrimPrefix(providerID, "oci://")]
	if !ok {
		return Instance{}, false
	}
	return a.inst, true
}

// kubeletConfig is how a kubelet reaches the API server: as its node, trusting only the CA it was given.
func (f *Fleet) kubeletConfig(node string, ca []byte) (*rest.Config, error) {
	cfg, err := f.o.Plane.ConfigFor("system:node:"+node, "system:nodes")
	if err != nil {
		return nil, err
	}
	cfg.CAData = ca
	cfg.UserAgent = "kubelet"
	return cfg, nil
}
