package results_test

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/test/bench/results"
)

func TestRunsMergeByNameAndKeepTheirPlace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out", "bench", "results.json")
	first := results.Figures{}
	first.Add("warm call", 3, "us", results.AtMost(2))
	first.Add("rebuild", 6, "ms")
	_, err := first.Merge(path)
	require.NoError(t, err)

	second := results.Figures{}
	second.Add("calls a node", 1.2, "calls", results.AtMost(1.5), results.Peer(12, "another"), results.Note("20 nodes"))
	second.Add("warm call", 1, "us", results.AtMost(2))
	merged, err := second.Merge(path)
	require.NoError(t, err)

	read, err := results.Read(path)
	require.NoError(t, err)
	require.Equal(t, merged, read)
	require.Len(t, read, 3)
	require.Equal(t, "warm call", read[0].Name)
	require.InDelta(t, 1, read[0].Value, 0)
	require.Equal(t, "another", read[2].PeerName)
}

func TestTheFileHasTheMembersThatReadersExpect(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.json")
	figures := results.Figures{}
	figures.Add("a", 1.5, "ms", results.AtMost(2), results.Peer(3, "x"))
	figures.Add("b", 7, "nodes")
	_, err := figures.Merge(path)
	require.NoError(t, err)
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	require.JSONEq(t, `[{"name":"a","value":1.5,"unit":"ms","goal":2,"peer":3,"peerName":"x"},{"name":"b","value":7,"unit":"nodes","goal":null,"peer":null}]`, string(raw))
}

func TestATableShowsGoalsThatWereMissedAndPeers(t *testing.T) {
	figures := results.Figures{}
	figures.Add("good", 1.234567, "us", results.AtMost(2), results.Peer(1950, "Oracle's"))
	figures.Add("bad", 12345, "ns", results.AtMost(100))
	figures.Add("plain", 0.1, "")
	out := &bytes.Buffer{}
	require.NoError(t, figures.Print(out))
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	require.Len(t, lines, 4)
	require.Regexp(t, `^good +1\.23 us +<= 2 +met +1950 \(Oracle's\)`, lines[1])
	require.Regexp(t, `^bad +12345 ns +<= 100 +MISSED`, lines[2])
	require.NotContains(t, lines[3], "met")
}

func TestWhatIsNoNumberOrNoListIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.json")
	figures := results.Figures{}
	figures.Add("broken", math.NaN(), "ms")
	_, err := figures.Merge(path)
	require.ErrorContains(t, err, "broken")
	require.NoFileExists(t, path)

	require.NoError(t, os.WriteFile(path, []byte("not json"), 0o600))
	_, err = results.Read(path)
	require.ErrorContains(t, err, path)
}
