package mixed

import (
	"fmt"
	"slices"
	"strings"

	"github.com/karpenter-oke/karpenter-oke/test/environment/record"
)

// The expectations about pods and the layer they run on.

func baselineNeedsNothing(r *record.Recording) (bool, string) {
	at := end(r, PhaseBaseline)
	api, cpu := r.PodsRunningAt(APIService, at), r.PodsRunningAt(CPUDemo, at)
	claims := len(r.NodeClaimsCreated(r.Started, at))
	ok := layersOf(api)[record.LayerVirtual] == APIServiceLow && layersOf(cpu)[record.LayerFixed] == CPUDemoLow && claims == 0
	return ok, fmt.Sprintf("%d %s pods on virtual nodes, %d %s pod on fixed nodes, %d NodeClaims",
		layersOf(api)[record.LayerVirtual], APIService, layersOf(cpu)[record.LayerFixed], CPUDemo, claims)
}

func burstRuns(r *record.Recording) (bool, string) {
	p, _ := r.Phase(PhaseBurst)
	pods := r.PodsRunningAt(APIService, end(r, PhaseBurst))
	on := layersOf(pods)[record.LayerVirtual]
	return on == APIServiceHigh && len(pods) == APIServiceHigh,
		fmt.Sprintf("%d of %d run, %d of them on virtual nodes, the last one %s after scaling", len(pods), APIServiceHigh, on, seconds(slowest(pods, p.Start)))
}

func burstIsSpread(r *record.Recording) (bool, string) {
	count := map[string]int{}
	for _, n := range r.Nodes {
		if n.Layer == record.LayerVirtual && n.Gone.IsZero() {
			count[n.Name] = 0
		}
	}
	for _, p := range r.PodsRunningAt(APIService, end(r, PhaseBurst)) {
		count[p.Node]++
	}
	ok, words := len(count) > 1, []string(nil)
	for node, n := range count {
		ok = ok && n > 0
		words = append(words, fmt.Sprintf("%s runs %d", node, n))
	}
	slices.Sort(words)
	return ok, strings.Join(words, ", ")
}

func fixedNodesAreUsed(r *record.Recording) (bool, string) {
	by := layersOf(r.PodsRunningAt(CPUDemo, end(r, PhaseStateful)))
	return by[record.LayerFixed] > CPUDemoLow && by[record.LayerKarpenter] > 0,
		fmt.Sprintf("%d on fixed nodes, %d on Karpenter nodes", by[record.LayerFixed], by[record.LayerKarpenter])
}

func statefulRuns(r *record.Recording) (bool, string) {
	p, _ := r.Phase(PhaseStateful)
	pods := r.PodsRunningAt(CPUDemo, end(r, PhaseStateful))
	by := layersOf(pods)
	managed := by[record.LayerFixed] + by[record.LayerKarpenter]
	return managed == CPUDemoHigh && len(pods) == CPUDemoHigh,
		fmt.Sprintf("%d of %d run on managed nodes, the last one %s after scaling", managed, CPUDemoHigh, seconds(slowest(pods, p.Start)))
}

// waiting lists the pods that were made in the cordoned phase.
func waiting(r *record.Recording) []record.Pod {
	p, _ := r.Phase(PhaseCordoned)
	return slices.DeleteFunc(slices.Clone(r.Pods), func(pod record.Pod) bool {
		return (pod.App != APIService && pod.App != ReportBuilder) || pod.Created.Before(p.Start) || pod.Created.After(end(r, PhaseCordoned))
	})
}

func staysPending(r *record.Recording) (bool, string) {
	at := end(r, PhaseCordoned)
	pods, still := waiting(r), []string(nil)
	for _, p := range pods {
		if p.Bound.IsZero() || p.Bound.After(at) {
			still = append(still, p.Name)
		}
	}
	return len(pods) == 2 && len(still) == 2, fmt.Sprintf("%d of %d new pods pending: %s", len(still), len(pods), firstFew(still, 4))
}

func skippedWithReason(r *record.Recording) (bool, string) {
	pods, told, words := waiting(r), 0, ""
	for _, p := range pods {
		for _, e := range skippedEvents(r, p.Name) {
			if strings.Contains(e.Message, "cordoned") {
				told, words = told+1, e.Message
				break
			}
		}
	}
	detail := fmt.Sprintf("%d of %d pods have a %s event that names the cordon", told, len(pods), SkippedReason)
	if words != "" {
		detail += ", such as: " + words
	}
	return len(pods) > 0 && told == len(pods), detail
}

func startsAfterUncordon(r *record.Recording) (bool, string) {
	p, _ := r.Phase(PhaseUncordoned)
	pods, on := waiting(r), 0
	for _, pod := range pods {
		if pod.Layer == record.LayerVirtual && !pod.Running.IsZero() && pod.Running.After(p.Start) && !pod.Running.After(end(r, PhaseUncordoned)) {
			on++
		}
	}
	return len(pods) > 0 && on == len(pods), fmt.Sprintf("%d of %d run on virtual nodes, the last one %s after uncordoning", on, len(pods), seconds(slowest(pods, p.Start)))
}

func burstStaysVirtual(r *record.Recording) (bool, string) {
	total, wrong := 0, []string(nil)
	for _, p := range r.Pods {
		if p.App != APIService && p.App != ReportBuilder {
			continue
		}
		total++
		if p.Node != "" && p.Layer != record.LayerVirtual {
			wrong = append(wrong, fmt.Sprintf("%s was bound to %s", p.Name, p.Node))
		}
		for _, e := range r.EventsOf("Pod", p.Name) {
			if e.Reason == "Nominated" {
				wrong = append(wrong, fmt.Sprintf("%s was nominated: %s", p.Name, e.Message))
			}
		}
	}
	if len(wrong) > 0 {
		return false, firstFew(wrong, 3)
	}
	return total > 0, fmt.Sprintf("%d pods that tolerate virtual nodes, none bound to or nominated for another", total)
}
