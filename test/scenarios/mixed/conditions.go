package mixed

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/karpenter-oke/karpenter-oke/test/environment/record"
)

type condition = func(*record.Recording) (ok bool, seen string)

func both(conditions ...condition) condition {
	return func(r *record.Recording) (bool, string) {
		all, words := true, []string(nil)
		for _, c := range conditions {
			ok, seen := c(r)
			all = all && ok
			if !ok {
				words = append(words, seen)
			}
		}
		return all, strings.Join(words, "; ")
	}
}

// running is met when exactly want pods of an app exist, all of them running on nodes of the given layers.
func running(app string, want int, layers ...record.Layer) condition {
	return func(r *record.Recording) (bool, string) {
		well, others := 0, map[string]int{}
		for _, p := range alive(r, app) {
			switch {
			case !p.Deleting.IsZero():
				others["ending"]++
			case p.Running.IsZero():
				others["waiting ("+orElse(p.Waiting, "no reason given yet")+")"]++
			case !slices.Contains(layers, p.Layer):
				others["running on "+p.Layer.Title()]++
			default:
				well++
			}
		}
		seen := fmt.Sprintf("%d of %d %s pods run as expected", well, want, app)
		for _, what := range slices.Sorted(maps.Keys(others)) {
			seen += fmt.Sprintf(", %d %s", others[what], what)
		}
		return well == want && len(others) == 0, seen
	}
}

func alive(r *record.Recording, app string) []record.Pod {
	return slices.DeleteFunc(slices.Clone(r.Pods), func(p record.Pod) bool { return p.App != app || !p.Gone.IsZero() })
}

// claimsInitialized is met when there are NodeClaims and all of them are whole nodes.
func claimsInitialized(r *record.Recording) (bool, string) {
	ready, gone, others := 0, 0, []string(nil)
	for _, c := range r.NodeClaims {
		switch {
		case !c.Gone.IsZero():
			gone++
		case c.Initialized.IsZero():
			others = append(others, fmt.Sprintf("NodeClaim %s is not initialized (%s)", c.Name, orElse(c.Reason, "no condition yet")))
		default:
			ready++
		}
	}
	seen := fmt.Sprintf("%d NodeClaims initialized, %d came and went", ready, gone)
	if word := lastWord(r); ready == 0 && word != "" {
		seen += ", Karpenter's last warning: " + word
	}
	if len(others) > 0 {
		seen += ", " + firstFew(others, 3)
	}
	return ready > 0 && len(others) == 0, seen
}

// lastWord is the latest warning about a NodeClaim, NodePool or OciNodeClass.
func lastWord(r *record.Recording) string {
	word, at := "", r.Started
	for _, e := range r.Events {
		about := e.Kind == "NodeClaim" || e.Kind == "NodePool" || e.Kind == "OciNodeClass"
		if about && e.Type == "Warning" && !e.At.Before(at) {
			word, at = e.Reason+" "+e.Message, e.At
		}
	}
	return word
}

// nothingBought is met when no NodeClaim, no Karpenter node and no instance of the controller is left.
func nothingBought(r *record.Recording) (bool, string) {
	var left []string
	for _, c := range r.NodeClaims {
		if c.Gone.IsZero() {
			left = append(left, "NodeClaim "+c.Name)
		}
	}
	for _, n := range r.Nodes {
		if n.Layer == record.LayerKarpenter && n.Gone.IsZero() {
			left = append(left, "node "+n.Name)
		}
	}
	for _, i := range r.OwnInstances() {
		if i.Terminated.IsZero() {
			left = append(left, fmt.Sprintf("instance %s (%s)", i.DisplayName, i.State))
		}
	}
	return len(left) == 0, "still there: " + firstFew(left, 6)
}

// skipped is met when every pending pod of an app, and at least one, has an event that says that Karpenter leaves it alone.
func skipped(app string) condition {
	return func(r *record.Recording) (bool, string) {
		pending, told := 0, 0
		for _, p := range alive(r, app) {
			if !p.Bound.IsZero() {
				continue
			}
			pending++
			if len(skippedEvents(r, p.Name)) > 0 {
				told++
			}
		}
		return pending > 0 && told == pending, fmt.Sprintf("%d pending %s pods, %d of them with a %s event", pending, app, told, SkippedReason)
	}
}

func skippedEvents(r *record.Recording, pod string) []record.Event {
	return slices.DeleteFunc(r.EventsOf("Pod", pod), func(e record.Event) bool { return e.Reason != SkippedReason })
}

func noPods(r *record.Recording) (bool, string) {
	var left []string
	for _, app := range []string{APIService, CPUDemo, ReportBuilder, ReportBuilderManaged} {
		for _, p := range alive(r, app) {
			left = append(left, p.Name)
		}
	}
	return len(left) == 0, "pods still there: " + firstFew(left, 6)
}

func firstFew(words []string, n int) string {
	if len(words) <= n {
		return strings.Join(words, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(words[:n], ", "), len(words)-n)
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
