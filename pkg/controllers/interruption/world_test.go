package interruption

import (
	"context"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/awslabs/operatorpkg/status"
	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"
	testclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	crmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/events"
	"sigs.k8s.io/karpenter/pkg/test"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/capacity"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/inventory"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/maintenance"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/stream"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
	"github.com/karpenter-oke/karpenter-oke/test/ocitest"
)

var noon = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// world is a region with nodes, and all controllers of this package as one process has them.
type world struct {
	*ocitest.Region
	t           *testing.T
	clock       *testclock.FakeClock // the region's
	own         *testclock.FakeClock // the process'
	kube        client.Client
	inv         *inventory.DefaultProvider
	unavailable *capacity.Unavailable
	recorder    *test.EventRecorder
	health      *Health
	policy      maintenance.Policy
	reader      *stream.Reader
	stream      *StreamController
	poll        *PollController
	due         *MaintenanceController
	condition   *ConditionController
	refuse      map[string]error // what deleting a NodeClaim answers, by name
	untold      error            // what writing an event answers
	counted     map[string]float64
}

func newWorld(t *testing.T, o ocisim.Options, skew time.Duration) *world {
	t.Helper()
	w := &world{t: t, clock: testclock.NewFakeClock(noon), own: testclock.NewFakeClock(noon.Add(skew)), recorder: test.NewEventRecorder(), refuse: map[string]error{}}
	o.Clock = w.clock
	w.Region = ocitest.Start(t, o)
	w.kube = fake.NewClientBuilder().WithScheme(scheme.Scheme).WithStatusSubresource(&karpv1.NodeClaim{}, &v1alpha1.OciNodeClass{}).
		WithIndex(&karpv1.NodeClaim{}, "status.providerID", func(o client.Object) []string { return []string{o.(*karpv1.NodeClaim).Status.ProviderID} }).
		WithInterceptorFuncs(interceptor.Funcs{Delete: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
			if err := w.refuse[o.GetName()]; err != nil {
				return err
			}
			return c.Delete(ctx, o, opts...)
		}, Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			if _, ok := o.(*corev1.Event); ok && w.untold != nil {
				return w.untold
			}
			return c.Create(ctx, o, opts...)
		}}).Build()
	w.restart(w.World.StreamID)
	w.counted = w.outcomes()
	return w
}

// restart makes the process anew; streamID is its setting.
func (w *world) restart(streamID string) {
	w.inv = inventory.NewProvider(w.Client, inventory.OneCompartment(w.World.CompartmentID), w.World.ClusterID, w.own)
	w.unavailable = capacity.NewUnavailable(w.own)
	w.reader = stream.NewReader(w.Client, w.own, streamID, w.World.ClusterID)
	w.health = NewHealth(w.own, streamID, w.reader.Group())
	w.policy = maintenance.Policy{Clock: w.own, ReplaceBefore: 24 * time.Hour, DeleteBefore: time.Hour}
	d := Dependencies{
		Kube: w.kube, Recorder: w.recorder, Inventory: w.inv, Compartments: own(w.World.CompartmentID), Unavailable: w.unavailable, Clock: w.own, Health: w.health,
	}
	w.due = NewMaintenanceController(d, w.Client, w.policy)
	w.stream, w.poll = NewStreamController(d, w.reader, w.due), NewPollController(d, 15*time.Second)
	w.condition = NewConditionController(w.kube, w.recorder, w.health)
}

type own string

func (o own) Compartments(context.Context) ([]string, error) { return []string{string(o)}, nil }

func (w *world) pass(d time.Duration) {
	w.clock.Step(d)
	w.own.Step(d)
}

func preemptible(d *core.LaunchInstanceDetails) {
	d.PreemptibleInstanceConfig = &core.PreemptibleInstanceConfigDetails{PreemptionAction: core.TerminatePreemptionAction{}}
}

// node launches an instance and makes its NodeClaim and Node, as they are once it has registered. It returns the instance's OCID.
func (w *world) node(name string, changes ...func(*core.LaunchInstanceDetails)) string {
	w.t.Helper()
	claim := &karpv1.NodeClaim{ObjectMeta: metav1.ObjectMeta{
		Name: name, UID: types.UID("uid-" + name), Finalizers: []string{karpv1.TerminationFinalizer}, CreationTimestamp: metav1.NewTime(noon),
	}}
	raw, _ := w.Launch(name, inventory.OwnerOf(claim).Tags(w.World.ClusterID), changes...)
	kindOf := lo.Ternary(raw.PreemptibleInstanceConfig != nil, karpv1.CapacityTypeSpot, karpv1.CapacityTypeOnDemand)
	claim.Labels = map[string]string{
		karpv1.NodePoolLabelKey: "pool", karpv1.CapacityTypeLabelKey: kindOf, corev1.LabelTopologyZone: oci.Zone(oci.Value(raw.AvailabilityDomain)),
		v1alpha1.LabelInstanceShapeName: oci.Value(raw.Shape),
	}
	claim.Annotations = map[string]string{v1alpha1.AnnotationCompartmentID: oci.Value(raw.CompartmentId)}
	claim.Spec.NodeClassRef = &karpv1.NodeClassReference{Group: v1alpha1.Group, Kind: "OciNodeClass", Name: "class"}
	claim.Status.ProviderID, claim.Status.NodeName = oci.Value(raw.Id), "node-"+name
	claim.StatusConditions().SetTrue(karpv1.ConditionTypeRegistered)
	require.NoError(w.t, w.kube.Create(w.t.Context(), claim))
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: claim.Status.NodeName}}
	node.Spec.ProviderID = claim.Status.ProviderID
	require.NoError(w.t, w.kube.Create(w.t.Context(), node))
	_, err := w.inv.Fresh(w.t.Context(), -1)
	require.NoError(w.t, err)
	return claim.Status.ProviderID
}

func (w *world) claim(name string) *karpv1.NodeClaim {
	w.t.Helper()
	claim := &karpv1.NodeClaim{}
	require.NoError(w.t, w.kube.Get(w.t.Context(), client.ObjectKey{Name: name}, claim))
	return claim
}

func (w *world) deleted(name string) bool { return !w.claim(name).DeletionTimestamp.IsZero() }

func (w *world) deadline(name string) string {
	return w.claim(name).Annotations[karpv1.NodeClaimTerminationTimestampAnnotationKey]
}

func (w *world) tainted(name string) bool {
	w.t.Helper()
	node := &corev1.Node{}
	require.NoError(w.t, w.kube.Get(w.t.Context(), client.ObjectKey{Name: "node-" + name}, node))
	return slices.ContainsFunc(node.Spec.Taints, func(taint corev1.Taint) bool { return taint.MatchTaint(&karpv1.DisruptedNoScheduleTaint) })
}

// turn reconciles the stream once, a second after the last time.
func (w *world) turn() time.Duration {
	w.t.Helper()
	w.pass(time.Second)
	result, err := w.stream.Reconcile(w.t.Context())
	require.NoError(w.t, err)
	return result.RequeueAfter
}

func (w *world) turns(n int) {
	w.t.Helper()
	for range n {
		w.turn()
	}
}

// say publishes the preemption of an instance, changed.
func (w *world) say(instance string, change func(*ocisim.Event)) {
	w.t.Helper()
	e, err := w.PreemptionEvent(instance)
	require.NoError(w.t, err)
	change(&e)
	raw, err := json.Marshal(e)
	require.NoError(w.t, err)
	require.NoError(w.t, w.Publish(w.World.StreamID, raw))
}

// waiting is how many messages were not committed.
func (w *world) waiting() int {
	w.t.Helper()
	n, err := w.Waiting(w.World.StreamID, w.reader.Group())
	require.NoError(w.t, err)
	return n
}

// told are the messages of the events of a reason: those that were written, and those that wait in the recorder.
func (w *world) told(reason string) []string {
	w.t.Helper()
	written := &corev1.EventList{}
	require.NoError(w.t, w.kube.List(w.t.Context(), written))
	return append(lo.FilterMap(written.Items, func(e corev1.Event, _ int) (string, bool) { return e.Message, e.Reason == reason }),
		lo.FilterMap(w.recorder.Events(), func(e events.Event, _ int) (string, bool) { return e.Message, e.Reason == reason })...)
}

// spotReason is why preemptible instances of the tests' shape are not bought in their domain.
func (w *world) spotReason() capacity.Reason {
	reason, _ := w.unavailable.IsUnavailable(capacity.Offering{
		Shape: "VM.Standard.E5.Flex", OCPUs: 1, MemoryGB: 8, Zone: oci.Zone(w.World.ADs[0]), CapacityType: karpv1.CapacityTypeSpot,
	})
	return reason
}

// outcomes are the counts of messages by kind and outcome, since the process of the tests began.
func (w *world) outcomes() map[string]float64 {
	w.t.Helper()
	families, err := crmetrics.Registry.Gather()
	require.NoError(w.t, err)
	out := map[string]float64{}
	for _, f := range families {
		if f.GetName() != "karpenter_oke_interruption_messages_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			out[labels[labelKind]+" "+labels[labelOutcome]] = m.GetCounter().GetValue()
		}
	}
	return out
}

// counts are the messages that were counted since this was last asked.
func (w *world) counts() map[string]float64 {
	w.t.Helper()
	now, since := w.outcomes(), map[string]float64{}
	for key, n := range now {
		if n > w.counted[key] {
			since[key] = n - w.counted[key]
		}
	}
	w.counted = now
	return since
}

// gauge reads a gauge without labels; there is false while it is not exposed.
func gauge(t *testing.T, name string) (value float64, there bool) {
	t.Helper()
	families, err := crmetrics.Registry.Gather()
	require.NoError(t, err)
	for _, f := range families {
		if f.GetName() == name && len(f.GetMetric()) > 0 {
			return f.GetMetric()[0].GetGauge().GetValue(), true
		}
	}
	return 0, false
}

// look writes the condition and reads it; nil when there is none.
func (w *world) look() *status.Condition {
	w.t.Helper()
	_, err := w.condition.Reconcile(w.t.Context())
	require.NoError(w.t, err)
	class := &v1alpha1.OciNodeClass{}
	require.NoError(w.t, w.kube.Get(w.t.Context(), client.ObjectKey{Name: "class"}, class))
	return class.StatusConditions().Get(v1alpha1.ConditionTypeInterruptionStreamReadable)
}

// oci503 is a stream whose service does not answer.
type oci503 struct{ Reader }

func (oci503) Read(context.Context) ([]stream.Message, error) {
	return nil, &oci.Error{Operation: "GetMessages", Class: oci.ClassTransient, Status: 503, Code: "ServiceUnavailable", Message: "x"}
}
