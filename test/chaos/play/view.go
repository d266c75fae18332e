package play

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
)

// view is what there is at one moment, in the cluster and in the cloud.
type view struct {
	claims  []karpv1.NodeClaim
	nodes   []corev1.Node // Karpenter's
	pods    []corev1.Pod
	running map[string]bool   // OCIDs of this cluster's instances that are not ending
	ending  []string          // OCIDs of those that are
	strays  []string          // volumes and network cards without a live instance
	kinds   map[string]int    // NodePools and OciNodeClasses that exist
	states  map[string]string // of all instances
}

func (r *runner) look(ctx context.Context) (*view, error) {
	v := &view{running: map[string]bool{}, kinds: map[string]int{}, states: map[string]string{}}
	claims, nodes, pods := &karpv1.NodeClaimList{}, &corev1.NodeList{}, &corev1.PodList{}
	nodePools, classes := &karpv1.NodePoolList{}, &v1alpha1.OciNodeClassList{}
	kube := r.e.Client()
	if err := errors.Join(kube.List(ctx, claims), kube.List(ctx, nodes, client.HasLabels{karpv1.NodePoolLabelKey}), kube.List(ctx, pods, client.InNamespace(namespace)),
		kube.List(ctx, nodePools), kube.List(ctx, classes)); err != nil {
		return nil, err
	}
	v.claims, v.nodes, v.pods = claims.Items, nodes.Items, pods.Items
	v.kinds["NodePools"], v.kinds["OciNodeClasses"] = len(nodePools.Items), len(classes.Items)
	live := map[string]bool{}
	for _, i := range r.e.Simulator().Instances() {
		v.states[i.ID] = i.State
		switch _, isForeign := r.witness.foreign[i.ID]; {
		case isForeign:
			live[i.ID] = true
		case i.FreeformTags[v1alpha1.TagClusterID] != r.witness.clusterID:
		case i.State == "TERMINATED":
		case slices.Contains(ending, i.State):
			v.ending = append(v.ending, i.ID)
			live[i.ID] = true
		default:
			v.running[i.ID], live[i.ID] = true, true
		}
	}
	for _, volume := range r.e.Simulator().Volumes() {
		if !live[volume.InstanceID] {
			v.strays = append(v.strays, "volume "+volume.ID)
		}
	}
	for _, card := range r.e.Simulator().VNICs() {
		if !live[card.InstanceID] {
			v.strays = append(v.strays, "network card "+card.ID)
		}
	}
	return v, nil
}

// differences says where NodeClaims, nodes and instances are not the same; empty when they are.
func (v *view) differences() string {
	var out []string
	byClaim, byNode := map[string]bool{}, map[string]bool{}
	for i := range v.claims {
		claim := &v.claims[i]
		byClaim[claim.Status.ProviderID] = true
		if !claim.DeletionTimestamp.IsZero() {
			out = append(out, "NodeClaim "+claim.Name+" is being deleted")
		} else if !claim.StatusConditions().Get(karpv1.ConditionTypeInitialized).IsTrue() {
			out = append(out, "NodeClaim "+claim.Name+" is not initialized: "+conditions(claim))
		}
	}
	for i := range v.nodes {
		byNode[v.nodes[i].Spec.ProviderID] = true
	}
	if !maps.Equal(byClaim, v.running) || len(byClaim) != len(v.claims) {
		out = append(out, fmt.Sprintf("%d NodeClaims and %d instances are not the same: without an instance %v, without a NodeClaim %v",
			len(v.claims), len(v.running), missing(byClaim, v.running), missing(v.running, byClaim)))
	}
	if !maps.Equal(byNode, v.running) || len(byNode) != len(v.nodes) {
		out = append(out, fmt.Sprintf("%d nodes and %d instances are not the same: without an instance %v, without a node %v",
			len(v.nodes), len(v.running), missing(byNode, v.running), missing(v.running, byNode)))
	}
	if len(v.ending) > 0 {
		out = append(out, fmt.Sprintf("%d instances are ending", len(v.ending)))
	}
	return strings.Join(out, "; ")
}

func conditions(claim *karpv1.NodeClaim) string {
	var out []string
	for _, c := range claim.Status.Conditions {
		if c.Status != "True" {
			out = append(out, fmt.Sprintf("%s=%s (%s)", c.Type, c.Status, c.Message))
		}
	}
	return strings.Join(out, ", ")
}

func missing(of, in map[string]bool) (out []string) {
	for id := range of {
		if !in[id] {
			out = append(out, id[max(0, len(id)-12):])
		}
	}
	slices.Sort(out)
	return out
}

// workload says which pods do not run; empty when all do.
func (v *view) workload(want []int) string {
	running, total := map[string]int{}, 0
	var waiting []string
	for i := range v.pods {
		pod := &v.pods[i]
		total++
		if pod.Status.Phase == corev1.PodRunning && pod.DeletionTimestamp.IsZero() {
			running[pod.Labels["app"]]++
			continue
		}
		waiting = append(waiting, pod.Name)
	}
	sum := 0
	for i, pool := range pools {
		sum += want[i]
		if running[pool] != want[i] {
			return fmt.Sprintf("%d of %d pods of %s run; not %v", running[pool], want[i], pool, waiting)
		}
	}
	if total != sum {
		return fmt.Sprintf("%d pods are there instead of %d", total, sum)
	}
	return ""
}

// leftovers says what is still there when everything has been deleted; empty when nothing is.
func (v *view) leftovers() string {
	var out []string
	for i := range v.claims {
		out = append(out, fmt.Sprintf("NodeClaim %s with finalizers %v", v.claims[i].Name, v.claims[i].Finalizers))
	}
	for i := range v.nodes {
		out = append(out, fmt.Sprintf("node %s with finalizers %v", v.nodes[i].Name, v.nodes[i].Finalizers))
	}
	for id := range v.running {
		out = append(out, "instance "+id+" "+v.states[id])
	}
	for _, id := range v.ending {
		out = append(out, "instance "+id+" "+v.states[id])
	}
	for kind, n := range v.kinds {
		if n > 0 {
			out = append(out, fmt.Sprintf("%d %s", n, kind))
		}
	}
	slices.Sort(out)
	return strings.Join(append(out, v.strays...), "; ")
}
