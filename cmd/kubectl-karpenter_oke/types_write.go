package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/samber/lo"
	corev1 "k8s.io/api/core/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/inspect"
)

// sizeColumns are what both tables of types begin with.
var sizeColumns = []column{
	{title: "TYPE"}, {title: "ARCH"}, {title: "VCPU", right: true}, {title: "OCPU", right: true}, {title: "GB", right: true}, {title: "GPU"},
	{title: "CPU", right: true}, {title: "MEMORY", right: true}, {title: "PODS", right: true},
}

func sizeCells(t *inspect.Type) []string {
	gpu := ""
	if t.GPUs > 0 {
		gpu = fmt.Sprintf("%d %s", t.GPUs, t.GPU)
	}
	ocpus := decimal(t.OCPUs)
	if t.Baseline > 0 {
		ocpus += fmt.Sprintf(" at %d%%", t.Baseline)
	}
	cell := func(name corev1.ResourceName) string { return inspect.Quantity(name, t.Allocatable[name]) }
	return []string{
		t.Name, t.Arch, strconv.Itoa(t.VCPUs), ocpus, decimal(t.MemoryGB), gpu,
		cell(corev1.ResourceCPU), cell(corev1.ResourceMemory), cell(corev1.ResourcePods),
	}
}

// writeTypes writes a line for each type.
func writeTypes(w io.Writer, a *inspect.Types, pod corev1.ResourceList) {
	columns := slices.Concat(sizeColumns, []column{{title: "FITS", right: true}, {title: "POD/H", right: true},
		{title: "ON-DEMAND/H", right: true}, {title: "SPOT/H", right: true}, {title: "RESERVED/H", right: true}, {title: "AVAILABLE"}})
	zones := zonesOf(lo.FlatMap(a.Types, func(t inspect.Type, _ int) []inspect.Offering { return t.Offerings }))
	rows := make([][]string, 0, len(a.Types))
	for k := range a.Types {
		t := &a.Types[k]
		row := sizeCells(t)
		if pod == nil {
			row = append(row, "", "")
		} else {
			n, each := fits(t, pod), "-"
			if price, ok := cheapest(t); ok && n > 0 {
				each = money(price / float64(n))
			}
			row = append(row, strconv.FormatInt(n, 10), each)
		}
		for _, capacityType := range capacityTypes() {
			cell := ""
			if price, available, known := priceOf(t, capacityType); known {
				if cell = money(price); !available {
					cell = "(" + cell + ")"
				}
			}
			row = append(row, cell)
		}
		rows = append(rows, append(row, availability(t, zones)))
	}
	if len(rows) > 0 {
		writeTable(w, columns, rows)
	}
}

// writeOfferings writes a line for each zone and capacity type of each type.
func writeOfferings(w io.Writer, a *inspect.Types) {
	columns := slices.Concat(sizeColumns, []column{{title: "CAPACITY-TYPE"}, {title: "ZONE"}, {title: "PRICE/H", right: true}, {title: "AVAILABLE"},
		{title: "REASON"}, {title: "UNTIL"}})
	var rows [][]string
	for k := range a.Types {
		t := &a.Types[k]
		for _, of := range t.Offerings {
			rows = append(rows, append(sizeCells(t), of.CapacityType, of.Zone, money(of.Price), lo.Ternary(of.Available, "yes", "no"), of.Reason, until(of.Until)))
		}
	}
	if len(rows) > 0 {
		writeTable(w, columns, rows)
	}
}

func writeTypesFooter(w io.Writer, a *inspect.Types, all int) {
	for _, note := range a.Notes {
		fmt.Fprintln(w, "Nothing can be launched: "+note)
	}
	switch {
	case all == 0 && len(a.Notes) == 0:
		fmt.Fprintf(w, "No instance type meets the requirements of NodePool %s.\n", a.NodePool)
	case all == 0:
	case len(a.Types) == 0:
		fmt.Fprintf(w, "None of the %d instance types of NodePool %s passes the filters.\n", all, a.NodePool)
	default:
		now := lo.CountBy(a.Types, func(t inspect.Type) bool { _, ok := cheapest(&t); return ok })
		fmt.Fprintf(w, "\n%d of %d instance types of NodePool %s (OciNodeClass %s), %d to be had now. Prices in %s per hour with the boot volume; in parentheses: not to be had now.\n",
			len(a.Types), all, a.NodePool, a.NodeClass, now, a.Currency)
	}
}

// availability says in a few words where a type can be had: zones that differ in nothing stand together, and all zones of the table
// are not named.
func availability(t *inspect.Type, all string) string {
	missing := lo.Filter(t.Offerings, func(of inspect.Offering, _ int) bool { return !of.Available })
	if len(missing) == 0 {
		return in(t.Offerings, all)
	}
	whole := len(lo.UniqBy(t.Offerings, func(of inspect.Offering) string { return of.CapacityType }))
	var why []string
	for _, group := range inGroups(missing) {
		text := group[0].Reason + " in " + in(group, all)
		if end := until(group[0].Until); end != "" {
			text += " until " + end
		}
		if types := capacityTypesOf(group); len(types) < whole {
			text = strings.Join(types, " and ") + " " + text
		}
		why = append(why, text)
	}
	if len(missing) == len(t.Offerings) {
		return "no: " + strings.Join(why, "; ")
	}
	rest := lo.Filter(t.Offerings, func(of inspect.Offering, _ int) bool { return of.Available })
	return in(rest, all) + "; not: " + strings.Join(why, "; ")
}

func in(offerings []inspect.Offering, all string) string {
	if zones := zonesOf(offerings); zones != all || !strings.Contains(all, ",") {
		return zones
	}
	return "all zones"
}

// inGroups puts offerings together that are missing for the same reason, until the same time, and in zones in which the same capacity
// types are missing so.
func inGroups(missing []inspect.Offering) [][]inspect.Offering {
	reason := func(of inspect.Offering) string { return of.Reason + " " + until(of.Until) }
	return lo.PartitionBy(missing, func(of inspect.Offering) string {
		here := lo.Filter(missing, func(o inspect.Offering, _ int) bool { return o.Zone == of.Zone && reason(o) == reason(of) })
		return reason(of) + " " + strings.Join(capacityTypesOf(here), " ")
	})
}

func capacityTypesOf(offerings []inspect.Offering) []string {
	return lo.Uniq(lo.Map(offerings, func(of inspect.Offering, _ int) string { return of.CapacityType }))
}

func zonesOf(offerings []inspect.Offering) string {
	zones := lo.Uniq(lo.Map(offerings, func(of inspect.Offering, _ int) string { return of.Zone }))
	slices.Sort(zones)
	return strings.Join(zones, ", ")
}

// until is a time of day in UTC: marks last for minutes, at most some hours.
func until(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.UTC().Format("15:04:05Z")
}

// money writes a price with the digits that matter for prices per hour.
func money(price float64) string { return strconv.FormatFloat(price, 'f', 4, 64) }

func decimal(value float64) string { return strconv.FormatFloat(value, 'f', -1, 64) }
