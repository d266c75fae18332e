// Package speed runs the Go benchmarks of the hot paths and turns their output into figures.
package speed

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/perf/benchfmt"

	"github.com/karpenter-oke/karpenter-oke/test/bench/results"
)

// suites are the benchmarks to run. Each runs several times, and the least disturbed run counts: the machine may have other work.
var suites = []struct {
	pkg, pattern, time string
	count              int
}{
	{"./pkg/providers/instancetype", "^Benchmark(ListWarm|Rebuild|NodeClasses)", "0.5s", 3},
	{"./pkg/virtualnode", "^Benchmark(Decide|PendingList)$", "0.5s", 3},
	{"./test/bench/scheduler", "^BenchmarkSchedule1000Pods$", "1x", 3},
}

// measured are the smallest values of each benchmark, by name and unit.
type measured map[string]map[string]float64

// RunAll runs the benchmarks and adds the figures.
func RunAll(ctx context.Context, figures *results.Figures, to io.Writer) error {
	all := measured{}
	for _, s := range suites {
		fmt.Fprintln(to, "running benchmarks of", s.pkg)
		c := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", s.pattern, "-benchmem", "-benchtime", s.time,
			"-count", fmt.Sprint(s.count), "-timeout", "20m", s.pkg)
		var out bytes.Buffer
		c.Stdout, c.Stderr = &out, os.Stderr
		if err := c.Run(); err != nil {
			return fmt.Errorf("benchmarks of %s: %w\n%s", s.pkg, err, out.String())
		}
		if err := all.read(&out, s.pkg); err != nil {
			return err
		}
	}
	return all.addTo(figures)
}

// read takes the results of one run of go test.
func (m measured) read(from io.Reader, pkg string) error {
	reader := benchfmt.NewReader(from, pkg)
	for reader.Scan() {
		result, ok := reader.Result().(*benchfmt.Result)
		if !ok {
			continue // lines that are no results, and those that say the unit of a value
		}
		name, _, _ := strings.Cut(string(result.Name), "-cpu=")
		name = withoutProcs(name)
		if m[name] == nil {
			m[name] = map[string]float64{}
		}
		for _, v := range result.Values {
			value, unit := v.Value, v.Unit
			if v.OrigUnit != "" {
				value, unit = v.OrigValue, v.OrigUnit // as written, not in base units
			}
			if old, seen := m[name][unit]; !seen || value < old {
				m[name][unit] = value
			}
		}
	}
	return reader.Err()
}

// withoutProcs drops the number of processors that go test puts behind a name.
func withoutProcs(name string) string {
	dash := strings.LastIndexByte(name, '-')
	if dash < 0 || strings.Trim(name[dash+1:], "0123456789") != "" {
		return name
	}
	return name[:dash]
}

// taker reads values and remembers what is missing, so that one error names all of it.
type taker struct {
	from    measured
	missing []string
}

func (t *taker) take(name, unit string) float64 {
	value, ok := t.from[name][unit]
	if !ok {
		t.missing = append(t.missing, name+" "+unit)
	}
	return value
}

const (
	nsPerUs = 1e3
	nsPerMs = 1e6
)

func (m measured) addTo(figures *results.Figures) error {
	t := &taker{from: m}
	kpo := func(value float64) results.Option { return results.Peer(value, "Oracle's provider v1.0.0") }
	figures.Add("GetInstanceTypes, warm", t.take("ListWarm", "ns/op")/nsPerUs, "us", results.AtMost(2), kpo(1950),
		results.Note("peer: 60 flexible shapes x 3 ADs"))
	figures.Add("GetInstanceTypes, warm: allocations", t.take("ListWarm", "allocs/op"), "allocations", results.AtMost(5), kpo(7455))
	figures.Add("GetInstanceTypes, warm, a node class with every setting", t.take("ListWarmFullClass", "ns/op")/nsPerUs, "us", results.AtMost(2), kpo(1950))
	whole, half := t.take("RebuildByCatalogue/whole", "cpu-ns/op"), t.take("RebuildByCatalogue/half", "cpu-ns/op")
	shapes := t.take("RebuildByCatalogue/whole", "shapes") / max(t.take("RebuildByCatalogue/half", "shapes"), 1)
	figures.Add("rebuild of the whole catalogue x 3 ADs, CPU time", whole/nsPerMs, "ms", results.AtMost(10),
		results.Peer(100, "zoom/karpenter-oci"), results.Note("peer: 100 to 160 ms, up to 830"))
	figures.Add("rebuild: cost by shapes, whole by half of the catalogue", whole/max(half, 1)/max(shapes, 1), "ratio", results.AtMost(1.25),
		results.Note("1 is linear"))
	figures.Add("rebuild after one offering became unavailable", t.take("RebuildAfterOneUnavailableOffering", "ns/op")/nsPerMs, "ms",
		results.AtMost(1), results.Peer(100, "zoom/karpenter-oci"))
	two, fifty := t.take("NodeClasses/2", "cpu-ns/op"), t.take("NodeClasses/50", "cpu-ns/op")
	figures.Add("50 NodeClasses with 2 distinct settings by 2 NodeClasses, CPU time", fifty/max(two, 1), "ratio", results.AtMost(1.25),
		results.Note(fmt.Sprintf("%.1f ms for all 50", fifty/nsPerMs)))
	core, ours := t.take("Schedule1000Pods/core-400-types", "cpu-ns/op"), t.take("Schedule1000Pods/ours", "cpu-ns/op")
	figures.Add("core's scheduler, 1000 pods, default NodePool, CPU time", ours/nsPerMs, "ms",
		results.Note(fmt.Sprintf("%.0f types", t.take("Schedule1000Pods/ours", "types"))))
	figures.Add("core's scheduler, 1000 pods, default NodePool by core's 400 types", ours/max(core, 1), "ratio", results.AtMost(1.5),
		results.Note(fmt.Sprintf("core's own: %.0f ms", core/nsPerMs)))
	for _, pod := range []string{"burst", "burst-cordoned", "blanket", "stateful", "pvc"} {
		figures.Add("Decide, "+pod, t.take("Decide/"+pod, "ns/op")/nsPerUs, "us", results.AtMost(1))
		figures.Add("Decide, "+pod+": allocations", t.take("Decide/"+pod, "allocs/op"), "allocations", results.AtMost(0))
	}
	bare, wrapped := t.take("PendingList/bare", "ns/op"), t.take("PendingList/wrapped", "ns/op")
	figures.Add("list of 10,000 pending pods, wrapped by bare", wrapped/max(bare, 1), "ratio", results.AtMost(1.1),
		results.Note(fmt.Sprintf("%.1f by %.1f ms", wrapped/nsPerMs, bare/nsPerMs)))
	if len(t.missing) > 0 {
		return fmt.Errorf("benchmarks gave no figure for: %s", strings.Join(t.missing, ", "))
	}
	return nil
}
