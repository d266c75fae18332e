package catchup

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/awslabs/operatorpkg/controller"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/karpenter/pkg/controllers/provisioning"
	"sigs.k8s.io/karpenter/pkg/controllers/state"
)

// fakeCore is core's cluster state.
type fakeCore struct {
	synced  bool
	decided map[string]bool // names of pods
}

func (f *fakeCore) Synced(context.Context) bool { return f.synced }

func (f *fakeCore) PodSchedulingDecisionTime(pod types.NamespacedName) time.Time {
	if f.decided[pod.Name] {
		return time.Unix(1, 0)
	}
	return time.Time{}
}

// pod is one that kube-scheduler has given up on.
func pod(name string, edits ...func(*corev1.Pod)) *corev1.Pod {
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
		Status:     corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable}}},
	}
	for _, edit := range edits {
		edit(p)
	}
	return p
}

func readerOf(objects ...client.Object) client.WithWatch {
	return fake.NewClientBuilder().WithObjects(objects...).
		WithIndex(&corev1.Pod{}, "spec.nodeName", func(o client.Object) []string { return []string{o.(*corev1.Pod).Spec.NodeName} }).Build()
}

func TestPodsAreBroughtUpEachTimeThatThePictureBecomesComplete(t *testing.T) {
	core, woken := &fakeCore{}, 0
	c := &Controller{core: core, reader: readerOf(pod("waits")), wake: func() { woken++ }, behind: true}
	for _, look := range []struct {
		synced bool
		woken  int
	}{{false, 0}, {false, 0}, {true, 1}, {true, 1}, {false, 1}, {true, 2}} {
		core.synced = look.synced
		result, err := c.Reconcile(t.Context())
		require.NoError(t, err)
		require.Equal(t, interval, result.RequeueAfter)
		require.Equal(t, look.woken, woken)
	}
}

func TestOnlyPodsThatCoreHasNotLookedAtWakeIt(t *testing.T) {
	for name, test := range map[string]struct {
		pods  []client.Object
		woken int
	}{
		"no pod":                        {nil, 0},
		"a pod that waits":              {[]client.Object{pod("waits")}, 1},
		"a pod that is planned for":     {[]client.Object{pod("planned")}, 0},
		"both":                          {[]client.Object{pod("planned"), pod("waits")}, 1},
		"a pod that has a node":         {[]client.Object{pod("runs", func(p *corev1.Pod) { p.Spec.NodeName = "n" })}, 0},
		"a pod kube-scheduler may take": {[]client.Object{pod("new", func(p *corev1.Pod) { p.Status.Conditions = nil })}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			woken := 0
			core := &fakeCore{synced: true, decided: map[string]bool{"planned": true}}
			c := &Controller{core: core, reader: readerOf(test.pods...), wake: func() { woken++ }, behind: true}
			for range 2 {
				_, err := c.Reconcile(t.Context())
				require.NoError(t, err)
				require.Equal(t, test.woken, woken)
			}
		})
	}
}

func TestALookThatFailsIsTakenAgain(t *testing.T) {
	away, fails, woken := errors.New("away"), true, 0
	reader := interceptor.NewClient(readerOf(pod("waits")), interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			if fails {
				return away
			}
			return c.List(ctx, list, opts...)
		},
	})
	c := &Controller{core: &fakeCore{synced: true}, reader: reader, wake: func() { woken++ }, behind: true}
	_, err := c.Reconcile(t.Context())
	require.ErrorIs(t, err, away)
	fails = false
	_, err = c.Reconcile(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, woken)
}

func TestThereMustBeOneProvisioner(t *testing.T) {
	one := &provisioning.Provisioner{}
	for _, cores := range [][]controller.Controller{{}, {one, one}} {
		_, err := NewController(cores, &state.Cluster{}, nil)
		require.ErrorIs(t, err, ErrNoProvisioner)
	}
	_, err := NewController([]controller.Controller{one}, &state.Cluster{}, nil)
	require.NoError(t, err)
}
