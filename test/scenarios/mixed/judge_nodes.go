package mixed

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/karpenter-oke/karpenter-oke/test/environment/record"
)

// The expectations about NodeClaims, instances and nodes.

// claimsOf lists the NodeClaims that a phase caused.
func claimsOf(r *record.Recording, phase string) []record.NodeClaim {
	p, _ := r.Phase(phase)
	return r.NodeClaimsCreated(p.Start, end(r, phase))
}

func claimsAppear(r *record.Recording) (bool, string) {
	p, _ := r.Phase(PhaseStateful)
	claims := claimsOf(r, PhaseStateful)
	var words []string
	ok := len(claims) > 0
	for _, c := range claims {
		ok = ok && c.NodePool == NodePool
		words = append(words, fmt.Sprintf("%s (%s, %s after scaling)", c.Name, orElse(c.InstanceType, "no type yet"), seconds(c.Created.Sub(p.Start))))
	}
	return ok, fmt.Sprintf("%d NodeClaims: %s", len(claims), firstFew(words, 4))
}

func oneInstanceEach(r *record.Recording) (bool, string) {
	claims := claimsOf(r, PhaseStateful)
	p, _ := r.Phase(PhaseStateful)
	launched := slices.DeleteFunc(r.OwnInstances(), func(i record.Instance) bool {
		return i.Launched.Before(p.Start) || i.Launched.After(end(r, PhaseStateful))
	})
	owners := map[string]int{}
	for _, c := range claims {
		owners[c.ProviderID]++
	}
	ok := len(claims) > 0 && len(launched) == len(claims)
	for _, i := range launched {
		ok = ok && owners[i.ID] == 1
	}
	return ok, fmt.Sprintf("%d NodeClaims, %d instances launched: %s", len(claims), len(launched), firstFew(shapes(launched), 3))
}

func shapes(instances []record.Instance) []string {
	var out []string
	for _, i := range instances {
		out = append(out, fmt.Sprintf("%s with %g OCPU and %g GB in %s", i.Shape, i.OCPUs, i.MemoryGB, i.AD))
	}
	return out
}

// fitted expects that no instance is larger than its instance type, and that one is smaller at least.
func fitted(r *record.Recording) (bool, string) {
	claims := claimsOf(r, PhaseStateful)
	smaller, ok := 0, len(claims) > 0
	var words []string
	for _, c := range claims {
		i := slices.IndexFunc(r.Instances, func(i record.Instance) bool { return i.ID == c.ProviderID })
		if i < 0 {
			return false, fmt.Sprintf("NodeClaim %s has no instance", c.Name)
		}
		real := record.Size{OCPUs: r.Instances[i].OCPUs, MemoryGB: r.Instances[i].MemoryGB}
		ok = ok && real.Within(c.TypeSize) && real == c.Size
		if real != c.TypeSize {
			smaller++
		}
		words = append(words, fmt.Sprintf("%g of %g OCPU and %g of %g GB", real.OCPUs, c.TypeSize.OCPUs, real.MemoryGB, c.TypeSize.MemoryGB))
	}
	return ok && smaller > 0, fmt.Sprintf("%d of %d are smaller than their types: %s", smaller, len(claims), firstFew(words, 4))
}

func nodesJoin(r *record.Recording) (bool, string) {
	claims := claimsOf(r, PhaseStateful)
	joined, slow := 0, time.Duration(0)
	var wrong []string
	for _, c := range claims {
		i := slices.IndexFunc(r.Nodes, func(n record.Node) bool { return n.ProviderID != "" && n.ProviderID == c.ProviderID })
		if i < 0 {
			wrong = append(wrong, fmt.Sprintf("NodeClaim %s has no node", c.Name))
			continue
		}
		n := r.Nodes[i]
		switch {
		case n.Ready.IsZero() || c.Initialized.IsZero():
			wrong = append(wrong, fmt.Sprintf("node %s is not ready (%s)", n.Name, c.Reason))
		case n.Labels["workload-type"] != "stateful" || n.Labels["karpenter-managed"] != "true" || n.Zone == "":
			wrong = append(wrong, fmt.Sprintf("node %s lacks labels", n.Name))
		case !slices.Contains(n.Taints, "workload-type=stateful:NoSchedule"):
			wrong = append(wrong, fmt.Sprintf("node %s has the taints %s", n.Name, strings.Join(n.Taints, " ")))
		default:
			joined, slow = joined+1, max(slow, c.Initialized.Sub(c.Created))
		}
	}
	detail := fmt.Sprintf("%d of %d joined, the slowest %s after its NodeClaim", joined, len(claims), seconds(slow))
	if len(wrong) > 0 {
		detail += "; " + firstFew(wrong, 3)
	}
	return len(claims) > 0 && joined == len(claims), detail
}

func consolidated(r *record.Recording) (bool, string) {
	p, _ := r.Phase(PhaseConsolidate)
	at := end(r, PhaseConsolidate)
	left, last := 0, time.Time{}
	for _, c := range r.NodeClaims {
		if c.Created.Before(at) {
			if c.Gone.IsZero() || c.Gone.After(at) {
				left++
			}
			if c.Gone.After(last) && !c.Gone.After(at) {
				last = c.Gone
			}
		}
	}
	pods := r.PodsRunningAt(CPUDemo, at)
	on := layersOf(pods)[record.LayerFixed]
	if last.IsZero() {
		return false, fmt.Sprintf("no NodeClaim went, %d are left", left)
	}
	return left == 0 && on == CPUDemoLow && len(pods) == CPUDemoLow,
		fmt.Sprintf("%d NodeClaims left, the last one went %s after scaling; %d of %d pods on fixed nodes", left, seconds(last.Sub(p.Start)), on, len(pods))
}

func instancesTerminated(r *record.Recording) (bool, string) {
	at, count := end(r, PhaseConsolidate), 0
	var left []string
	for _, i := range r.OwnInstances() {
		if i.Launched.After(at) {
			continue
		}
		count++
		if i.Terminated.IsZero() || i.Terminated.After(at) {
			left = append(left, fmt.Sprintf("%s is %s", i.DisplayName, i.State))
		}
	}
	if len(left) > 0 {
		return false, firstFew(left, 3)
	}
	return count > 0, fmt.Sprintf("%d of %d instances TERMINATED", count, count)
}

func twinGetsClaim(r *record.Recording) (bool, string) {
	claims := claimsOf(r, PhaseManagedTwin)
	pods := r.PodsRunningAt(ReportBuilderManaged, end(r, PhaseManagedTwin))
	if len(claims) != 1 || len(pods) != 1 {
		return false, fmt.Sprintf("%d NodeClaims, %d running pods", len(claims), len(pods))
	}
	return pods[0].Layer == record.LayerKarpenter && pods[0].Node == claims[0].NodeName,
		fmt.Sprintf("NodeClaim %s (%s), pod on %s, its node is %s", claims[0].Name, claims[0].InstanceType, pods[0].Node, claims[0].NodeName)
}

// fixedUntouched expects that no changing request ever named an instance that was there before the controller.
func fixedUntouched(r *record.Recording) (bool, string) {
	fixed := 0
	var wrong []string
	for _, i := range r.Instances {
		if !i.Fixed {
			continue
		}
		fixed++
		if i.State != "RUNNING" {
			wrong = append(wrong, fmt.Sprintf("%s is %s", i.DisplayName, i.State))
		}
		for _, c := range r.Calls {
			if c.Method != http.MethodGet && strings.Contains(c.Path, i.ID) {
				wrong = append(wrong, fmt.Sprintf("%s was sent to %s", c.Operation, i.DisplayName))
			}
		}
	}
	if len(wrong) > 0 {
		return false, firstFew(wrong, 3)
	}
	return fixed > 0, fmt.Sprintf("%d instances RUNNING throughout, no request changed one", fixed)
}

func nothingLeft(r *record.Recording) (bool, string) {
	if r.Leftovers == nil {
		return false, "the play stopped before anybody could look"
	}
	gone, seen := nothingBought(r)
	l := *r.Leftovers
	if !gone {
		return false, seen
	}
	words := slices.Concat(l.Instances, l.VNICs, l.BootVolumes)
	if len(words) > 0 {
		return false, "left in OCI: " + firstFew(words, 4)
	}
	return len(r.OwnInstances()) > 0, fmt.Sprintf("%d NodeClaims and %d instances came and went; 0 instances, 0 VNICs, 0 boot volumes left",
		len(r.NodeClaims), len(r.OwnInstances()))
}

func noOCIErrors(r *record.Recording) (bool, string) {
	var wrong []string
	for _, c := range r.Calls {
		if c.Status == 0 || c.Status >= 400 {
			wrong = append(wrong, fmt.Sprintf("%s %d %s", c.Operation, c.Status, c.Code))
		}
	}
	if len(wrong) > 0 {
		return false, fmt.Sprintf("%d errors: %s", len(wrong), firstFew(wrong, 4))
	}
	return r.OCICallTotal() > 0, fmt.Sprintf("%d calls, all answered well", r.OCICallTotal())
}
