package main

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/cloudprovider"
	"github.com/karpenter-oke/karpenter-oke/pkg/controllers/nodeclaim"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/shape"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim/data"
)

const head = `# Capacity

Written from the code by ` + "`make generate`" + `. What your region sells decides in the end: the controller reads its shapes every few hours, and
offers new ones without a release. ` + "`kubectl karpenter_oke types`" + ` shows what a NodePool of yours is offered, with prices.

`

// kind is one kind of capacity and what belongs to it.
type kind struct {
	name, field, label, told, recipe string
}

// kinds are told in the order in which a user meets them.
func kinds() []kind {
	code := func(parts ...string) string {
		return "`" + strings.Join(parts, "`, `") + "`"
	}
	short := func(label string) string { return strings.TrimPrefix(label, v1alpha1.Group+"/") }
	drift := func(concern v1alpha1.Concern) string { return string(concern) + "Drifted" }
	return []kind{
		{"capacity reservations", code("placement.capacityReservationSelector"), code(short(v1alpha1.LabelCapacityReservationID), short(v1alpha1.LabelCapacityReservationSlot)),
			code(v1alpha1.ConditionTypeCapacityReservationsReady) + ", event " + code(nodeclaim.ReasonReservationEnded), "capacity-reservations"},
		{"preemptible", code("preemptible"), code("karpenter.sh/capacity-type") + " is `spot`", "drift " + code(drift(v1alpha1.ConcernPreemptible)), "preemptible-with-fallback"},
		{"GPUs", "", code(short(v1alpha1.LabelInstanceGPU), short(v1alpha1.LabelInstanceGPUName), short(v1alpha1.LabelInstanceGPUMemory), short(v1alpha1.LabelInstanceGPUManufacturer)),
			code(v1alpha1.ConditionTypeGPUImageReady) + ", drift " + code(string(cloudprovider.DriftReasonImage)), "capacity-gpu"},
		{"RDMA", code("placement.computeClusterSelector", "placement.clusterPlacementGroupSelector"), code(short(v1alpha1.LabelInstanceRDMA)),
			code(v1alpha1.ConditionTypePlacementReady) + ", drift " + code(string(cloudprovider.DriftReasonPlacement)), "capacity-rdma"},
		{"local NVMe", code("localNvmePolicy"), code(short(v1alpha1.LabelInstanceLocalNVMe)), "drift " + code(drift(v1alpha1.ConcernLocalNVMe)), "capacity-local-nvme"},
		{"burstable", code("flex.baselines"), code(short(v1alpha1.LabelBaselineOCPUUtilization)), "drift " + code(string(cloudprovider.DriftReasonFlex)), "capacity-machines"},
		{"extended memory", code("flex.extendedMemory"), code(short(v1alpha1.LabelInstanceExtendedMemory)), "drift " + code(string(cloudprovider.DriftReasonFlex)), "capacity-machines"},
		{"Arm", "", code("kubernetes.io/arch"), code(v1alpha1.ConditionTypeImageReady), "arm"},
		{"bare metal", "", code(short(v1alpha1.LabelInstanceHypervisor)), "event " + code(nodeclaim.EventDeadline), "capacity-machines"},
		{"dedicated VM hosts", code("placement.dedicatedVmHostSelector"), "", code(v1alpha1.ConditionTypePlacementReady) + ", drift " + code(string(cloudprovider.DriftReasonPlacement)), "capacity-machines"},
		{"platform options", code("platformConfig"), code(short(v1alpha1.LabelInstanceCPU)), "drift " + code(drift(v1alpha1.ConcernPlatform)), "capacity-machines"},
		{"pod addresses", code("podNetworking"), code(short(v1alpha1.LabelInstanceMaxVNICs)),
			code(v1alpha1.ConditionTypeSubnetsReady, v1alpha1.ConditionTypeBootstrapReady) + ", event " + code(nodeclaim.ReasonPodNetwork) + ", drift " + code(drift(v1alpha1.ConcernPodNetworking)), "native-pod-networking"},
		{"block volumes", code("bootConfig", "blockDevices"), "", code(v1alpha1.ConditionTypeKMSKeysReady) + ", drift " + code(drift(v1alpha1.ConcernBootVolume), drift(v1alpha1.ConcernBlockDevices)), "stateful-block-volumes"},
	}
}

// generate renders the page.
func generate() ([]byte, error) {
	records, err := data.Shapes()
	if err != nil {
		return nil, err
	}
	var shapes []*shape.Shape
	for _, record := range records {
		if s, ok := shape.FromRecord(record, nil); ok {
			shapes = append(shapes, s)
		}
	}
	slices.SortFunc(shapes, func(a, b *shape.Shape) int {
		return cmp.Or(cmp.Compare(a.Category, b.Category), cmp.Compare(a.Name, b.Name))
	})
	var b bytes.Buffer
	b.WriteString(head)
	b.WriteString("## Kinds\n\nLabels without a prefix have `" + v1alpha1.Group + "/` before them.\n\n| kind | in the OciNodeClass | label | told by | recipe |\n|---|---|---|---|---|\n")
	for _, k := range kinds() {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | [%s](../recipes/%s.md) |\n", k.name, k.field, k.label, k.told, k.recipe, k.recipe)
	}
	b.WriteString("\n## Shapes\n\n" +
		"Ways to buy: `o` on-demand, `s` preemptible (`spot`), `r` from a capacity reservation, `b` burstable. Sizes of flexible shapes are ranges; those with\n" +
		"extended memory stand below. Memory is in GiB. VNICs are those of the largest size.\n\n" +
		"| shape | arch | OCPUs | memory | vCPUs to an OCPU | ways | VNICs | GPUs | RDMA | NVMe (GB) |\n|---|---|---|---|---|---|---|---|---|---|\n")
	for _, s := range shapes {
		b.WriteString(row(s))
	}
	b.WriteString("\n## Extended memory\n\n" +
		"Sizes beyond one processor socket, for classes with `flex.extendedMemory` and NodePools that name the shape: on-demand and whole OCPUs only.\n\n" +
		"| shape | OCPUs | most memory |\n|---|---|---|\n")
	for _, s := range shapes {
		if x := s.Extended; x != nil {
			fmt.Fprintf(&b, "| %s | %s | %s |\n", s.Name, span(x.OCPURange), number(x.MaxMemoryGB))
		}
	}
	return b.Bytes(), nil
}

func row(s *shape.Shape) string {
	ocpus, memory, largest := number(s.OCPUs), number(s.MemoryGB), s.OCPUs
	nvme := number(s.LocalNVMeGB)
	switch {
	case len(s.Sizes) > 0:
		var all, memories, disks []string
		for _, size := range s.Sizes {
			all, memories, disks = append(all, number(size.OCPUs)), append(memories, number(size.MemoryGB)), append(disks, number(size.LocalNVMeGB))
			largest = max(largest, size.OCPUs)
		}
		ocpus, memory, nvme = strings.Join(all, ", "), strings.Join(memories, ", "), strings.Join(disks, ", ")
	case s.Flexible:
		ocpus, memory, largest = span(s.OCPURange), span(s.MemoryRange), s.OCPURange.Max
	}
	gpus := ""
	if s.GPUs > 0 {
		gpus = fmt.Sprintf("%d %s %s of %d GB", s.GPUs, s.GPUManufacturer, s.GPUName, s.GPUMemoryGB)
	}
	rdma := ""
	if s.RDMA {
		rdma = "yes"
	}
	if nvme == "0" {
		nvme = ""
	}
	return fmt.Sprintf("| %s | %s | %s | %s | %d | %s | %d | %s | %s | %s |\n", s.Name, s.Arch, ocpus, memory, s.VCPUsPerOCPU, ways(s), s.MaxVNICs(largest), gpus, rdma, nvme)
}

// ways are how a shape can be bought, by the same facts that offerings are made from.
func ways(s *shape.Shape) string {
	out := "o"
	if s.Preemptible {
		out += " s"
	}
	out += " r"
	if s.Flexible && slices.ContainsFunc(s.Baselines, func(b string) bool { return b != string(v1alpha1.BaselineWhole) }) {
		out += " b"
	}
	return out
}

func number(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }

func span(r shape.Range) string { return number(r.Min) + " to " + number(r.Max) }
