package kubelets

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/karpenter-oke/karpenter-oke/test/cluster/kubelets/kubelet"
	"github.com/karpenter-oke/karpenter-oke/test/cluster/kubelets/machine"
)

// registerEvery is how often a kubelet tries again to register after a passing error.
const registerEvery = 500 * time.Millisecond

// agent is one machine; its fields are guarded by the fleet's mutex.
type agent struct {
	fleet  *Fleet
	inst   Instance
	status Status
	node   *corev1.Node // what the first boot registered; cloud-init does not run again on later boots
	cancel context.CancelFunc
}

// powerOff ends a boot that is under way and lets a registered node's heartbeat stop. The caller holds the fleet's mutex.
func (a *agent) powerOff(ctx context.Context, group *errgroup.Group) {
	if a.cancel != nil {
		a.cancel()
		a.cancel = nil
	}
	if a.status.Phase == PhaseJoined {
		name := a.status.NodeName
		group.Go(func() error {
			a.keep(ctx, name, false)
			return nil
		})
	}
	a.status.Phase = PhaseOff
}

// powerOn starts a boot. The caller holds the fleet's mutex.
func (a *agent) powerOn(ctx context.Context, group *errgroup.Group) {
	ctx, a.cancel = context.WithCancel(ctx)
	a.status.Phase, a.status.Reason = PhaseBooting, ""
	inst, node := a.inst, a.node
	begin := a.fleet.o.Clock.Now()
	group.Go(func() error {
		reason := a.boot(ctx, inst, node)
		if ctx.Err() != nil {
			return nil
		}
		a.settle(inst, reason, begin)
		return nil
	})
}

// settle records the end of a boot.
func (a *agent) settle(inst Instance, reason string, begin time.Time) {
	f := a.fleet
	f.mu.Lock()
	defer f.mu.Unlock()
	if reason != "" {
		a.status.Phase, a.status.Reason = PhaseFailed, reason
		f.o.Logger.Warn("instance never joins", "instance", inst.DisplayName, "shape", inst.Shape, "reason", reason)
	} else {
		a.status.Phase, a.status.NodeName, a.status.BootTook = PhaseJoined, inst.PrivateIP, f.o.Clock.Since(begin)
		f.o.Logger.Info("node joined", "node", inst.PrivateIP, "instance", inst.DisplayName, "shape", inst.Shape)
	}
	f.notify()
}

// boot returns why the machine does not join; empty when it did.
func (a *agent) boot(ctx context.Context, inst Instance, known *corev1.Node) string {
	f := a.fleet
	if known != nil {
		if !f.pause(ctx, f.o.BootDelay) {
			return ctx.Err().Error()
		}
		return a.rejoin(ctx, known)
	}
	select {
	case f.boots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err().Error()
	}
	outcome := machine.Boot(ctx, inst)
	<-f.boots
	a.setConsole(outcome.Console)
	if outcome.Join == nil {
		return outcome.Reason
	}
	if outcome.Join.APIServerEndpoint != f.o.Endpoint {
		return a.say("kubelet: unable to register node with API server: dial tcp %s:6443: i/o timeout (the cluster's private endpoint is %s)", outcome.Join.APIServerEndpoint, f.o.Endpoint)
	}
	node, err := f.newNode(inst, outcome)
	if err != nil {
		return a.say("%v", err)
	}
	if f.o.Alter != nil {
		f.o.Alter(inst, node)
	}
	if !f.pause(ctx, f.o.BootDelay) {
		return ctx.Err().Error()
	}
	if err := a.register(ctx, node, outcome.Join.CA); err != nil {
		return a.say("kubelet: unable to register node with API server: %v", err)
	}
	f.mu.Lock()
	a.node = node
	f.mu.Unlock()
	f.kick(node.Name)
	if err := a.plugDevices(ctx, inst, node.Name); err != nil && ctx.Err() == nil {
		return a.say("device plugin: %v", err)
	}
	return ""
}

// pause waits on the fleet's clock; false when ctx ended first.
func (f *Fleet) pause(ctx context.Context, d time.Duration) bool {
	timer := f.o.Clock.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C():
		return true
	case <-ctx.Done():
		return false
	}
}

func (a *agent) setConsole(console string) {
	a.fleet.mu.Lock()
	defer a.fleet.mu.Unlock()
	a.status.Console = console
}

// say adds a line to the console and returns it.
func (a *agent) say(format string, args ...any) string {
	line := fmt.Sprintf(format, args...)
	a.fleet.mu.Lock()
	defer a.fleet.mu.Unlock()
	a.status.Console += line + "\n"
	return line
}

// register creates the Node as the kubelet would, again and again while the reason may pass.
func (a *agent) register(ctx context.Context, node *corev1.Node, ca []byte) error {
	cfg, err := a.fleet.kubeletConfig(node.Name, ca)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return fmt.Errorf("the CA certificate cannot be used: %w", err)
	}
	for {
		_, err := client.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{})
		switch {
		case err == nil:
			return nil
		case apierrors.IsAlreadyExists(err):
			// The address belonged to an instance that is gone; its Node goes when the cloud controller has seen that.
			existing, getErr := client.CoreV1().Nodes().Get(ctx, node.Name, metav1.GetOptions{})
			if getErr == nil && existing.Spec.ProviderID == node.Spec.ProviderID {
				return nil
			}
		case permanent(err):
			return err
		}
		if !a.fleet.pause(ctx, registerEvery) {
			return errors.Join(err, ctx.Err())
		}
	}
}

// permanent tells an error that trying again cannot mend.
func permanent(err error) bool {
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	return errors.As(err, &unknown) || errors.As(err, &invalid) || apierrors.IsForbidden(err) || apierrors.IsInvalid(err) || apierrors.IsUnauthorized(err) || apierrors.IsBadRequest(err)
}

// rejoin is what a kubelet does after a reboot: a new boot ID, and heartbeats again.
func (a *agent) rejoin(ctx context.Context, node *corev1.Node) string {
	patch := fmt.Sprintf(`{"status":{"nodeInfo":{"bootID":%q},"conditions":[{"type":"Ready","status":"False","reason":"KubeletNotReady","message":"container runtime is down"}]}}`, uuid.NewString())
	_, err := a.fleet.admin.CoreV1().Nodes().Patch(ctx, node.Name, types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{}, "status")
	switch {
	case apierrors.IsNotFound(err):
		// A kubelet that starts registers its node again.
		fresh := node.DeepCopy()
		fresh.Status.NodeInfo.BootID = uuid.NewString()
		if _, err := a.fleet.admin.CoreV1().Nodes().Create(ctx, fresh, metav1.CreateOptions{}); err != nil {
			return err.Error()
		}
	case err != nil:
		return err.Error()
	}
	a.keep(ctx, node.Name, true)
	return ""
}

// keep hands the node to kwok or takes it away. A node that is gone needs neither.
func (a *agent) keep(ctx context.Context, name string, alive bool) {
	value := "null"
	if alive {
		value = `"true"`
	}
	patch := fmt.Sprintf(`{"metadata":{"labels":{%q:%s}}}`, KeptLabel, value)
	_, err := a.fleet.admin.CoreV1().Nodes().Patch(ctx, name, types.MergePatchType, []byte(patch), metav1.PatchOptions{})
	if err != nil && !apierrors.IsNotFound(err) && ctx.Err() == nil {
		a.fleet.o.Logger.Error("changing who keeps a node alive", "node", name, "error", err)
	}
}

// plugDevices advertises GPUs as the device plugin does: some time after the node joined.
func (a *agent) plugDevices(ctx context.Context, inst Instance, name string) error {
	if inst.GPUs == 0 || !a.fleet.pause(ctx, a.fleet.o.DeviceDelay) {
		return nil
	}
	count := resource.NewQuantity(int64(inst.GPUs), resource.DecimalSI).String()
	patch := fmt.Sprintf(`{"status":{"capacity":{%[1]q:%[2]q},"allocatable":{%[1]q:%[2]q}}}`, gpuResource(inst), count)
	_, err := a.fleet.admin.CoreV1().Nodes().Patch(ctx, name, types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{}, "status")
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// newNode is what the kubelet posts. Errors are those the kubelet exits with.
func (f *Fleet) newNode(inst Instance, outcome machine.Outcome) (*corev1.Node, error) {
	config, err := kubelet.ParseArgs(outcome.Join.KubeletExtraArgs)
	if err != nil {
		return nil, err
	}
	initial, err := kubelet.ParseLabels(outcome.Join.InitialNodeLabels)
	if err != nil {
		return nil, err
	}
	defaultPods := f.o.DefaultPods
	if outcome.Join.MaxPods > 0 {
		defaultPods = outcome.Join.MaxPods
	}
	capacity, allocatable, err := kubelet.Resources(kubelet.Hardware{
		VCPUs: inst.VCPUs, MemoryGB: inst.MemoryGB, BareMetal: inst.BareMetal(), BootVolumeSizeGB: inst.BootVolumeSizeGB, RootGrown: outcome.RootGrown, PodDiskBytes: outcome.PodDiskBytes,
	}, config, defaultPods)
	if err != nil {
		return nil, err
	}
	providerID := config.ProviderID
	if providerID == "" {
		providerID = inst.ID
	}
	labels := ownLabels(inst)
	maps.Copy(labels, initial)
	maps.Copy(labels, config.NodeLabels)
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: inst.PrivateIP, Labels: labels},
		Spec:       corev1.NodeSpec{ProviderID: providerID, Taints: mergeTaints(config.Taints, ownTaints(inst))},
		Status: corev1.NodeStatus{
			Capacity: capacity, Allocatable: allocatable,
			Addresses:  []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: inst.PrivateIP}, {Type: corev1.NodeHostName, Address: inst.PrivateIP}},
			Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionFalse, Reason: "KubeletNotReady", Message: "container runtime network not ready", LastTransitionTime: metav1.NewTime(f.o.Clock.Now()), LastHeartbeatTime: metav1.NewTime(f.o.Clock.Now())}},
			NodeInfo: corev1.NodeSystemInfo{
				MachineID: uuid.NewSHA1(uuid.NameSpaceOID, []byte(inst.ID)).String(), SystemUUID: uuid.NewSHA1(uuid.NameSpaceURL, []byte(inst.ID)).String(), BootID: uuid.NewString(),
				KernelVersion: "5.15.0-319.201.4.el8uek." + inst.UnameMachine(), OSImage: osImage(inst), ContainerRuntimeVersion: "cri-o://1.36.0",
				KubeletVersion: f.o.KubeletMinor, OperatingSystem: "linux", Architecture: arch(inst),
			},
		},
	}, nil
}
