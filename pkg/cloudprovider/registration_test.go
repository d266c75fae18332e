package cloudprovider_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	corecloudprovider "sigs.k8s.io/karpenter/pkg/cloudprovider"
	"sigs.k8s.io/karpenter/pkg/test"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/cloudprovider"
	"github.com/karpenter-oke/karpenter-oke/pkg/controllers/registration"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

// gate is a Registrations that says what it is told to.
type gate struct {
	refusal error
	replace bool
	ended   []types.UID
	asked   string
}

func (g *gate) Admit(*v1alpha1.OciNodeClass, *karpv1.NodeClaim) error { return g.refusal }
func (g *gate) Ended(_ *v1alpha1.OciNodeClass, claim types.UID)       { g.ended = append(g.ended, claim) }
func (g *gate) MayReplace(_ *v1alpha1.OciNodeClass, _ types.UID, imageID string) bool {
	g.asked = imageID
	return g.replace
}

func (s *suite) withGate(g cloudprovider.Registrations) {
	s.deps.Registrations = g
	s.CloudProvider = cloudprovider.New(s.deps)
}

func TestAClassThatIsStoppedIsNotLaunchedFromEvenWhenItStillLooksReady(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	g := &gate{refusal: errors.New("nodes do not register")}
	s.withGate(g)
	claim := s.claim("one")
	_, err := s.Create(t.Context(), claim)
	require.True(t, corecloudprovider.IsNodeClassNotReadyError(err), "%v", err)
	require.Empty(t, s.region.Instances())
	g.refusal = nil
	_, err = s.Create(t.Context(), claim)
	require.NoError(t, err)
	require.Empty(t, g.ended)
	s.region.Fail(ocisim.Fault{Operation: "LaunchInstance", Kind: ocisim.ErrorAnswer, Status: 400, Code: "InvalidParameter", Message: "no"})
	_, err = s.Create(t.Context(), s.claim("two"))
	require.Error(t, err)
	require.Equal(t, []types.UID{"uid-two"}, g.ended, "another NodeClaim may try")
}

func TestANewImageWaitsForItsFirstNodes(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	claim := s.claim("one")
	created, err := s.Create(t.Context(), claim)
	require.NoError(t, err)
	claim.Status, claim.Labels, claim.Annotations = created.Status, created.Labels, created.Annotations
	current := claim.Status.ImageID
	claim.Status.ImageID = "ocid1.image.oc1..before"
	g := &gate{}
	s.withGate(g)
	reason, err := s.IsDrifted(t.Context(), claim)
	require.NoError(t, err)
	require.Empty(t, reason)
	require.Equal(t, current, g.asked, "the image that the node would get")
	g.replace = true
	reason, err = s.IsDrifted(t.Context(), claim)
	require.NoError(t, err)
	require.Equal(t, cloudprovider.DriftReasonImage, reason)

	g.replace = false
	claim.Annotations[v1alpha1.AnnotationSubnetID] = "ocid1.subnet.oc1..before"
	reason, err = s.IsDrifted(t.Context(), claim)
	require.NoError(t, err)
	require.Equal(t, cloudprovider.DriftReasonSubnet, reason, "what else differs does not wait for the image")
}

func TestTheRealMemoryGatesLaunches(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	health := registration.NewHealth(test.NewEventRecorder(), clock.RealClock{})
	s.withGate(health)
	for _, name := range []string{"a", "b", "c"} {
		claim := s.claim(name)
		created, err := s.Create(t.Context(), claim)
		require.NoError(t, err)
		claim.Status = created.Status
		claim.CreationTimestamp.Time = claim.CreationTimestamp.Add(-time.Hour)
		health.Failed(s.nodeClass, claim)
	}
	_, err := s.Create(t.Context(), s.claim("d"))
	require.True(t, corecloudprovider.IsNodeClassNotReadyError(err), "%v", err)
	require.Len(t, s.region.Instances(), 3)
}
