package inventory_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	testclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/inventory"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
	"github.com/karpenter-oke/karpenter-oke/test/ocitest"
)

// region is a simulated region with an inventory of it, on a clock that the test moves.
type region struct {
	*ocitest.Region
	t     *testing.T
	clock *testclock.FakeClock
	inv   *inventory.DefaultProvider
	owned map[string]inventory.Owner
}

// Claimed says what NodeClaims say in this test.
func (r *region) Claimed(context.Context) (map[string]inventory.Owner, error) { return r.owned, nil }

func newRegion(t *testing.T, options ocisim.Options) *region {
	t.Helper()
	r := &region{Region: ocitest.Start(t, options), t: t, clock: testclock.NewFakeClock(time.Now()), owned: map[string]inventory.Owner{}}
	r.inv = r.newInventory()
	return r
}

// newInventory is an inventory that remembers nothing, as after a restart.
func (r *region) newInventory() *inventory.DefaultProvider {
	return inventory.NewProvider(r.Client, inventory.OneCompartment(r.World.CompartmentID), r.World.ClusterID, r.clock, inventory.WithClaims(r))
}

func owner(name string) inventory.Owner {
	return inventory.Owner{
		NodePool: inventory.NamedUID{Name: "pool", UID: "pool-uid"}, NodeClaim: inventory.NamedUID{Name: name, UID: "uid-" + name},
		NodeClass: "class", InstanceType: "VM.Standard.E5.Flex.1o.8g",
	}
}

func (r *region) launch(name string, tags map[string]string) string {
	r.t.Helper()
	launched, _ := r.Launch(name, tags)
	return oci.Value(launched.Id)
}

func (r *region) mine(name string) string {
	return r.launch(name, owner(name).Tags(r.World.ClusterID))
}

func (r *region) edit(id string, tags map[string]string) {
	r.t.Helper()
	_, err := r.Client.UpdateInstanceTags(r.t.Context(), id, tags, nil)
	require.NoError(r.t, err)
}

func (r *region) lists() int { return r.Journal().Counts()["ListInstances"] }

func TestAPageThatFailsFailsTheWholeList(t *testing.T) {
	r := newRegion(t, ocisim.Options{PageSize: 2})
	for i := range 5 {
		r.mine(fmt.Sprint("n", i))
	}
	require.NoError(t, r.inv.Refresh(t.Context()))
	require.Len(t, r.inv.Current().All(), 5)
	require.Equal(t, 3, r.lists(), "one call a page")
	taken := r.inv.Current().Taken

	denied := ocisim.Fault{Operation: "ListInstances", Kind: ocisim.ErrorAnswer, Status: 404, Code: "NotAuthorizedOrNotFound", Message: "no", Skip: 2}
	r.Fail(denied)
	r.clock.Step(time.Minute)
	_, err := r.inv.Fresh(t.Context(), 0)
	require.ErrorContains(t, err, "the newest list is of "+taken.UTC().Format(time.RFC3339))
	require.Equal(t, oci.ClassNotFound, oci.ClassOf(err))
	require.Len(t, r.inv.Current().All(), 5, "two good pages of three are no news")
	require.Equal(t, taken, r.inv.Current().Taken)

	r.clock.Step(time.Minute)
	_, again := r.inv.Fresh(t.Context(), 0)
	require.EqualError(t, again, err.Error(), "equal failures have equal texts")
}

func TestTheAgeOfTheListIsMeasuredAndSaidOnce(t *testing.T) {
	r := newRegion(t, ocisim.Options{})
	var lines []string
	ctx := log.IntoContext(t.Context(), funcr.New(func(_, args string) { lines = append(lines, args) }, funcr.Options{}))
	said := func(what string) int {
		return lo.CountBy(lines, func(l string) bool { return strings.Contains(l, what) })
	}
	registry := prometheus.NewRegistry()
	require.NoError(t, registry.Register(r.inv.AgeMetric()))
	age := func() float64 {
		families, err := registry.Gather()
		require.NoError(t, err)
		require.Equal(t, "karpenter_oke_inventory_age_seconds", families[0].GetName())
		return families[0].GetMetric()[0].GetGauge().GetValue()
	}
	r.clock.Step(time.Hour)
	require.Zero(t, age(), "a replica that does not lead takes no lists")
	r.Fail(ocisim.Fault{Operation: "ListInstances", Kind: ocisim.ErrorAnswer, Status: 401, Code: "NotAuthenticated", Message: "no", Times: 1})
	require.Error(t, r.inv.Refresh(ctx))
	r.clock.Step(7 * time.Second)
	require.Equal(t, 7.0, age(), "before the first list it is the time for which one has been wanted")
	require.NoError(t, r.inv.Refresh(ctx))
	require.Zero(t, age())
	r.Fail(ocisim.Fault{Operation: "ListInstances", Kind: ocisim.ErrorAnswer, Status: 401, Code: "NotAuthenticated", Message: "no"})
	r.clock.Step(time.Minute)
	require.Error(t, r.inv.Refresh(ctx))
	require.Equal(t, 60.0, age())
	require.Zero(t, said("list of instances is old"))
	for range 3 {
		r.clock.Step(4 * time.Minute)
		require.Error(t, r.inv.Refresh(ctx))
	}
	require.Equal(t, 1, said("list of instances is old"), "%v", lines)
	require.Equal(t, 1, said(`"age"="5m0s"`), "%v", lines)
	r.Faults().Clear()
	require.NoError(t, r.inv.Refresh(ctx))
	require.Equal(t, 1, said("up to date again"))
	require.Zero(t, age())
}

func TestAnInstanceStaysTheNodeClaimsWhenItsTagsAreEdited(t *testing.T) {
	r := newRegion(t, ocisim.Options{})
	stripped, renamed, intact, stolen, foreign := r.mine("stripped"), r.mine("renamed"), r.mine("intact"), r.mine("stolen"), r.launch("foreign", map[string]string{"x": "y"})
	for id, name := range map[string]string{stripped: "stripped", renamed: "renamed", intact: "intact", stolen: "stolen"} {
		r.owned[id] = owner(name)
	}
	r.edit(stripped, map[string]string{"team": "data"})
	tags := owner("nonsense").Tags(r.World.ClusterID)
	tags[v1alpha1.TagNodePool] = "other/uid"
	r.edit(renamed, tags)
	r.edit(stolen, owner("stolen").Tags("ocid1.cluster.oc1.phx.other"))
	for range 2 {
		require.NoError(t, r.inv.Refresh(t.Context()))
		for id, name := range map[string]string{stripped: "stripped", renamed: "renamed", intact: "intact"} {
			i, known := r.inv.Current().Get(id)
			require.True(t, known, name)
			require.Equal(t, owner(name), i.Owner)
			require.Equal(t, id != intact, i.TagsEdited, name)
		}
		for _, id := range []string{foreign, stolen} {
			_, known := r.inv.Current().Get(id)
			require.False(t, known, "neither without a NodeClaim nor with another cluster's tag")
		}
		r.inv = r.newInventory() // it does not depend on what a process remembers
	}
}

func TestTagsThatWereSentAreKnownBeforeTheNextList(t *testing.T) {
	r := newRegion(t, ocisim.Options{})
	id := r.mine("one")
	require.NoError(t, r.inv.Refresh(t.Context()))
	before := r.inv.Current()
	r.inv.NoteTags(id, map[string]string{"a": "b"}, nil)
	i, _ := r.inv.Current().Get(id)
	require.Equal(t, map[string]string{"a": "b"}, i.FreeformTags)
	old, _ := before.Get(id)
	require.NotEqual(t, i.FreeformTags, old.FreeformTags, "a snapshot never changes")
	require.NoError(t, r.inv.Refresh(t.Context()))
	i, _ = r.inv.Current().Get(id)
	require.Contains(t, i.FreeformTags, v1alpha1.TagClusterID, "the list has the last word")
}

// slow holds each list back until it is let go.
type slow struct {
	inventory.API
	began   chan struct{}
	release chan struct{}
}

func (s *slow) ListInstances(ctx context.Context, compartmentID string) ([]core.Instance, error) {
	s.began <- struct{}{}
	<-s.release
	return s.API.ListInstances(ctx, compartmentID)
}

func TestAListThatBeganBeforeTheCallIsNotNewEnoughForWhoWantsTheTruthNow(t *testing.T) {
	r := newRegion(t, ocisim.Options{})
	api := &slow{API: r.Client, began: make(chan struct{}, 20), release: make(chan struct{})}
	inv := inventory.NewProvider(api, inventory.OneCompartment(r.World.CompartmentID), r.World.ClusterID, r.clock)
	var wg sync.WaitGroup
	wg.Go(func() { _ = inv.Refresh(t.Context()) })
	<-api.began
	r.clock.Step(time.Second)
	asked := r.clock.Now()
	var errs []error
	var mu sync.Mutex
	for range 10 {
		wg.Go(func() {
			s, err := inv.Fresh(t.Context(), 0)
			mu.Lock()
			defer mu.Unlock()
			if err == nil && s.Taken.Before(asked) {
				err = errors.New("the list began before the call")
			}
			errs = append(errs, err)
		})
	}
	close(api.release)
	wg.Wait()
	require.NoError(t, errors.Join(errs...))
	require.LessOrEqual(t, r.lists(), 6, "callers share what they wait for")
}

func TestListsAreFrequentWhileInstancesComeAndGoAndRareOtherwise(t *testing.T) {
	r := newRegion(t, ocisim.Options{ProvisioningDelay: time.Hour})
	require.Equal(t, inventory.IdleInterval, r.inv.NextInterval())
	id := r.mine("one")
	require.NoError(t, r.inv.Refresh(t.Context()))
	require.Equal(t, inventory.BusyInterval, r.inv.NextInterval(), "it is starting")
	require.NoError(t, r.Client.TerminateInstance(t.Context(), id))
	require.NoError(t, r.inv.Refresh(t.Context()))
	i, _ := r.inv.Current().Get(id)
	require.True(t, i.Gone())
	require.Equal(t, inventory.IdleInterval, r.inv.NextInterval(), "a record that stays listed costs nothing")
}
