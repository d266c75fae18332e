package catchup

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/awslabs/operatorpkg/controller"
	"github.com/awslabs/operatorpkg/status"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/controllers/disruption"
	metricspod "sigs.k8s.io/karpenter/pkg/controllers/metrics/pod"
	"sigs.k8s.io/karpenter/pkg/controllers/nodeclaim/lifecycle"
	"sigs.k8s.io/karpenter/pkg/controllers/nodeoverlay"
	"sigs.k8s.io/karpenter/pkg/controllers/provisioning"
	"sigs.k8s.io/karpenter/pkg/controllers/state/informer"
	staticprovisioning "sigs.k8s.io/karpenter/pkg/controllers/static/provisioning"
)

func TestWhatBuysNodesComesFirst(t *testing.T) {
	needed := []controller.Controller{&provisioning.Provisioner{}, &informer.NodeController{}, &lifecycle.Controller{}, &nodeoverlay.Controller{}, &staticprovisioning.Controller{}}
	can := []controller.Controller{&disruption.Controller{}, &metricspod.Controller{}, &status.Controller[*karpv1.NodeClaim]{}, &status.GenericObjectController[*corev1.Node]{}}
	unknown := &beginner{}
	first, later := Split([]controller.Controller{needed[0], can[0], needed[1], can[1], needed[2], can[2], needed[3], can[3], needed[4], unknown})
	require.Equal(t, append(needed, unknown), first)
	require.Equal(t, can, later)
}

// beginner notes that it began.
type beginner struct {
	began atomic.Int32
	err   error
}

func (b *beginner) Register(context.Context, manager.Manager) error {
	b.began.Add(1)
	return b.err
}

func TestOthersBeginWhenThePictureIsComplete(t *testing.T) {
	var synced atomic.Bool
	b := &beginner{}
	l := &Later{synced: func(context.Context) bool { return synced.Load() }, controllers: []controller.Controller{b}, patience: time.Hour}
	ended := make(chan error, 1)
	go func() { ended <- l.Start(t.Context()) }()
	require.Never(t, func() bool { return b.began.Load() > 0 }, 2*interval, interval/10)
	synced.Store(true)
	require.NoError(t, <-ended)
	require.EqualValues(t, 1, b.began.Load())
}

func TestOthersBeginWhenThePictureStaysIncomplete(t *testing.T) {
	b := &beginner{}
	l := &Later{synced: func(context.Context) bool { return false }, controllers: []controller.Controller{b}, patience: time.Millisecond}
	require.NoError(t, l.Start(t.Context()))
	require.EqualValues(t, 1, b.began.Load())
}

func TestAControllerThatCanNotBeginEndsTheProcess(t *testing.T) {
	away := errors.New("away")
	l := NewLater(nil, func(context.Context) bool { return true }, []controller.Controller{&beginner{err: away}})
	l.planning = 0
	require.ErrorIs(t, l.Start(t.Context()), away)
}

func TestNothingBeginsAfterTheEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	b := &beginner{}
	require.NoError(t, NewLater(nil, func(context.Context) bool { return true }, []controller.Controller{b}).Start(ctx))
	require.Zero(t, b.began.Load())
}
