package record

import (
	"maps"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
)

// once sets a time the first time a step is seen.
func once(t *time.Time, now time.Time, seen bool) {
	if seen && t.IsZero() {
		*t = now
	}
}

// entry returns the history of key, making it when it is new.
func entry[T any](all map[string]*T, order *[]string, key string) (history *T, isNew bool) {
	if history, ok := all[key]; ok {
		return history, false
	}
	history = new(T)
	all[key] = history
	*order = append(*order, key)
	return history, true
}

func (r *Recorder) seePod(o *corev1.Pod, gone bool, now time.Time) {
	p, isNew := entry(r.pods, &r.order.pods, string(o.UID))
	if isNew {
		*p = Pod{
			Namespace: o.Namespace, Name: o.Name, UID: string(o.UID), App: app(o), ToleratesVirtual: toleratesVirtual(o),
			Layer: wantedLayer(o), Created: now,
		}
	}
	if o.Spec.NodeName != "" {
		p.Node = o.Spec.NodeName
		if n, ok := r.nodes[r.nodeUIDs[p.Node]]; ok {
			p.Layer = n.Layer
		}
		once(&p.Bound, now, true)
	}
	running, ending := isRunning(o), o.DeletionTimestamp != nil
	once(&p.Running, now, running)
	once(&p.Deleting, now, ending)
	once(&p.Gone, now, gone)
	p.Waiting = ""
	if !running {
		p.Waiting = waitingFor(o)
	}
	r.podStep[p.UID] = podCount(o, running, ending, gone)
}

func podCount(o *corev1.Pod, running, ending, gone bool) PodCounts {
	finished := o.Status.Phase == corev1.PodSucceeded || o.Status.Phase == corev1.PodFailed
	switch {
	case gone || finished:
		return PodCounts{}
	case ending:
		return PodCounts{Ending: 1}
	case running:
		return PodCounts{Running: 1}
	case o.Spec.NodeName != "":
		return PodCounts{Starting: 1}
	default:
		return PodCounts{Pending: 1}
	}
}

func (r *Recorder) seeNode(o *corev1.Node, gone bool, now time.Time) {
	uid := string(o.UID)
	n, isNew := entry(r.nodes, &r.order.nodes, uid)
	if isNew {
		r.nodeUIDs[o.Name] = uid
		*n = Node{Name: o.Name, Registered: now}
	}
	n.Layer, n.ProviderID = LayerOf(o), o.Spec.ProviderID
	n.InstanceType, n.Zone = o.Labels[corev1.LabelInstanceTypeStable], o.Labels[corev1.LabelTopologyZone]
	n.Labels, n.Cordoned = maps.Clone(o.Labels), o.Spec.Unschedulable
	n.Taints = n.Taints[:0:0]
	for i := range o.Spec.Taints {
		n.Taints = append(n.Taints, o.Spec.Taints[i].ToString())
	}
	once(&n.Ready, now, isReady(o))
	once(&n.Gone, now, gone)
	r.usable[uid] = isReady(o) && !gone && !o.Spec.Unschedulable
	for _, p := range r.pods { // the pods may have been seen before their node
		if p.Node == o.Name && p.Gone.IsZero() {
			p.Layer = n.Layer
		}
	}
}

func (r *Recorder) seeClaim(o *karpv1.NodeClaim, gone bool, now time.Time) {
	c, isNew := entry(r.claims, &r.order.claims, string(o.UID))
	if isNew {
		*c = NodeClaim{Name: o.Name, Created: now}
	}
	c.NodePool, c.ProviderID, c.NodeName = o.Labels[karpv1.NodePoolLabelKey], o.Status.ProviderID, o.Status.NodeName
	c.InstanceType = o.Labels[corev1.LabelInstanceTypeStable]
	c.TypeSize = Size{OCPUs: number(o.Labels[v1alpha1.LabelInstanceOCPU]), MemoryGB: number(o.Labels[v1alpha1.LabelInstanceMemory]) / 1024}
	c.Size = Size{OCPUs: number(o.Annotations[v1alpha1.AnnotationInstanceOCPUs]), MemoryGB: number(o.Annotations[v1alpha1.AnnotationInstanceMemoryGB])}
	status := o.StatusConditions()
	once(&c.Launched, now, status.IsTrue(karpv1.ConditionTypeLaunched))
	once(&c.Registered, now, status.IsTrue(karpv1.ConditionTypeRegistered))
	once(&c.Initialized, now, status.IsTrue(karpv1.ConditionTypeInitialized))
	once(&c.Deleting, now, o.DeletionTimestamp != nil)
	once(&c.Gone, now, gone)
	c.Reason = ""
	for _, kind := range []string{karpv1.ConditionTypeLaunched, karpv1.ConditionTypeRegistered, karpv1.ConditionTypeInitialized} {
		if got := status.Get(kind); got != nil && got.Status != metav1.ConditionTrue {
			c.Reason = got.Reason + ": " + got.Message
			break
		}
	}
}

// number reads a label or annotation; 0 where it is not there yet.
func number(text string) float64 {
	n, _ := strconv.ParseFloat(text, 64)
	return n
}

func (r *Recorder) seeEvent(o *corev1.Event, now time.Time) {
	e, _ := entry(r.events, &r.order.events, string(o.UID))
	*e = Event{
		At: now, Type: o.Type, Reason: o.Reason, Message: o.Message, Kind: o.InvolvedObject.Kind,
		Namespace: o.InvolvedObject.Namespace, Name: o.InvolvedObject.Name, Source: o.Source.Component,
	}
	if e.Source == "" {
		e.Source = o.ReportingController
	}
}

// readInstances folds the region's present state into the histories.
func (r *Recorder) readInstances(now time.Time) {
	for _, seen := range r.source.Instances() {
		i, isNew := entry(r.inst, &r.order.inst, seen.ID)
		if isNew {
			i.Launched = now
		}
		launched, terminating := i.Launched, i.Terminating
		running, terminated := i.Running, i.Terminated
		*i = seen
		i.Launched, i.Running, i.Terminating, i.Terminated = launched, running, terminating, terminated
		once(&i.Running, now, seen.State == "RUNNING")
		once(&i.Terminating, now, seen.State == "TERMINATING" || seen.State == "TERMINATED")
		once(&i.Terminated, now, seen.State == "TERMINATED")
	}
}

// Sample takes a sample now and returns it.
func (r *Recorder) Sample() Sample {
	calls, failed := r.source.OCICalls()
	cost := r.source.Cost()
	var s Sample
	r.update(func(now time.Time) {
		r.readInstances(now)
		s = Sample{
			At: now, Pods: r.countPods(), Claims: r.countClaims(), Instances: map[string]int{}, OCIErrors: failed, Calls: calls, Cost: cost,
		}
		s.NodesReady, s.NodesOther = r.countNodes()
		for _, n := range calls {
			s.OCICalls += n
		}
		for _, i := range r.inst {
			if !i.Fixed {
				s.Instances[i.State]++
			}
		}
		r.rec.Samples = append(r.rec.Samples, s)
	})
	return s
}

func (r *Recorder) countPods() map[Layer]PodCounts {
	out := map[Layer]PodCounts{}
	for uid, p := range r.pods {
		c, one := out[p.Layer], r.podStep[uid]
		if n, ok := r.nodes[r.nodeUIDs[p.Node]]; ok && !n.Gone.IsZero() && one.Total() > 0 {
			one = PodCounts{Ending: 1} // the API server keeps pods of a deleted node for about a minute; nothing runs there
		}
		c.Pending, c.Starting, c.Running, c.Ending = c.Pending+one.Pending, c.Starting+one.Starting, c.Running+one.Running, c.Ending+one.Ending
		out[p.Layer] = c
	}
	return out
}

func (r *Recorder) countNodes() (ready, other map[Layer]int) {
	ready, other = map[Layer]int{}, map[Layer]int{}
	for uid, n := range r.nodes {
		switch {
		case !n.Gone.IsZero():
		case r.usable[uid]:
			ready[n.Layer]++
		default:
			other[n.Layer]++
		}
	}
	return ready, other
}

func (r *Recorder) countClaims() ClaimCounts {
	var out ClaimCounts
	for _, c := range r.claims {
		switch {
		case !c.Gone.IsZero():
		case !c.Deleting.IsZero():
			out.Ending++
		case c.Launched.IsZero():
			out.Launching++
		case c.Initialized.IsZero():
			out.Joining++
		default:
			out.Ready++
		}
	}
	return out
}

// EventsOf lists the recorded events about one object, latest last.
func (r *Recording) EventsOf(kind, name string) []Event {
	return slices.DeleteFunc(slices.Clone(r.Events), func(e Event) bool { return e.Kind != kind || e.Name != name })
}
