package learned_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/learned"
)

const (
	mib   = int64(1) << 20
	shape = "VM.Standard.E5.Flex"
	day   = 24 * time.Hour
)

var start = time.Unix(1_000_000, 0)

func size(ocpus, memoryGB float64) learned.Size {
	return learned.Size{Shape: shape, OCPUs: ocpus, MemoryGB: memoryGB}
}

func memory(mebibytes int64) learned.Shortfall { return learned.Shortfall{Memory: mebibytes * mib} }

func rest(mebibytes int64) learned.Shortfall {
	return learned.Shortfall{Rest: learned.Amounts{Memory: mebibytes * mib}}
}

func seen(image string, s learned.Size, lacking learned.Shortfall) learned.Observation {
	return learned.Observation{Class: "a", Image: image, Size: s, Shortfall: lacking}
}

func class(name string, images ...string) *v1alpha1.OciNodeClass {
	nc := &v1alpha1.OciNodeClass{ObjectMeta: metav1.ObjectMeta{Name: name}}
	for _, id := range images {
		nc.Status.Images = append(nc.Status.Images, v1alpha1.Image{ID: id})
	}
	return nc
}

func newStore() (*learned.Store, *clocktesting.FakePassiveClock) {
	clock := clocktesting.NewFakePassiveClock(start)
	return learned.NewStore(clock, learned.DefaultTTL), clock
}

func TestWhatOneSizeLacksSpeaksAboutItsNeighbours(t *testing.T) {
	for says, tc := range map[string]struct {
		observed []learned.Observation
		asked    learned.Size
		want     int64 // MiB
	}{
		"nothing was seen":                          {nil, size(2, 16), 0},
		"the size itself":                           {[]learned.Observation{seen("i", size(2, 16), memory(60))}, size(2, 16), 60},
		"bytes are rounded up":                      {[]learned.Observation{seen("i", size(2, 16), learned.Shortfall{Memory: 1})}, size(2, 16), 1},
		"a smaller size lacks as much":              {[]learned.Observation{seen("i", size(2, 16), memory(60))}, size(1, 8), 60},
		"a larger one as much in proportion":        {[]learned.Observation{seen("i", size(2, 16), memory(60))}, size(4, 64), 240},
		"more OCPUs with the same memory":           {[]learned.Observation{seen("i", size(2, 16), memory(60))}, size(4, 16), 60},
		"another shape lacks nothing":               {[]learned.Observation{seen("i", size(2, 16), memory(60))}, learned.Size{Shape: "VM.Standard.E4.Flex", OCPUs: 2, MemoryGB: 16}, 0},
		"another image lacks nothing":               {[]learned.Observation{seen("other", size(2, 16), memory(60))}, size(2, 16), 0},
		"a size that was seen whole is believed":    {[]learned.Observation{seen("i", size(2, 16), memory(60)), seen("i", size(4, 64), memory(0))}, size(4, 64), 0},
		"the worst of two neighbours counts":        {[]learned.Observation{seen("i", size(2, 16), memory(60)), seen("i", size(4, 64), memory(100))}, size(4, 32), 120},
		"the worst of two nodes of a size":          {[]learned.Observation{seen("i", size(2, 16), memory(60)), seen("i", size(2, 16), memory(10))}, size(2, 16), 60},
		"nodes of another class with the image too": {[]learned.Observation{{Class: "b", Image: "i", Size: size(2, 16), Shortfall: memory(60)}}, size(2, 16), 60},
		"but not what only its settings reserve":    {[]learned.Observation{{Class: "b", Image: "i", Size: size(2, 16), Shortfall: rest(60)}}, size(2, 16), 0},
		"what the class's own nodes reserve counts": {[]learned.Observation{seen("i", size(2, 16), rest(60))}, size(4, 32), 120},
	} {
		t.Run(says, func(t *testing.T) {
			store, _ := newStore()
			for _, o := range tc.observed {
				store.Observe(o)
			}
			got := store.View(class("a", "i")).Shortfall(tc.asked)
			require.Equal(t, tc.want*mib, got.Memory+got.Rest.Memory)
		})
	}
}

func TestCPUGrowsWithOCPUsAndDiskAndPodsStay(t *testing.T) {
	store, _ := newStore()
	store.Observe(seen("i", size(2, 16), learned.Shortfall{Rest: learned.Amounts{CPUMillis: 10, Disk: 5 * mib, Pods: 3}}))
	require.Equal(t, learned.Amounts{CPUMillis: 20, Disk: 5 * mib, Pods: 3}, store.View(class("a", "i")).Shortfall(size(4, 64)).Rest)
	require.Equal(t, learned.Amounts{CPUMillis: 10, Disk: 5 * mib, Pods: 3}, store.View(class("a", "i")).Shortfall(size(1, 8)).Rest)
}

func TestFiguresOnlyGrowUntilTheyExpire(t *testing.T) {
	store, clock := newStore()
	nc := class("a", "i")
	lacking := func() int64 { return store.View(nc).Shortfall(size(2, 16)).Memory / mib }

	require.True(t, store.Observe(seen("i", size(2, 16), memory(60))))
	require.False(t, store.Observe(seen("i", size(2, 16), memory(60))), "nothing new")
	clock.SetTime(start.Add(20 * day))
	require.False(t, store.Observe(seen("i", size(2, 16), memory(40))), "a better node proves nothing about the others")
	require.EqualValues(t, 60, lacking())
	clock.SetTime(start.Add(30*day - 1))
	require.EqualValues(t, 60, lacking())
	generation := store.Generation()
	clock.SetTime(start.Add(30 * day))
	require.EqualValues(t, 40, lacking(), "what was seen since is still true")
	require.Greater(t, store.Generation(), generation)
	clock.SetTime(start.Add(50 * day))
	require.Zero(t, lacking())
	require.Empty(t, store.Entries())
}

func TestANodeThatStillShowsItKeepsAFigure(t *testing.T) {
	store, clock := newStore()
	store.Observe(seen("i", size(2, 16), memory(60)))
	generation, revision := store.Generation(), store.Revision()
	clock.SetTime(start.Add(time.Hour))
	store.Observe(seen("i", size(2, 16), memory(60)))
	require.Equal(t, revision, store.Revision(), "an hour is not worth a write")
	clock.SetTime(start.Add(29 * day))
	store.Observe(seen("i", size(2, 16), memory(60)))
	require.Greater(t, store.Revision(), revision)
	clock.SetTime(start.Add(58 * day))
	require.Equal(t, memory(60), store.View(class("a", "i")).Shortfall(size(2, 16)))
	require.Equal(t, generation, store.Generation(), "predictions never changed")
}

func TestNodesThatLackNothingAreNotWorthAWord(t *testing.T) {
	store, _ := newStore()
	require.False(t, store.Observe(seen("i", size(2, 16), memory(0))))
	require.False(t, store.Observe(seen("i", size(4, 64), memory(-5))))
	require.Zero(t, store.Generation())
	require.Zero(t, store.Revision())
	require.Empty(t, store.Entries())
	require.True(t, store.Observe(seen("i", size(1, 8), memory(60))))
	require.Len(t, store.Entries(), 3, "now they say that the others are right")
	require.Zero(t, store.View(class("a", "i")).Shortfall(size(4, 64)))
}

func TestFiguresSurviveThroughJSON(t *testing.T) {
	store, clock := newStore()
	store.Observe(seen("i", size(2, 16), learned.Shortfall{Memory: 60 * mib, Rest: learned.Amounts{Memory: mib, CPUMillis: 5, Disk: mib, Pods: 1}}))
	store.Observe(seen("i", size(2, 16), memory(10)))
	store.Observe(seen("i", size(4, 64), memory(0)))
	body, err := json.Marshal(store.Entries())
	require.NoError(t, err)

	var stored []learned.Entry
	require.NoError(t, json.Unmarshal(body, &stored))
	other := learned.NewStore(clock, learned.DefaultTTL)
	require.Zero(t, other.Restore(stored))
	nc := class("a", "i")
	for _, s := range []learned.Size{size(2, 16), size(4, 64), size(8, 128)} {
		require.Equal(t, store.View(nc).Shortfall(s), other.View(nc).Shortfall(s))
	}
	again, err := json.Marshal(other.Entries())
	require.NoError(t, err)
	require.JSONEq(t, string(body), string(again))
	require.Zero(t, other.Restore(stored))
	require.Len(t, other.Entries(), 2)
}

func TestRestoringKeepsTheWorseOfStoredAndSeen(t *testing.T) {
	store, _ := newStore()
	store.Observe(seen("i", size(2, 16), memory(60)))
	store.Observe(seen("i", size(4, 64), memory(10)))
	stored := []learned.Entry{
		{Observation: seen("i", size(2, 16), memory(20)), Seen: start.Add(-day)},
		{Observation: seen("i", size(4, 64), memory(30)), Seen: start.Add(-day)},
	}
	require.Zero(t, store.Restore(stored))
	require.Equal(t, memory(60), store.View(class("a", "i")).Shortfall(size(2, 16)))
	require.Equal(t, memory(30), store.View(class("a", "i")).Shortfall(size(4, 64)))
}

func TestEntriesThatMakeNoSenseAreRefused(t *testing.T) {
	good := learned.Entry{Observation: seen("i", size(2, 16), memory(20)), Seen: start}
	for says, spoil := range map[string]func(*learned.Entry){
		"no image":      func(e *learned.Entry) { e.Image = "" },
		"no shape":      func(e *learned.Entry) { e.Shape = "" },
		"no OCPUs":      func(e *learned.Entry) { e.OCPUs = 0 },
		"no memory":     func(e *learned.Entry) { e.MemoryGB = -1 },
		"no time":       func(e *learned.Entry) { e.Seen = time.Time{} },
		"more than all": func(e *learned.Entry) { e.Memory = -5 * mib },
	} {
		store, _ := newStore()
		e := good
		spoil(&e)
		require.Equal(t, 1, store.Restore([]learned.Entry{e}), says)
		require.Empty(t, store.Entries(), says)
	}
}

func TestAFigureFromTheFutureExpiresLikeOthers(t *testing.T) {
	store, clock := newStore()
	store.Restore([]learned.Entry{{Observation: seen("i", size(2, 16), memory(20)), Seen: start.Add(1000 * day)}})
	clock.SetTime(start.Add(30 * day))
	require.Empty(t, store.Entries())
}

func TestTheStoreIsBoundedAndDropsTheLongestUnseen(t *testing.T) {
	store, clock := newStore()
	for i := range 2100 {
		clock.SetTime(start.Add(time.Duration(i) * time.Second))
		store.Observe(seen("i", size(float64(i+1), 16), memory(int64(i+1))))
	}
	entries := store.Entries()
	require.Len(t, entries, 2000)
	require.EqualValues(t, 101, entries[0].OCPUs)
	body, err := json.Marshal(entries)
	require.NoError(t, err)
	require.Less(t, len(body), 700<<10, "a ConfigMap holds 1 MiB")
}

func TestScopesTellClassesApartOnlyWhereFiguresDiffer(t *testing.T) {
	store, _ := newStore()
	scope := func(nc *v1alpha1.OciNodeClass) string { return string(store.AppendScope(nil, nc)) }
	require.Empty(t, scope(class("a", "i")))
	store.Observe(seen("i", size(2, 16), memory(60)))
	require.NotEmpty(t, scope(class("a", "i")))
	require.Equal(t, scope(class("a", "i")), scope(class("b", "i")), "memory is missing whatever the class")
	require.Empty(t, scope(class("a", "other")))
	store.Observe(seen("i", size(2, 16), rest(5)))
	require.NotEqual(t, scope(class("a", "i")), scope(class("b", "i")))
}

func TestNothingIsKnownWithoutAStore(t *testing.T) {
	var store *learned.Store
	require.Zero(t, store.Generation())
	require.Empty(t, store.AppendScope(nil, class("a", "i")))
	require.Zero(t, store.View(class("a", "i")).Shortfall(size(2, 16)))
}

func TestReadingAllocatesNothing(t *testing.T) {
	store, _ := newStore()
	for i := range 20 {
		store.Observe(seen(fmt.Sprint("i", i%3), size(float64(i+1), 16), memory(60)))
	}
	nc := class("a", "i0", "i1", "unknown")
	room := make([]byte, 0, 512)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		store.Generation()
		room = store.AppendScope(room[:0], nc)
	}))
}
