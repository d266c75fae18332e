package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/samber/lo"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/karpenter-oke/karpenter-oke/pkg/inspect"
)

// writeExplanation writes the answer for people.
func writeExplanation(w io.Writer, e *explained, now time.Time) {
	fmt.Fprintf(w, "Pod %s/%s: %s\n\n", e.Pod.Namespace, e.Pod.Name, placeText(&e.Pod, now))
	for _, line := range []string{e.Summary, e.Cause} {
		if line != "" {
			fmt.Fprintln(w, line)
		}
	}
	if e.Conflict != "" {
		fmt.Fprintln(w, "It contradicts itself.", e.Conflict)
	}
	writeFeatures(w, "What virtual nodes refuse of it", e.Blockers)
	writeFeatures(w, "What virtual nodes ignore or treat in their own way", e.Advisories)
	fmt.Fprintln(w, "\nVirtual nodes")
	if len(e.VirtualNodes) == 0 {
		fmt.Fprintln(w, "  none in this cluster")
	}
	for _, v := range e.VirtualNodes {
		fmt.Fprintln(w, "  "+virtualText(&v))
	}
	if e.Pod.Node == "" {
		fmt.Fprintf(w, "\nNodePools that could make a node for it (%s)\n", requestText(e.Requests))
	} else {
		fmt.Fprintf(w, "\nNodePools that could make a new node for it, had it none (%s)\n", requestText(e.Requests))
	}
	if len(e.NodePools) == 0 {
		fmt.Fprintln(w, "  none in this cluster")
	}
	for k := range e.NodePools {
		writePool(w, &e.NodePools[k])
	}
	writeList(w, "Not looked at", e.Notes)
	writeList(w, "What to do", e.Do)
	writeEvents(w, e.Events, now)
}

func placeText(p *podState, now time.Time) string {
	switch {
	case p.Node != "" && p.NodePool != "":
		return fmt.Sprintf("%s on node %s of NodePool %s", p.Phase, p.Node, p.NodePool)
	case p.Node != "":
		return fmt.Sprintf("%s on node %s", p.Phase, p.Node)
	case p.UnschedulableSince != nil:
		return fmt.Sprintf("%s, unschedulable for %s", p.Phase, duration.HumanDuration(max(now.Sub(*p.UnschedulableSince), 0)))
	}
	return p.Phase + ", has no node"
}

func writeFeatures(w io.Writer, title string, features []inspect.Feature) {
	if len(features) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s\n", title)
	for _, f := range features {
		fmt.Fprintf(w, "  it %s [%s]\n", f.Message, f.Name)
	}
}

func virtualText(v *inspect.VirtualNodes) string {
	names := strings.Join(v.Names, ", ")
	if more := v.Count - len(v.Names); more > 0 {
		names += fmt.Sprintf(" and %d more", more)
	}
	if v.Matches {
		return fmt.Sprintf("%s (%s): selectors and tolerations match", names, v.State)
	}
	return fmt.Sprintf("%s (%s): no match, %s", names, v.State, v.Why)
}

func writePool(w io.Writer, v *inspect.PoolVerdict) {
	if v.Takes {
		last := v.Types[len(v.Types)-1]
		fmt.Fprintf(w, "  %s: yes, %d of %d instance types; the cheapest:\n", v.Name, last.Left, v.Types[0].Left)
		for _, f := range v.Cheapest {
			fmt.Fprintf(w, "    %s %s in %s, %s/h\n", f.Type, f.CapacityType, f.Zone, money(f.Price))
		}
		return
	}
	fmt.Fprintf(w, "  %s: no\n", v.Name)
	for _, b := range v.Blocks {
		fmt.Fprintln(w, "    "+b.Why)
	}
	if len(v.Types) > 1 {
		stages := lo.Map(v.Types, func(s inspect.Stage, _ int) string { return fmt.Sprintf("%d %s", s.Left, s.Question) })
		fmt.Fprintln(w, "    instance types: "+strings.Join(stages, ", "))
	}
}

func requestText(list corev1.ResourceList) string {
	var parts []string
	for _, name := range sortedNames(list) {
		if q := list[name]; name != corev1.ResourcePods && !q.IsZero() {
			parts = append(parts, string(name)+" "+inspect.Quantity(name, q))
		}
	}
	if len(parts) == 0 {
		return "it requests nothing"
	}
	return strings.Join(parts, ", ")
}

func writeList(w io.Writer, title string, lines []string) {
	if len(lines) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s\n", title)
	for _, line := range lines {
		fmt.Fprintln(w, "  "+line)
	}
}

func writeEvents(w io.Writer, events []podEvent, now time.Time) {
	if len(events) == 0 {
		return
	}
	fmt.Fprintln(w, "\nEvents")
	for _, e := range events {
		fmt.Fprintf(w, "  %s ago  %s %s: %s\n", duration.HumanDuration(max(now.Sub(e.Time), 0)), e.From, e.Reason, strings.Join(strings.Fields(e.Message), " "))
	}
}
