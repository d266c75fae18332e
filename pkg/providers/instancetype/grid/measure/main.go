// Command measure orders the candidate sizes of flexible shapes by usefulness and writes the order as Go source.
//
// Usefulness is money: for many nodes that a scheduler might want (vCPUs and memory), the cheapest offered size that holds the node is
// compared with a size made to measure. The order is greedy: each next point is the one that lowers the mean excess the most. The run is
// deterministic; it uses no random numbers.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"go/format"
	"math"
	"os"
	"slices"
)

// Unit prices of E5 in dollars an hour (price list parts B97384 and B97385, an OCPU being two vCPUs). The order hardly depends on them:
// the ratio of the two lies between 6 and 13 GB to the vCPU on every current family.
const (
	perVCPU = 0.015
	perGB   = 0.002
)

// The nodes that are wanted: vCPUs spread evenly over the logarithm between 1.5 and 96, memory per vCPU log-normal around 4 GB with
// two thirds of the nodes between 2 and 8 GB. uncoveredRatio is the excess of a node that no size holds: it is split in two.
const (
	minVCPUs, maxVCPUs = 1.5, 96
	medianGBPerVCPU    = 4
	sigmaLog2          = 1
	samples            = 4096
	uncoveredRatio     = 2
)

const (
	// defaultCount is a little under what one NodePool may be offered: more can never be used.
	defaultCount = 288
	roundCount   = 64
)

type point struct{ vcpus, memoryGB int }

type demand struct{ vcpus, memoryGB, price float64 }

func main() {
	out := flag.String("out", "", "file to write; without it the mean excess for some grid sizes is printed")
	count := flag.Int("count", defaultCount, "how many points to order")
	flag.Parse()
	order, excess := rank(demands(), *count)
	if *out == "" {
		for _, n := range []int{8, 12, 16, 20, 24, 32, 40, 48, 64, 80, 96, 128, 160, 192, 240, 288} {
			if n <= len(excess) {
				fmt.Printf("%4d points: %5.1f %% above made to measure\n", n, 100*(excess[n-1]-1))
			}
		}
		return
	}
	if err := write(*out, order); err != nil {
		fmt.Fprintln(os.Stderr, "measure:", err)
		os.Exit(1)
	}
}

// candidates are the sizes to choose from: every combination of vCPUs and GB per vCPU with a whole number of GB. All vCPUs but the single
// one are even, because an x86 OCPU is two. round are those that a person would call round; they alone make up the first roundCount
// points, so that short grids have sizes one can remember, at no cost that can be measured.
func candidates() (round, all []point) {
	roundVCPUs := []int{1, 2, 4, 6, 8, 10, 12, 14, 16, 20, 24, 28, 32, 36, 40, 48, 56, 64, 72, 80, 96, 112, 128, 160, 192, 224, 252}
	allVCPUs := slices.Concat(roundVCPUs, []int{18, 22, 26, 30, 44, 52, 60, 88, 104, 120})
	return combine(roundVCPUs, []float64{1, 2, 3, 4, 6, 8, 12, 16, 24, 32}),
		combine(allVCPUs, []float64{1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5, 5.5, 6, 7, 8, 9, 10, 12, 14, 16, 20, 24, 28, 32})
}

// minGB is the least memory of a size: below it nothing is left for pods after the reservations.
const minGB = 4

func combine(vcpus []int, gbPerVCPU []float64) []point {
	var out []point
	for _, v := range vcpus {
		for _, r := range gbPerVCPU {
			if gb := float64(v) * r; gb == math.Trunc(gb) && gb >= minGB {
				out = append(out, point{v, int(gb)})
			}
		}
	}
	return out
}

// demands spreads samples over the wanted nodes by a two-dimensional low-discrepancy sequence (bases 2 and 3).
func demands() []demand {
	out := make([]demand, 0, samples)
	for i := 1; i <= samples; i++ {
		vcpus := minVCPUs * math.Pow(maxVCPUs/minVCPUs, radicalInverse(i, 2))
		ratio := medianGBPerVCPU * math.Pow(2, sigmaLog2*math.Sqrt2*math.Erfinv(2*radicalInverse(i, 3)-1))
		gb := vcpus * min(max(ratio, 0.5), 32)
		// Made to measure means whole OCPUs of two vCPUs and whole GB: OCI sells no less.
		out = append(out, demand{vcpus, gb, 2*math.Ceil(vcpus/2)*perVCPU + math.Ceil(gb)*perGB})
	}
	return out
}

func radicalInverse(i, base int) float64 {
	value, digit := 0.0, 1.0
	for ; i > 0; i /= base {
		digit /= float64(base)
		value += float64(i%base) * digit
	}
	return value
}

// rank orders candidates greedily and tells the mean ratio of price to made-to-measure after each.
func rank(demands []demand, count int) (order []point, excess []float64) {
	round, all := candidates()
	best := make([]float64, len(demands)) // the price of the cheapest chosen size that holds the demand
	for i, d := range demands {
		best[i] = uncoveredRatio * d.price
	}
	chosen := map[point]bool{}
	for len(order) < min(count, len(all)) {
		from := all
		if len(order) < roundCount {
			from = round
		}
		var next point
		gain := -1.0
		for _, p := range from {
			if chosen[p] {
				continue
			}
			if g := gainOf(p, demands, best); g > gain {
				next, gain = p, g
			}
		}
		chosen[next] = true
		order = append(order, next)
		total := 0.0
		for i, d := range demands {
			if price, ok := priceFor(next, d); ok && price < best[i] {
				best[i] = price
			}
			total += best[i] / d.price
		}
		excess = append(excess, total/float64(len(demands)))
	}
	return order, excess
}

func gainOf(p point, demands []demand, best []float64) float64 {
	gain := 0.0
	for i, d := range demands {
		if price, ok := priceFor(p, d); ok && price < best[i] {
			gain += (best[i] - price) / d.price
		}
	}
	return gain
}

func priceFor(p point, d demand) (float64, bool) {
	if float64(p.vcpus) < d.vcpus || float64(p.memoryGB) < d.memoryGB {
		return 0, false
	}
	return float64(p.vcpus)*perVCPU + float64(p.memoryGB)*perGB, true
}

func write(path string, order []point) error {
	var b bytes.Buffer
	b.WriteString("// Code generated by the measure command. DO NOT EDIT.\n\npackage grid\n\n// points is the order of usefulness.\nvar points = []Point{\n")
	for _, p := range order {
		fmt.Fprintf(&b, "{VCPUs: %d, MemoryGB: %d},\n", p.vcpus, p.memoryGB)
	}
	b.WriteString("}\n")
	source, err := format.Source(b.Bytes())
	if err != nil {
		return fmt.Errorf("formatting the points: %w", err)
	}
	return os.WriteFile(path, source, 0o644) //nolint:gosec // source code
}
