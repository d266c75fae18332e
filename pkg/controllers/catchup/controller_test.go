package catchup

import (
	"context"
	"testing"

	"github.com/awslabs/operatorpkg/controller"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/karpenter/pkg/controllers/provisioning"
	"sigs.k8s.io/karpenter/pkg/controllers/state"
)

func TestPodsAreBroughtUpEachTimeThatThePictureBecomesComplete(t *testing.T) {
	synced, woken := false, 0
	c := newController(func(context.Context) bool { return synced }, func() { woken++ })
	for _, look := range []struct {
		synced bool
		woken  int
	}{{false, 0}, {false, 0}, {true, 1}, {true, 1}, {false, 1}, {true, 2}} {
		synced = look.synced
		result, err := c.Reconcile(t.Context())
		require.NoError(t, err)
		require.Equal(t, interval, result.RequeueAfter)
		require.Equal(t, look.woken, woken)
	}
}

func TestThePictureThatIsCompleteAtFirstSightWakesOnce(t *testing.T) {
	woken := 0
	c := newController(func(context.Context) bool { return true }, func() { woken++ })
	for range 3 {
		_, err := c.Reconcile(t.Context())
		require.NoError(t, err)
	}
	require.Equal(t, 1, woken)
}

func TestThereMustBeOneProvisioner(t *testing.T) {
	one := &provisioning.Provisioner{}
	for _, cores := range [][]controller.Controller{{}, {one, one}} {
		_, err := NewController(cores, &state.Cluster{})
		require.ErrorIs(t, err, ErrNoProvisioner)
	}
	_, err := NewController([]controller.Controller{one}, &state.Cluster{})
	require.NoError(t, err)
}
