package cost

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/karpenter-oke/karpenter-oke/test/bench/results"
)

// aimPercent is how far above the bound on requests the nodes of a trace may cost.
const aimPercent = 12

// RunAll plays every trace in every pool, prints a table as it goes and adds the figures.
func RunAll(ctx context.Context, figures *results.Figures, to io.Writer) error {
	fmt.Fprintln(to, "Dollars an hour of the nodes that core's scheduler and the provider buy for pod traces. % is above the bound on what pods ask for;")
	fmt.Fprintln(to, "in parentheses above the bound on nodes (reservations, DaemonSets and boot volumes included). By hand: the price of their nodes by ours.")
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NodePool\ttrace\tpods\tbound\tFit\tnodes\tabove\tGrid\tabove\t2 sizes by hand\tpowers of two")
	for _, pool := range Pools() {
		for _, trace := range Traces() {
			o, err := Run(ctx, pool, trace)
			if err != nil {
				return err
			}
			o.addTo(figures)
			fmt.Fprintf(w, "%s\t%s\t%d\t%.2f\t%.2f\t%d\t%.1f %% (%.1f)\t%.2f\t%.1f %%\t%s\t%s\n", o.Pool, o.Trace, o.Pods, o.Bounds.Requests, o.Fit.PricePerHour,
				o.Fit.Nodes, Above(o.Fit.PricePerHour, o.Bounds.Requests), Above(o.Fit.PricePerHour, o.Bounds.Nodes),
				o.Grid.PricePerHour, Above(o.Grid.PricePerHour, o.Bounds.Requests), o.Manual, o.Powers)
			if err := w.Flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// String is how many times dearer they are, and how many pods they cannot run.
func (a Against) String() string {
	switch {
	case a.Theirs == 0:
		return "cannot run any"
	case a.Unplaced > 0:
		return fmt.Sprintf("%.2f x, %d pods not", 1/a.Ratio(), a.Unplaced)
	default:
		return fmt.Sprintf("%.2f x", 1/a.Ratio())
	}
}

func (o Outcome) addTo(figures *results.Figures) {
	name := func(what string) string { return fmt.Sprintf("cost, %s, %s: %s", o.Pool, o.Trace, what) }
	figures.Add(name("above the bound on requests"), Above(o.Fit.PricePerHour, o.Bounds.Requests), "%", results.AtMost(aimPercent),
		results.Note(fmt.Sprintf("%d pods, Fit", o.Pods)))
	figures.Add(name("above the bound on nodes"), Above(o.Fit.PricePerHour, o.Bounds.Nodes), "%")
	figures.Add(name("above the bound on requests, Grid"), Above(o.Grid.PricePerHour, o.Bounds.Requests), "%")
	for what, a := range map[string]Against{"by the price of 2 sizes by hand": o.Manual, "by the price of powers of two": o.Powers} {
		if a.Theirs == 0 {
			continue // they run none of the pods: there is no price to compare with
		}
		options := []results.Option{results.AtMost(1)}
		if a.Unplaced > 0 {
			options = append(options, results.Note(fmt.Sprintf("without %d pods that sizes by hand cannot hold", a.Unplaced)))
		}
		figures.Add(name(what), a.Ratio(), "ratio", options...)
	}
}
