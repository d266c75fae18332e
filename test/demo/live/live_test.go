package live

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/karpenter-oke/karpenter-oke/test/environment/record"
)

func view() View {
	return View{
		Phase: "stateful 1 to 12", Number: 3, Phases: 9, Elapsed: 72 * time.Second,
		Calls: map[string]int{"LaunchInstance": 2, "ListInstances": 30, "GetCluster": 1, "ListShapes": 3},
		Sample: record.Sample{
			Pods:       map[record.Layer]record.PodCounts{record.LayerVirtual: {Running: 25}, record.LayerKarpenter: {Pending: 8}},
			NodesReady: map[record.Layer]int{record.LayerVirtual: 1, record.LayerFixed: 2}, NodesOther: map[record.Layer]int{record.LayerVirtual: 1},
			Claims: record.ClaimCounts{Joining: 2}, Instances: map[string]int{"PROVISIONING": 2}, OCICalls: 36,
			Cost: map[record.Layer]float64{record.LayerVirtual: 0.5, record.LayerFixed: 0.25},
		},
	}
}

func TestTheTableShowsEveryLayerAndTheTotals(t *testing.T) {
	text := strings.Join(Table(view(), 120, false), "\n")
	for _, want := range []string{
		"phase 3 of 9: stateful 1 to 12", "1:12", "virtual nodes", "1 of 2", "Karpenter nodes", "fixed nodes", "system nodes", "0.7500",
		"2 joining", "2 provisioning", "36 total", "ListInstances 30",
	} {
		require.Contains(t, text, want)
	}
}

func TestColoursTakeNoColumns(t *testing.T) {
	bare, coloured := Table(view(), 60, false), Table(view(), 60, true)
	require.Len(t, coloured, len(bare))
	for i := range bare {
		require.LessOrEqual(t, columns(coloured[i]), 60)
		require.LessOrEqual(t, columns(bare[i]), 60)
	}
}

func TestAnEmptyViewDoesNotPanic(t *testing.T) {
	require.NotEmpty(t, Table(View{}, 80, true))
	require.NotEmpty(t, Line(View{}))
	require.NotPanics(t, func() { Table(View{}, 0, true) })
}

// terminal is a small model of one: it understands what Screen sends and keeps the rows.
type terminal struct {
	rows  []string
	width int
}

func (v *terminal) Write(p []byte) (int, error) {
	text := string(p)
	for text != "" {
		if strings.HasPrefix(text, "\x1b[") {
			end := strings.IndexAny(text, "ABCDJKHm")
			n := 0
			for _, d := range text[2:end] {
				n = n*10 + int(d-'0')
			}
			switch text[end] {
			case 'A':
				v.rows = v.rows[:len(v.rows)-n]
			case 'J', 'm':
			}
			text = text[end+1:]
			continue
		}
		if text[0] == '\r' {
			text = text[1:]
			continue
		}
		line, rest, _ := strings.Cut(text, "\n")
		v.rows = append(v.rows, wrap(line, v.width)...)
		text = rest
	}
	return len(p), nil
}

func wrap(line string, width int) []string {
	var rows []string
	for columns(line) > width {
		rows, line = append(rows, line[:width]), line[width:]
	}
	return append(rows, line)
}

// resize wraps what stands on the screen, as terminals do.
func (v *terminal) resize(width int) {
	v.width = width
	var rows []string
	for _, row := range v.rows {
		rows = append(rows, wrap(row, width)...)
	}
	v.rows = rows
}

func TestOnATerminalTheTableIsRedrawnInPlaceEvenAfterAResize(t *testing.T) {
	v := &terminal{width: 100}
	s := newScreen(v, func() (int, int, bool) { return v.width, 40, true }, clocktesting.NewFakePassiveClock(time.Now()), false)
	s.Say("first")
	s.Show(view())
	s.Say("second")
	s.Show(view())
	v.resize(37)
	s.Show(view())
	s.Say("third")
	all := strings.Join(v.rows, "\n")
	require.Equal(t, 1, strings.Count(all, "virtual nodes"), all)
	require.Equal(t, 1, strings.Count(all, "pods on"), all)
	require.Regexp(t, `(?s)first.*second.*third.*pods on`, all)
	s.Close()
	all = strings.Join(v.rows, "\n")
	require.NotContains(t, all, "pods on")
	require.Contains(t, all, "third")
}

func TestAShortTerminalGetsAShorterTable(t *testing.T) {
	v := &terminal{width: 80}
	s := newScreen(v, func() (int, int, bool) { return 80, 6, true }, clocktesting.NewFakePassiveClock(time.Now()), false)
	s.Show(view())
	require.Len(t, v.rows, 5)
}

func TestWithoutATerminalStatusLinesComeWhenSomethingChanged(t *testing.T) {
	var out strings.Builder
	c := clocktesting.NewFakePassiveClock(time.Now())
	s := newScreen(&out, func() (int, int, bool) { return 0, 0, false }, c, true)
	s.Show(view())
	s.Show(view())
	c.SetTime(c.Now().Add(time.Minute))
	s.Show(view())
	require.Equal(t, 1, strings.Count(out.String(), "\n"), "an unchanged state is not repeated")
	changed := view()
	changed.Sample.OCICalls++
	s.Show(changed)
	require.Equal(t, 2, strings.Count(out.String(), "\n"))
	require.NotContains(t, out.String(), "\x1b")
}
