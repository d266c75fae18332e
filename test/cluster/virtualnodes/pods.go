package virtualnodes

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/ptr"
)

// Annotations of a pod, as the simulated kubelets have them.
const (
	annotationRunFor  = "kubelet.karpenter-oke.test/run-for"  // duration after which its containers end with success
	annotationStopFor = "kubelet.karpenter-oke.test/stop-for" // whole seconds its containers take to end after SIGTERM
)

// Reasons in pod status and events, as the virtual kubelet of OKE writes them.
const (
	ReasonProviderFailed = "ProviderFailed"
	eventProviderFailed  = "ProviderCreateFailed"
)

// workers reconcile pods at the same time.
const workers = 8

// podState is what the virtual kubelet remembers of a pod.
type podState struct {
	key     string // namespace/name
	ip      string
	refused string
	admit   time.Time
	started time.Time
	stop    time.Time // first seen with a deletion time
	bill    *Bill
}

func (p *Pool) runPods(ctx context.Context) error {
	factory := informers.NewSharedInformerFactoryWithOptions(p.client, 0, informers.WithTweakListOptions(func(o *metav1.ListOptions) {
		o.FieldSelector = fields.OneTermNotEqualSelector("spec.nodeName", "").String()
	}))
	informer := factory.Core().V1().Pods().Informer()
	queue := workqueue.NewTypedRateLimitingQueue(workqueue.NewTypedItemExponentialFailureRateLimiter[string](100*time.Millisecond, 5*time.Second))
	add := func(obj any) {
		if pod, ok := obj.(*corev1.Pod); ok && p.ours(pod) {
			queue.Add(pod.Namespace + "/" + pod.Name)
		}
	}
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    add,
		UpdateFunc: func(_, obj any) { add(obj) },
		DeleteFunc: func(obj any) {
			if gone, ok := obj.(cache.DeletedFinalStateUnknown); ok {
				obj = gone.Obj
			}
			if pod, ok := obj.(*corev1.Pod); ok && p.ours(pod) {
				p.forget(pod.UID)
			}
		},
	})
	if err != nil {
		return fmt.Errorf("virtual nodes: watching pods: %w", err)
	}
	factory.Start(ctx.Done())
	defer factory.Shutdown()
	if !cache.WaitForCacheSync(ctx.Done(), informer.HasSynced) {
		queue.ShutDown()
		return nil
	}
	done := make(chan struct{}, workers)
	for range workers {
		go func() {
			defer func() { done <- struct{}{} }()
			for p.work(ctx, informer.GetStore(), queue) {
			}
		}()
	}
	<-ctx.Done()
	queue.ShutDown()
	for range workers {
		<-done
	}
	return nil
}

// work takes one pod off the queue; false when the queue has been shut down.
func (p *Pool) work(ctx context.Context, store cache.Store, queue workqueue.TypedRateLimitingInterface[string]) bool {
	key, quit := queue.Get()
	if quit {
		return false
	}
	defer queue.Done(key)
	obj, exists, err := store.GetByKey(key)
	pod, ok := obj.(*corev1.Pod)
	if err != nil || !exists || !ok {
		return true
	}
	again, err := p.reconcile(ctx, pod)
	switch {
	case err != nil && ctx.Err() == nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err):
		p.o.Logger.Error("virtual node", "pod", key, "error", err)
		queue.AddRateLimited(key)
	case again > 0:
		queue.Forget(key)
		queue.AddAfter(key, again)
	default:
		queue.Forget(key)
	}
	return true
}

func (p *Pool) ours(pod *corev1.Pod) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.ready[pod.Spec.NodeName]
	return ok
}

// reconcile moves a pod one step on and says when to look again (0: at its next change).
func (p *Pool) reconcile(ctx context.Context, pod *corev1.Pod) (time.Duration, error) {
	s := p.state(pod)
	now := p.o.Clock.Now()
	switch {
	case pod.DeletionTimestamp != nil:
		return p.stop(ctx, pod, s, now)
	case pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed:
		return 0, nil
	case pod.Status.Phase == corev1.PodRunning:
		return p.complete(ctx, pod, s, now)
	}
	if s.refused != "" {
		return 0, nil
	}
	if s.admit.IsZero() {
		if feature := Refusal(pod, p.volumeDriver(ctx, pod.Namespace)); feature != "" {
			return 0, p.refuse(ctx, pod, s, feature)
		}
		p.admit(pod, s, now)
	}
	if wait := s.admit.Add(p.o.StartDelay).Sub(now); wait > 0 {
		return wait, nil
	}
	s.started = now
	return 0, p.patchStatus(ctx, pod, runningStatus(pod, s.ip, now))
}

func (p *Pool) state(pod *corev1.Pod) *podState {
	p.mu.Lock()
	defer p.mu.Unlock()
	s, ok := p.pods[pod.UID]
	if !ok {
		s = &podState{key: pod.Namespace + "/" + pod.Name, ip: pod.Status.PodIP, started: p.o.Clock.Now()}
		p.pods[pod.UID] = s
	}
	return s
}

// admit gives the pod a container instance: an address, and a bill that runs from now.
func (p *Pool) admit(pod *corev1.Pod, s *podState, now time.Time) {
	per := 2
	if p.o.ARM {
		per = 1
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s.admit = now
	p.next++
	s.ip = fmt.Sprintf("10.128.%d.%d", p.next>>8, p.next&0xff)
	s.bill = &Bill{Size: BilledSize(pod, per), UID: pod.UID, Namespace: pod.Namespace, Name: pod.Name, Node: pod.Spec.NodeName, From: now}
	p.bills = append(p.bills, s.bill)
}

// forget ends the bill of a pod that no longer exists.
func (p *Pool) forget(uid types.UID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s, ok := p.pods[uid]; ok && s.bill != nil {
		s.bill.Until = p.o.Clock.Now()
	}
	delete(p.pods, uid)
}

func (p *Pool) refuse(ctx context.Context, pod *corev1.Pod, s *podState, feature string) error {
	message := "virtual nodes do not support " + feature
	err := p.patchStatus(ctx, pod, map[string]any{"phase": corev1.PodPending, "reason": ReasonProviderFailed, "message": message})
	if err != nil {
		return err
	}
	s.refused = feature
	now := metav1.NewTime(p.o.Clock.Now())
	_, err = p.client.CoreV1().Events(pod.Namespace).Create(ctx, &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{GenerateName: pod.Name + ".", Namespace: pod.Namespace},
		InvolvedObject: corev1.ObjectReference{APIVersion: "v1", Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID},
		Type:           corev1.EventTypeWarning, Reason: eventProviderFailed, Message: message,
		Source: corev1.EventSource{Component: "virtual-kubelet", Host: pod.Spec.NodeName}, FirstTimestamp: now, LastTimestamp: now, Count: 1,
	}, metav1.CreateOptions{})
	return err
}

// complete ends pods that do not run for ever.
func (p *Pool) complete(ctx context.Context, pod *corev1.Pod, s *podState, now time.Time) (time.Duration, error) {
	run, err := time.ParseDuration(pod.Annotations[annotationRunFor])
	if err != nil {
		if !ownedByJob(pod) {
			return 0, nil
		}
		run = time.Second
	}
	if pod.Spec.RestartPolicy == corev1.RestartPolicyAlways {
		return 0, nil
	}
	if wait := s.started.Add(run).Sub(now); wait > 0 {
		return wait, nil
	}
	return 0, p.patchStatus(ctx, pod, endedStatus(pod, now))
}

// stop lets a deleted pod end: its preStop, then the time it takes after SIGTERM, never longer than the grace period.
func (p *Pool) stop(ctx context.Context, pod *corev1.Pod, s *podState, now time.Time) (time.Duration, error) {
	if s.stop.IsZero() {
		s.stop = now
	}
	if pod.Status.Phase == corev1.PodRunning {
		if wait := s.stop.Add(stopTime(pod)).Sub(now); wait > 0 {
			return wait, nil
		}
		// The end of the containers is told before the pod goes: controllers that keep a finalizer on it wait for that.
		if err := p.patchStatus(ctx, pod, endedStatus(pod, now)); err != nil {
			return 0, err
		}
	}
	err := p.client.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{GracePeriodSeconds: ptr.To[int64](0), Preconditions: metav1.NewUIDPreconditions(string(pod.UID))})
	if apierrors.IsNotFound(err) {
		return 0, nil
	}
	return 0, err
}

func stopTime(pod *corev1.Pod) time.Duration {
	var preStop int64
	for _, c := range pod.Spec.Containers {
		if c.Lifecycle != nil && c.Lifecycle.PreStop != nil {
			preStop = max(preStop, hookSeconds(c.Lifecycle.PreStop))
		}
	}
	after := int64(1)
	if n, err := strconv.ParseInt(strings.TrimSuffix(pod.Annotations[annotationStopFor], "s"), 10, 64); err == nil && n >= 0 {
		after = n
	}
	seconds := preStop + after
	if pod.DeletionGracePeriodSeconds != nil {
		seconds = min(seconds, *pod.DeletionGracePeriodSeconds)
	}
	return time.Duration(seconds) * time.Second
}

var sleepCommand = regexp.MustCompile(`sleep +([0-9]+)`)

// hookSeconds is how long a preStop takes: a sleep action, or a command that sleeps.
func hookSeconds(hook *corev1.LifecycleHandler) int64 {
	switch {
	case hook.Sleep != nil:
		return hook.Sleep.Seconds
	case hook.Exec != nil:
		if m := sleepCommand.FindStringSubmatch(strings.Join(hook.Exec.Command, " ")); m != nil {
			if n, err := strconv.ParseInt(m[1], 10, 64); err == nil {
				return n
			}
		}
	}
	return 0
}

// volumeDriver looks behind the claims of a namespace.
func (p *Pool) volumeDriver(ctx context.Context, namespace string) func(string) string {
	return func(claim string) string {
		pvc, err := p.client.CoreV1().PersistentVolumeClaims(namespace).Get(ctx, claim, metav1.GetOptions{})
		if err != nil {
			return ""
		}
		if pvc.Spec.VolumeName != "" {
			pv, err := p.client.CoreV1().PersistentVolumes().Get(ctx, pvc.Spec.VolumeName, metav1.GetOptions{})
			switch {
			case err != nil:
				return ""
			case pv.Spec.CSI != nil:
				return pv.Spec.CSI.Driver
			case pv.Spec.Local != nil:
				return "local"
			case pv.Spec.HostPath != nil:
				return "hostPath"
			case pv.Spec.NFS != nil:
				return "nfs"
			}
			return ""
		}
		if pvc.Spec.StorageClassName == nil {
			return ""
		}
		class, err := p.client.StorageV1().StorageClasses().Get(ctx, *pvc.Spec.StorageClassName, metav1.GetOptions{})
		if err != nil {
			return ""
		}
		return class.Provisioner
	}
}

func (p *Pool) patchStatus(ctx context.Context, pod *corev1.Pod, status map[string]any) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": pod.UID}, "status": status})
	if err != nil {
		return fmt.Errorf("encoding the status of a pod: %w", err)
	}
	_, err = p.client.CoreV1().Pods(pod.Namespace).Patch(ctx, pod.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
	return err
}

func runningStatus(pod *corev1.Pod, ip string, now time.Time) map[string]any {
	at := metav1.NewTime(now)
	var conditions []corev1.PodCondition
	for _, t := range []corev1.PodConditionType{corev1.PodReadyToStartContainers, corev1.PodInitialized, corev1.ContainersReady, corev1.PodReady} {
		conditions = append(conditions, corev1.PodCondition{Type: t, Status: corev1.ConditionTrue, LastTransitionTime: at})
	}
	for _, gate := range pod.Spec.ReadinessGates {
		conditions = append(conditions, corev1.PodCondition{Type: gate.ConditionType, Status: corev1.ConditionTrue, LastTransitionTime: at})
	}
	var containers []corev1.ContainerStatus
	for _, c := range pod.Spec.Containers {
		containers = append(containers, corev1.ContainerStatus{Name: c.Name, Image: c.Image, Ready: true, Started: ptr.To(true), State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: at}}})
	}
	return map[string]any{
		"phase": corev1.PodRunning, "startTime": at, "conditions": conditions, "containerStatuses": containers,
		"podIP": ip, "podIPs": []corev1.PodIP{{IP: ip}}, "hostIP": pod.Spec.NodeName, "hostIPs": []corev1.HostIP{{IP: pod.Spec.NodeName}},
	}
}

func endedStatus(pod *corev1.Pod, now time.Time) map[string]any {
	at := metav1.NewTime(now)
	var conditions []corev1.PodCondition
	for _, t := range []corev1.PodConditionType{corev1.ContainersReady, corev1.PodReady} {
		conditions = append(conditions, corev1.PodCondition{Type: t, Status: corev1.ConditionFalse, Reason: "PodCompleted", LastTransitionTime: at})
	}
	phase, end := corev1.PodSucceeded, corev1.ContainerStateTerminated{Reason: "Completed", FinishedAt: at}
	// A Job's pod that is deleted before its time has not done its work.
	if pod.DeletionTimestamp != nil && ownedByJob(pod) {
		phase, end.Reason, end.ExitCode = corev1.PodFailed, "Error", 143
	}
	var containers []corev1.ContainerStatus
	for _, c := range pod.Spec.Containers {
		containers = append(containers, corev1.ContainerStatus{Name: c.Name, Image: c.Image, Started: ptr.To(false), State: corev1.ContainerState{Terminated: &end}})
	}
	return map[string]any{"phase": phase, "conditions": conditions, "containerStatuses": containers}
}

func ownedByJob(pod *corev1.Pod) bool {
	owner := metav1.GetControllerOf(pod)
	return owner != nil && owner.Kind == "Job"
}
