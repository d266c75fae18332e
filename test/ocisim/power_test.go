package ocisim_test

import (
	"testing"
	"time"

	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

func (r *region) act(id string, action core.InstanceActionActionEnum, token string) error {
	request := core.InstanceActionRequest{InstanceId: &id, Action: action}
	if token != "" {
		request.OpcRetryToken = &token
	}
	_, err := r.compute.InstanceAction(ctx, request)
	return err
}

func TestAPowerActionWithAKnownTokenIsNotDoneTwice(t *testing.T) {
	r := newRegion(t, ocisim.Options{})
	i := r.mustLaunch()
	r.run()
	require.NoError(t, r.act(*i.Id, core.InstanceActionActionSoftreset, "one"))
	require.NoError(t, r.act(*i.Id, core.InstanceActionActionSoftreset, "one"), "also while it is under way")
	r.run()
	require.NoError(t, r.act(*i.Id, core.InstanceActionActionSoftreset, "one"))
	require.Equal(t, core.InstanceLifecycleStateRunning, r.get(*i.Id).LifecycleState)
	require.Equal(t, 2, r.Instances()[0].Boots)
	requireError(t, r.act(*i.Id, core.InstanceActionActionReset, "one"), 409, "InvalidatedRetryToken", "another action")
	require.NoError(t, r.act(*i.Id, core.InstanceActionActionSoftreset, "two"))
	r.run()
	require.Equal(t, 3, r.Instances()[0].Boots)
}

func TestAHungSystemRebootsAfterFifteenMinutesOrWhenItsPowerIsCut(t *testing.T) {
	for _, c := range []struct {
		name  string
		reset bool
		wait  time.Duration
		boots int
	}{
		{"it is waited for", false, 14 * time.Minute, 1},
		{"its power is cut in the end", false, 16 * time.Minute, 2},
		{"a reset is done at once", true, time.Minute, 2},
		{"a reset is not followed by another boot", true, 20 * time.Minute, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRegion(t, ocisim.Options{})
			i := r.mustLaunch()
			r.run()
			require.NoError(t, r.HangInstance(*i.Id))
			require.NoError(t, r.act(*i.Id, core.InstanceActionActionSoftreset, ""))
			r.clock.Step(time.Minute)
			requireError(t, r.act(*i.Id, core.InstanceActionActionSoftreset, ""), 409, "IncorrectState", "STOPPING")
			if c.reset {
				require.NoError(t, r.act(*i.Id, core.InstanceActionActionReset, ""))
			}
			for range int(c.wait / time.Minute) {
				r.clock.Step(time.Minute)
				r.get(*i.Id)
			}
			require.Equal(t, c.boots, r.Instances()[0].Boots)
		})
	}
}
