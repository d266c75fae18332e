package virtualnode

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// reasonProviderFailed is what virtual kubelets write into the status of a pod that their provider could not start.
const reasonProviderFailed = "ProviderFailed"

// readLoad adds up the pods bound to the node that have not ended, and finds out whether pods start there. A start that failed counts
// until a pod that was bound later has started: the newest evidence wins, so that the judgement heals by itself.
func readLoad(ctx context.Context, reader client.Reader, node string) (load, error) {
	pods := &corev1.PodList{}
	if err := reader.List(ctx, pods, client.MatchingFields{"spec.nodeName": node}, client.UnsafeDisableDeepCopy); err != nil {
		return load{}, fmt.Errorf("listing pods of node %s, %w", node, err)
	}
	var l load
	var failed, started time.Time
	for k := range pods.Items {
		p := &pods.Items[k]
		if cause, bound := startTrouble(p), boundAt(p); cause != "" && !bound.Before(failed) {
			l.trouble, failed = cause, bound
		}
		if p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed {
			continue
		}
		l.pods++
		l.size = l.size.plus(demandOf(p))
		if bound := boundAt(p); p.Status.Phase == corev1.PodRunning && bound.After(started) {
			started = bound
		}
	}
	if started.After(failed) {
		l.trouble = ""
	}
	return l, nil
}

// boundAt is when the pod was given its node.
func boundAt(p *corev1.Pod) time.Time {
	for i := range p.Status.Conditions {
		if c := &p.Status.Conditions[i]; c.Type == corev1.PodScheduled && c.Status == corev1.ConditionTrue {
			return c.LastTransitionTime.Time
		}
	}
	return p.CreationTimestamp.Time
}

// startTroubles are words in the messages of OCI's services, in lower case, and what they mean for other pods on the same node. A
// message with none of them speaks about its own pod only.
var startTroubles = []struct {
	words []string
	cause Cause
}{
	{[]string{"no available ip", "no free ip", "no ip address", "ip addresses available", "ip address exhaust", "out of private ip", "insufficient ip", "subnet is full"}, CauseNoAddress},
	{[]string{"limitexceeded", "quotaexceeded", "quota exceeded", "service limit", "limit exceeded"}, CauseQuota},
	{[]string{"out of host capacity", "outofhostcapacity", "out of capacity"}, CauseNoCapacity},
}

// startTrouble is why a virtual node could not start the pod, where that concerns its next pods as well. Empty otherwise.
func startTrouble(p *corev1.Pod) Cause {
	if p.Status.Reason != reasonProviderFailed {
		return ""
	}
	message := strings.ToLower(p.Status.Message)
	for _, t := range startTroubles {
		for _, word := range t.words {
			if strings.Contains(message, word) {
				return t.cause
			}
		}
	}
	return ""
}
