package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/inspect"
)

type layersOptions struct {
	connection
	output string
}

const layersHelp = `Layers shows what each layer of the cluster holds and costs: nodes, pods, what the pods request, what the nodes have
for them, and the price per hour.

fixed      managed nodes that are not Karpenter's
karpenter  nodes that Karpenter launched, by NodePool
virtual    virtual nodes; their room is Oracle's, they cost by the pod

Pods without a node are counted by the layer that they are for. What has no known price is not in the sum, and a note
says so.

` + connectHelp + `

Exit code: 0, or 1 when the controller can not be asked.`

func newLayers() *cobra.Command {
	o := &layersOptions{}
	cmd := &cobra.Command{
		Use:     "layers",
		Short:   "Show pods, requests and prices by layer: fixed, Karpenter's and virtual nodes",
		Long:    layersHelp,
		Example: "  kubectl karpenter_oke layers\n  kubectl karpenter_oke layers -o json",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context(), cmd.OutOrStdout()) },
	}
	o.flags(cmd.Flags())
	outputFlag(cmd, &o.output, layersFormats...)
	return cmd
}

var layersFormats = []string{"table", "json", "yaml"}

func (o *layersOptions) run(ctx context.Context, out io.Writer) error {
	if err := checkOutput(o.output, layersFormats...); err != nil {
		return err
	}
	body, err := o.ask(ctx, http.MethodGet, inspect.LayersPath, nil, nil)
	if err != nil {
		return err
	}
	answer := &inspect.Layers{}
	if err := json.Unmarshal(body, answer); err != nil {
		return fmt.Errorf("reading the controller's answer: %w", err)
	}
	if o.output != "table" {
		return writeObject(out, o.output, answer)
	}
	writeLayers(out, answer)
	return nil
}

// writeLayers writes a line for each layer with its parts below, and the sum.
func writeLayers(w io.Writer, a *inspect.Layers) {
	columns := []column{{title: "LAYER"}, {title: "NODES", right: true}, {title: "NOT-READY", right: true}, {title: "PODS", right: true}, {title: "CPU", right: true},
		{title: "OF", right: true}, {title: "MEMORY", right: true}, {title: "OF", right: true}, {title: "PRICE/H", right: true}}
	var rows [][]string
	total := inspect.Layer{Name: "total"}
	for _, l := range a.Layers {
		rows = append(rows, layerRow("", &l))
		for k := range l.Parts {
			rows = append(rows, layerRow("  ", &l.Parts[k]))
		}
		total.Nodes, total.NotReady, total.Pods = total.Nodes+l.Nodes, total.NotReady+l.NotReady, total.Pods+l.Pods
		total.Price, total.Unpriced = total.Price+l.Price, total.Unpriced+l.Unpriced
	}
	rows = append(rows, layerRow("", &total))
	writeTable(w, columns, rows)
	fmt.Fprintf(w, "\nPods without a node: %d for managed nodes, %d for virtual nodes. Prices in %s.\n", a.Pending["managed"], a.Pending["virtual"], a.Currency)
	for _, note := range a.Notes {
		fmt.Fprintln(w, "  "+note)
	}
}

func layerRow(indent string, l *inspect.Layer) []string {
	cell := func(list corev1.ResourceList, name corev1.ResourceName) string {
		q, ok := list[name]
		if !ok {
			return ""
		}
		return inspect.Quantity(name, q)
	}
	price := money(l.Price)
	switch {
	case l.Unpriced > 0 && l.Price == 0:
		price = "unknown"
	case l.Unpriced > 0:
		price += "+"
	}
	notReady := ""
	if l.NotReady > 0 {
		notReady = strconv.Itoa(l.NotReady)
	}
	return []string{
		indent + l.Name, strconv.Itoa(l.Nodes), notReady, strconv.Itoa(l.Pods),
		cell(l.Requests, corev1.ResourceCPU), cell(l.Allocatable, corev1.ResourceCPU),
		cell(l.Requests, corev1.ResourceMemory), cell(l.Allocatable, corev1.ResourceMemory), price,
	}
}

func sortedNames(list corev1.ResourceList) []corev1.ResourceName {
	return slices.Sorted(maps.Keys(list))
}
