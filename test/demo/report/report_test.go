package report

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/test/environment/record"
)

// recorded is a stretch of five minutes in which everything moves.
func recorded() *record.Recording {
	begin := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	r := &record.Recording{Started: begin, Ended: begin.Add(5 * time.Minute), OCICalls: map[string]int{"ListInstances": 41, "LaunchInstance": 3},
		Versions: map[string]string{"Kubernetes": "v1.36.3", "Karpenter core": "v1.15.0"}}
	names := []string{"baseline", "burst 2 to 25", "stateful 1 to 12", "burst 25 to 2", "stateful 12 to 1"}
	for i, name := range names {
		r.Phases = append(r.Phases, record.Phase{Name: name, Start: begin.Add(time.Duration(i) * time.Minute), End: begin.Add(time.Duration(i+1) * time.Minute)})
	}
	for i := range 600 {
		x := float64(i) / 600
		bump := func(from, to, height float64) int {
			return int(math.Max(0, math.Min(1, math.Min((x-from)*30, (to-x)*30))) * height)
		}
		virtual, karpenter := 2+bump(0.2, 0.65, 23), bump(0.45, 0.9, 8)
		r.Samples = append(r.Samples, record.Sample{
			At: begin.Add(time.Duration(i) * 500 * time.Millisecond),
			Pods: map[record.Layer]record.PodCounts{record.LayerVirtual: {Running: virtual, Pending: bump(0.2, 0.22, 20)}, record.LayerKarpenter: {Running: karpenter, Pending: bump(0.4, 0.45, 8)},
				record.LayerFixed: {Running: 4}, record.LayerSystem: {Running: 9}},
			NodesReady: map[record.Layer]int{record.LayerVirtual: 2, record.LayerFixed: 2, record.LayerSystem: 2, record.LayerKarpenter: bump(0.44, 0.9, 2)},
			Claims:     record.ClaimCounts{Ready: bump(0.42, 0.92, 2)}, OCICalls: i / 12,
			Cost: map[record.Layer]float64{record.LayerFixed: 0.154, record.LayerSystem: 0.154, record.LayerVirtual: 0.03 + 0.0265*float64(virtual), record.LayerKarpenter: 0.13 * float64(bump(0.42, 0.92, 2))},
		})
	}
	r.NodeClaims = []record.NodeClaim{{Name: "managed-burst-pool-x7k2p", InstanceType: "VM.Standard.E4.Flex.4o.16g", TypeSize: record.Size{OCPUs: 4, MemoryGB: 16}, ProviderID: "ocid1.instance.oc1.phx.a",
		Created: begin.Add(2 * time.Minute), Launched: begin.Add(121 * time.Second), Initialized: begin.Add(128 * time.Second), Gone: begin.Add(4 * time.Minute)}}
	r.Instances = []record.Instance{{ID: "ocid1.instance.oc1.phx.a", OCPUs: 4, MemoryGB: 14, BootVolumeGB: 100, AD: "Uocm:PHX-AD-2"}}
	return r
}

func input() Input {
	return Input{
		Title: "A mixed OKE cluster, scaled by Karpenter", Recording: recorded(),
		Timings: map[string]float64{"burst: all 25 pods running": 2.31, "stateful: first NodeClaim": 1.2, "total": 300},
		Figures: []Figure{{"2.3 s", "until all 25 burst pods ran"}, {"0", "NodeClaims caused by the burst"}, {"9.4 s", "until all 12 stateful pods ran"}, {"44", "OCI calls"}, {"$1.21/h", "at the peak"}},
		Checks: []record.Check{
			{Name: "All 25 burst pods run on virtual nodes", Passed: true, Detail: "25 of 25 run, the last one 2.3 s after scaling"},
			{Name: "The burst causes no NodeClaim", Passed: true, Detail: "0 NodeClaims created in 6.1 s"},
		},
	}
}

func TestThePageNeedsNothingButItself(t *testing.T) {
	page, err := HTML(input())
	require.NoError(t, err)
	if dir := os.Getenv("REPORT_TEST_DIR"); dir != "" { // to look at it in a browser
		require.NoError(t, Write(dir, input()))
	}
	require.NotRegexp(t, regexp.MustCompile(`(?i)(src|href)\s*=|@import|url\(|https?://`), string(page))
	require.Less(t, len(page), 400_000)
	dec := xml.NewDecoder(strings.NewReader(string(page)))
	dec.Strict, dec.AutoClose, dec.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	for {
		if _, err := dec.Token(); errors.Is(err, io.EOF) {
			break
		} else {
			require.NoError(t, err, "the page's tags are well-formed")
		}
	}
}

func TestThePageTellsTheOutcomeTheChecksAndTheFigures(t *testing.T) {
	in := input()
	page, err := HTML(in)
	require.NoError(t, err)
	for _, want := range []string{"PASSED", "2 of 2 checks", "The burst causes no NodeClaim", "until all 25 burst pods ran", "ListInstances", "v1.36.3", "managed-burst-pool-x7k2p", "4 OCPU, 14 GB, 100 GB disk, PHX-AD-2 (fitted from 4 OCPU, 16 GB)"} {
		require.Contains(t, string(page), want)
	}
	in.Checks[1].Passed = false
	in.Recording.Failure, in.Recording.LogTail = "waited 2m0s for <pods>", "ERROR something"
	page, err = HTML(in)
	require.NoError(t, err)
	require.Contains(t, string(page), "FAILED")
	require.Contains(t, string(page), "1 of 2 checks")
	require.Contains(t, string(page), "waited 2m0s for &lt;pods&gt;", "what comes from outside is escaped")
	require.Contains(t, string(page), "ERROR something")
}

func TestAnEmptyRecordingStillMakesAReport(t *testing.T) {
	in := Input{Title: "nothing", Recording: &record.Recording{}}
	page, err := HTML(in)
	require.NoError(t, err)
	require.Contains(t, string(page), "FAILED")
	require.NotContains(t, string(page), "NaN")
	data, err := JSON(in)
	require.NoError(t, err)
	require.JSONEq(t, `[]`, string(mustField(t, data, "checks")))
	require.JSONEq(t, `{}`, string(mustField(t, data, "oci_calls")))
}

func mustField(t *testing.T, data []byte, name string) json.RawMessage {
	t.Helper()
	var doc map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(data, &doc))
	require.Contains(t, doc, name)
	return doc[name]
}

func TestJSONHasTheAgreedFields(t *testing.T) {
	data, err := JSON(input())
	require.NoError(t, err)
	require.JSONEq(t, `{"ListInstances":41,"LaunchInstance":3}`, string(mustField(t, data, "oci_calls")))
	require.JSONEq(t, `true`, string(mustField(t, data, "passed")))
	require.Contains(t, string(mustField(t, data, "timings")), "2.31")
	require.Contains(t, string(mustField(t, data, "versions")), "v1.15.0")
	require.Contains(t, string(mustField(t, data, "checks")), `"detail"`)
}

func TestAFailedPlayIsNotPassedEvenWithoutAFailedCheck(t *testing.T) {
	in := input()
	require.True(t, in.Passed())
	in.Recording.Failure = "interrupted"
	require.False(t, in.Passed())
	require.False(t, Input{Recording: &record.Recording{}}.Passed(), "no checks is not a pass")
}

func TestWriteStoresAllThreeFilesAndTheRecordingCanBeReadAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out")
	require.NoError(t, Write(dir, input()))
	again, err := record.Read(filepath.Join(dir, RecordingFile))
	require.NoError(t, err)
	require.Equal(t, input().Recording, again)
	require.FileExists(t, filepath.Join(dir, HTMLFile))
	require.FileExists(t, filepath.Join(dir, JSONFile))
}

func TestTicksAreRoundNumbers(t *testing.T) {
	cases := []struct {
		name    string
		highest float64
		whole   bool
		want    float64
	}{
		{"counts never have fractions", 2, true, 1}, {"25 pods get steps of ten", 25, true, 10}, {"cents", 0.31, false, 0.1},
		{"nothing at all", 0, true, 1}, {"thousands", 4200, true, 2000},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { require.InDelta(t, c.want, niceStep(c.highest, wantedTicksY, c.whole), 1e-9) })
	}
}

func TestStackedSeriesLieUponOneAnother(t *testing.T) {
	got := stack([]Series{{Points: []Point{{0, 1}, {1, 2}}}, {Points: []Point{{0, 3}, {1, 4}}}})
	require.Equal(t, []Point{{0, 4}, {1, 6}}, got[1].Points)
}
