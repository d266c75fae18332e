package cost

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/karpenter-oke/karpenter-oke/test/bench/world"
)

// Trace is a sequence of waves of pods; each wave is one loop of the scheduler, and finds the nodes of the waves before.
type Trace struct {
	Name  string
	Waves [][]world.Requests
}

// Pods is how many pods the trace has.
func (t Trace) Pods() (n int) {
	for _, wave := range t.Waves {
		n += len(wave)
	}
	return n
}

// Part is the first pods of a trace, for runs that must be short.
func (t Trace) Part(pods int) Trace {
	out := Trace{Name: t.Name}
	for _, wave := range t.Waves {
		n := min(len(wave), pods)
		if n == 0 {
			break
		}
		out.Waves = append(out.Waves, wave[:n])
		pods -= n
	}
	return out
}

// kind is a workload that many pods share.
type kind struct {
	weight float64
	world.Requests
}

// Sizes and weights of the traces. They are this project's choice of what clusters run, except for the public trace.
var (
	small = []kind{{1, world.Requests{CPUMillis: 250, MemoryMiB: 512}}}

	// web: proxies and sidecars, interpreters, services of 1:2 to 1:4, a few JVMs and caches.
	web = []kind{
		{20, world.Requests{CPUMillis: 100, MemoryMiB: 128}}, {15, world.Requests{CPUMillis: 250, MemoryMiB: 512}},
		{25, world.Requests{CPUMillis: 500, MemoryMiB: 1024}}, {15, world.Requests{CPUMillis: 1000, MemoryMiB: 2048}},
		{12, world.Requests{CPUMillis: 1000, MemoryMiB: 4096}}, {8, world.Requests{CPUMillis: 2000, MemoryMiB: 8192}},
		{5, world.Requests{CPUMillis: 500, MemoryMiB: 6144}},
	}

	// memoryHeavy: databases, caches, JVMs with large heaps: 8 to 16 GiB a CPU.
	memoryHeavy = []kind{
		{30, world.Requests{CPUMillis: 500, MemoryMiB: 4096}}, {30, world.Requests{CPUMillis: 1000, MemoryMiB: 8192}},
		{20, world.Requests{CPUMillis: 1000, MemoryMiB: 16384}}, {15, world.Requests{CPUMillis: 2000, MemoryMiB: 24576}},
		{5, world.Requests{CPUMillis: 4000, MemoryMiB: 65536}},
	}

	// cpuHeavy: encoding, simulation, builds: a quarter to 1 GiB a CPU.
	cpuHeavy = []kind{
		{30, world.Requests{CPUMillis: 1000, MemoryMiB: 512}}, {30, world.Requests{CPUMillis: 2000, MemoryMiB: 1024}},
		{25, world.Requests{CPUMillis: 4000, MemoryMiB: 4096}}, {15, world.Requests{CPUMillis: 8000, MemoryMiB: 4096}},
	}

	// batch: workers of a few jobs that all start together.
	batch = []kind{
		{50, world.Requests{CPUMillis: 1000, MemoryMiB: 3584}}, {30, world.Requests{CPUMillis: 3500, MemoryMiB: 14336}},
		{20, world.Requests{CPUMillis: 2000, MemoryMiB: 4096}},
	}

	// openb are the CPU-only tasks of a published Kubernetes cluster trace by how often they occur: the 11 most frequent requests, 1,068
	// of 1,088 tasks, each cpu_milli, memory_mib and count as counted in cluster-trace-gpu-v2023, openb_pod_list_default.csv of
	// github.com/alibaba/clusterdata (Weng et al., "Beware of Fragmentation", USENIX ATC 2023).
	openb = []kind{
		{364, world.Requests{CPUMillis: 12500, MemoryMiB: 57344}}, {284, world.Requests{CPUMillis: 32000, MemoryMiB: 49152}},
		{163, world.Requests{CPUMillis: 8000, MemoryMiB: 30517}}, {120, world.Requests{CPUMillis: 15400, MemoryMiB: 51200}},
		{95, world.Requests{CPUMillis: 16500, MemoryMiB: 51200}}, {11, world.Requests{CPUMillis: 8000, MemoryMiB: 15625}},
		{11, world.Requests{CPUMillis: 11400, MemoryMiB: 57344}}, {8, world.Requests{CPUMillis: 16000, MemoryMiB: 31250}},
		{5, world.Requests{CPUMillis: 8000, MemoryMiB: 31250}}, {4, world.Requests{CPUMillis: 12000, MemoryMiB: 24576}},
		{3, world.Requests{CPUMillis: 32000, MemoryMiB: 62500}},
	}
)

// Traces are the traces that are played. Seeds are fixed: every run plays the same pods.
func Traces() []Trace {
	return []Trace{
		waves("uniform small", 1, 0, small, 100, 100, 100, 100, 100, 100, 100, 100, 100, 100),
		waves("mixed web", 2, 0.15, web, 400, 20, 35, 50, 80, 10, 60, 45, 100, 25, 75),
		waves("memory-heavy", 3, 0.15, memoryHeavy, 60, 10, 20, 30, 15, 25, 40),
		waves("cpu-heavy", 4, 0.15, cpuHeavy, 80, 20, 40, 15, 45, 30, 70),
		waves("batch wave", 5, 0, batch, 600),
		waves("public trace", 6, 0, openb, 30, 10, 15, 20, 5, 10, 20),
	}
}

// waves draws pods of the kinds. spread is the standard deviation of the logarithm by which a pod's requests differ from its kind's, CPU
// and memory on their own, rounded to 10 millicores and 16 MiB: teams do not all ask for round numbers.
func waves(name string, seed uint64, spread float64, kinds []kind, sizes ...int) Trace {
	rng := rand.New(rand.NewPCG(seed, 20260105))
	total := 0.0
	for _, k := range kinds {
		total += k.weight
	}
	draw := func() world.Requests {
		at := rng.Float64() * total
		picked := kinds[len(kinds)-1].Requests
		for _, k := range kinds {
			if at -= k.weight; at < 0 {
				picked = k.Requests
				break
			}
		}
		if spread > 0 {
			picked.CPUMillis = vary(rng, picked.CPUMillis, spread, 10)
			picked.MemoryMiB = vary(rng, picked.MemoryMiB, spread, 16)
		}
		return picked
	}
	t := Trace{Name: name}
	for _, size := range sizes {
		wave := make([]world.Requests, size)
		for i := range wave {
			wave[i] = draw()
		}
		t.Waves = append(t.Waves, wave)
	}
	return t
}

func vary(rng *rand.Rand, value int64, spread float64, step int64) int64 {
	varied := float64(value) * math.Exp(spread*rng.NormFloat64())
	return max(int64(math.Round(varied/float64(step))), 1) * step
}

// podName is unique within a trace.
func podName(wave, i int) string { return fmt.Sprintf("pod-%02d-%04d", wave, i) }
