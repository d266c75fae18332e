package nodeclass

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/controllers/registration"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

var _ Registrations = (*registration.Health)(nil)

// registrations says what it is told to.
type registrations struct {
	stopped  bool
	failed   []string
	excused  []string
	forgot   int
	changing chan event.GenericEvent
}

func (r *registrations) Apply(nodeClass *v1alpha1.OciNodeClass) time.Duration {
	if r.stopped {
		nodeClass.StatusConditions().SetFalse(v1alpha1.ConditionTypeNodesRegister, "NodesDoNotRegister", "instances run and do not become nodes")
		return time.Minute
	}
	nodeClass.StatusConditions().SetTrue(v1alpha1.ConditionTypeNodesRegister)
	return 0
}
func (r *registrations) FailedImages(*v1alpha1.OciNodeClass) []string { return r.failed }
func (r *registrations) Excuse(_ *v1alpha1.OciNodeClass, id string) {
	r.excused, r.failed = append(r.excused, id), nil
}
func (r *registrations) Forget(*v1alpha1.OciNodeClass)      { r.forgot++ }
func (r *registrations) Changed() <-chan event.GenericEvent { return r.changing }

func withRegistrations(t *testing.T) (*suite, *registrations) {
	t.Helper()
	s, r := newSuite(t), &registrations{changing: make(chan event.GenericEvent)}
	s.status.Registrations = r
	return s, r
}

func TestAClassWhoseNodesDoNotRegisterIsNotReady(t *testing.T) {
	s, r := withRegistrations(t)
	r.stopped = true
	s.reconcile()
	s.requireFalse(v1alpha1.ConditionTypeNodesRegister, "do not become nodes")
	require.LessOrEqual(t, s.status.wait(s.class, time.Second), 2*time.Second, "it is looked at when the next try is due")
	r.stopped = false
	s.reconcile()
	s.requireReady()
}

func TestAnImageWhoseNodesDoNotRegisterIsGoneBackFromUntilItIsAskedFor(t *testing.T) {
	s, r := withRegistrations(t)
	s.class.Spec.ImageSelector = []v1alpha1.ImageSelectorTerm{{OSFamily: "Oracle Linux", OSVersion: "9"}}
	require.NoError(t, s.kube.Update(t.Context(), s.class))
	s.reconcile()
	before := s.class.Status.Images[0]
	bad, err := s.region.PublishImage(ocisim.ImageSpec{DisplayName: "Oracle-Linux-9.8-2026.11.20-0-OKE-1.36.3-9999", OperatingSystemVersion: "9"})
	require.NoError(t, err)
	s.clock.Step(8 * 24 * time.Hour)
	s.reconcile()
	require.Equal(t, bad, s.class.Status.Images[0].ID)

	r.failed = []string{bad}
	s.reconcile()
	require.Equal(t, before.ID, s.class.Status.Images[0].ID)
	require.Equal(t, []v1alpha1.HeldImage{{ID: bad, Name: "Oracle-Linux-9.8-2026.11.20-0-OKE-1.36.3-9999"}}, s.class.Status.HeldImages)
	s.requireReady()

	r.failed = nil // another process, which knows nothing of it
	s.reconcile()
	require.Equal(t, before.ID, s.class.Status.Images[0].ID, "the status remembers")

	for _, asked := range []string{bad, "other,  Oracle-Linux-9.8-2026.11.20-0-OKE-1.36.3-9999"} {
		s.class.Annotations = map[string]string{v1alpha1.AnnotationAdoptImage: asked}
		require.NoError(t, s.kube.Update(t.Context(), s.class))
		s.reconcile()
		require.Equal(t, bad, s.class.Status.Images[0].ID)
		require.Empty(t, s.class.Status.HeldImages)
		require.Contains(t, r.excused, bad)
		s.class.Annotations = nil
		require.NoError(t, s.kube.Update(t.Context(), s.class))
		r.failed = []string{bad}
		s.reconcile()
		require.Equal(t, before.ID, s.class.Status.Images[0].ID, "without the annotation it is judged as before")
	}
}

func TestWhatIsKnownOfAClassGoesWithIt(t *testing.T) {
	s, r := withRegistrations(t)
	s.reconcile()
	require.Zero(t, r.forgot)
	s.class.Finalizers = []string{v1alpha1.TerminationFinalizer}
	require.NoError(t, s.kube.Update(t.Context(), s.class))
	require.NoError(t, s.kube.Delete(t.Context(), s.class))
	s.reconcile()
	require.Equal(t, 1, r.forgot, "it is being deleted")
	s.status.gone().DeleteFunc(t.Context(), event.DeleteEvent{Object: s.class}, nil)
	require.Equal(t, 2, r.forgot, "it is gone, maybe without having been deleted before")
}
