// Package launch_test launches nodes of many kinds of node class with the real controller on a real control plane, changes the
// classes, and takes them away again.
package launch_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/test/environment"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

var pools = []string{"existing", "ubuntu", "new"}

// patience bounds a wait; the steps themselves take seconds.
const patience = 90 * time.Second

type suite struct {
	t *testing.T
	e *environment.Environment
}

func start(t *testing.T) *suite {
	t.Helper()
	none := 0
	e, err := environment.Start(t.Context(), environment.Options{
		Name: "test-launch", Controller: true, FixedNodes: &none, SystemNodes: &none, VirtualNodes: &none, Say: func(line string) { t.Log(line) },
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 30*time.Second)
		defer cancel()
		if t.Failed() {
			t.Log("end of the controller's log:\n" + e.ControllerLogTail(30))
		}
		require.NoError(t, e.Stop(ctx))
		if !t.Failed() {
			require.NoError(t, os.RemoveAll(e.Dir()))
		}
	})
	return &suite{t: t, e: e}
}

// eventually waits until ask finds nothing missing any more.
func (s *suite) eventually(what string, ask func() (missing string)) {
	s.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		missing := ask()
		if missing == "" {
			return
		}
		if time.Now().After(deadline) {
			require.FailNow(s.t, "waited for "+what, missing)
		}
		time.Sleep(300 * time.Millisecond)
	}
}

// claim is the NodeClaim of a NodePool, the newest if there are several.
func (s *suite) claim(pool string) *karpv1.NodeClaim {
	s.t.Helper()
	claims := &karpv1.NodeClaimList{}
	require.NoError(s.t, s.e.Client().List(s.t.Context(), claims, client.MatchingLabels{karpv1.NodePoolLabelKey: pool}))
	if len(claims.Items) == 0 {
		return nil
	}
	newest := slices.MaxFunc(claims.Items, func(a, b karpv1.NodeClaim) int { return a.CreationTimestamp.Compare(b.CreationTimestamp.Time) })
	return &newest
}

func (s *suite) instance(id string) ocisim.Instance {
	s.t.Helper()
	for _, i := range s.e.Simulator().Instances() {
		if i.ID == id {
			return i
		}
	}
	require.FailNow(s.t, "no such instance", id)
	return ocisim.Instance{}
}

func (s *suite) node(name string) *corev1.Node {
	s.t.Helper()
	n := &corev1.Node{}
	require.NoError(s.t, s.e.Client().Get(s.t.Context(), client.ObjectKey{Name: name}, n))
	return n
}

func (s *suite) edit(name string, change func(*v1alpha1.OciNodeClass)) {
	s.t.Helper()
	class := &v1alpha1.OciNodeClass{}
	require.NoError(s.t, s.e.Client().Get(s.t.Context(), client.ObjectKey{Name: name}, class))
	before := class.DeepCopy()
	change(class)
	require.NoError(s.t, s.e.Client().Patch(s.t.Context(), class, client.MergeFrom(before)))
}

func TestNodeClassesOfEveryKindLaunchChangeAndGo(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a cluster for a minute")
	}
	s := start(t)
	require.NoError(t, s.e.Apply(t.Context(), manifests(t, s.e.Simulator().World())...))
	for _, pool := range pools {
		s.eventually("OciNodeClass "+pool+" to be ready", func() string {
			class := &v1alpha1.OciNodeClass{}
			require.NoError(t, s.e.Client().Get(t.Context(), client.ObjectKey{Name: pool}, class))
			if ready := class.StatusConditions().Root(); !ready.IsTrue() {
				return fmt.Sprintf("%s: %s; %v", ready.Reason, ready.Message, class.Status.Conditions)
			}
			return ""
		})
		require.NoError(t, s.e.Apply(t.Context(), render(t, workload, pod{pool, pool, "1"})))
	}
	for _, pool := range pools {
		s.eventually("a node of NodePool "+pool, func() string { return s.whatKeeps(pool) })
		s.checkModel(pool)
	}
	s.checkExisting()
	s.checkNew()
	s.checkTagsInPlace()
	s.checkLateFailure()
	s.checkDrift()
	s.checkDeletion()
}

// whatKeeps says what a NodePool's pod still waits for.
func (s *suite) whatKeeps(pool string) string {
	claim := s.claim(pool)
	if claim == nil {
		return "no NodeClaim"
	}
	if !claim.StatusConditions().Get(karpv1.ConditionTypeInitialized).IsTrue() {
		booted, _ := s.e.Machines().Status(claim.Status.ProviderID)
		return fmt.Sprintf("%v\nthe machine: %s %s\n%s", claim.Status.Conditions, booted.Phase, booted.Reason, booted.Console)
	}
	return s.whatKeepsPod(pool)
}

func (s *suite) whatKeepsPod(name string) string {
	p := &corev1.Pod{}
	require.NoError(s.t, s.e.Client().Get(s.t.Context(), client.ObjectKey{Namespace: "default", Name: name}, p))
	if p.Status.Phase != corev1.PodRunning {
		return fmt.Sprintf("the pod is %s: %v", p.Status.Phase, p.Status.Conditions)
	}
	return ""
}

// eventuallyEvent waits for an event of a reason, which is written behind the back of what it tells about; name narrows it to an
// object.
func (s *suite) eventuallyEvent(reason, name string) {
	s.t.Helper()
	s.eventually("event "+reason, func() string {
		events := &corev1.EventList{}
		require.NoError(s.t, s.e.Client().List(s.t.Context(), events))
		if slices.ContainsFunc(events.Items, func(e corev1.Event) bool {
			return e.Reason == reason && (name == "" || e.InvolvedObject.Name == name)
		}) {
			return ""
		}
		return fmt.Sprintf("none among %d events", len(events.Items))
	})
}

// checkLateFailure: OCI accepts a launch and fails it afterwards; the pod gets another node within the test's patience, not after
// core's deadline of 15 minutes.
func (s *suite) checkLateFailure() {
	s.t.Helper()
	_, err := s.e.Simulator().Faults().Add(ocisim.Fault{Kind: ocisim.OutOfHostCapacityLater, Times: 1})
	require.NoError(s.t, err)
	require.NoError(s.t, s.e.Apply(s.t.Context(), render(s.t, workload, pod{"unlucky", "new", "6"})))
	s.eventually("the pod to run on its second node", func() string { return s.whatKeepsPod("unlucky") })
	s.eventuallyEvent("LaunchFailedLate", "") // what happened to the first
	require.NoError(s.t, s.e.Delete(s.t.Context(), render(s.t, workload, pod{"unlucky", "new", "6"})))
}

// checkModel: what the controller promised is never more than what the kubelet gives.
func (s *suite) checkModel(pool string) {
	s.t.Helper()
	claim := s.claim(pool)
	node := s.node(claim.Status.NodeName)
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourcePods, corev1.ResourceEphemeralStorage} {
		promised, given := claim.Status.Allocatable[name], node.Status.Allocatable[name]
		require.False(s.t, promised.IsZero(), "%s %s", pool, name)
		require.LessOrEqual(s.t, promised.Cmp(given), 0, "%s: %s promised %s, the node has %s", pool, name, promised.String(), given.String())
	}
	require.Equal(s.t, claim.Labels[corev1.LabelInstanceTypeStable], node.Labels[corev1.LabelInstanceTypeStable], "OKE's cloud controller does not win")
}

func (s *suite) checkExisting() {
	s.t.Helper()
	claim := s.claim("existing")
	instance, node := s.instance(claim.Status.ProviderID), s.node(claim.Status.NodeName)
	require.True(s.t, instance.Preemptible, "preemptible is another name of spot")
	require.Equal(s.t, karpv1.CapacityTypeSpot, node.Labels[karpv1.CapacityTypeLabelKey])
	require.Equal(s.t, "before", instance.FreeformTags["team"])
	require.Equal(s.t, "31", instance.Metadata["oke-max-pods"])
	require.Equal(s.t, s.e.Simulator().World().PodSubnetIDs[0], instance.Metadata["pod-subnets"], "what the user writes wins")
	require.Empty(s.t, instance.NSGIDs)
	require.EqualValues(s.t, 31, node.Status.Capacity.Pods().Value())
}

func (s *suite) checkNew() {
	s.t.Helper()
	w := s.e.Simulator().World()
	claim := s.claim("new")
	instance, node := s.instance(claim.Status.ProviderID), s.node(claim.Status.NodeName)
	require.Contains(s.t, []string{"FAULT-DOMAIN-1", "FAULT-DOMAIN-3"}, instance.FD)
	require.Equal(s.t, w.NSGIDs[:1], instance.NSGIDs)
	require.Equal(s.t, w.PodSubnetIDs[0], instance.Metadata["pod-subnets"])
	require.Equal(s.t, w.NSGIDs[1], instance.Metadata["pod-nsgids"])
	require.EqualValues(s.t, 30, instance.BootVolumeVPUs)
	require.Equal(s.t, "data", node.Labels["tier"])
	require.Contains(s.t, node.Spec.Taints, corev1.Taint{Key: "dedicated", Value: "data", Effect: corev1.TaintEffectNoSchedule})
}

// checkTagsInPlace: a change of tags reaches the live instance, and nothing is replaced for it.
func (s *suite) checkTagsInPlace() {
	s.t.Helper()
	before := s.claim("new")
	s.edit("new", func(c *v1alpha1.OciNodeClass) { c.Spec.FreeFormTags = v1alpha1.FreeFormTags{"team": "web"} })
	s.eventually("the instance's tag to change", func() string {
		tags := s.instance(before.Status.ProviderID).FreeformTags
		if tags["team"] != "web" || tags[v1alpha1.TagNodeClaim] == "" {
			return fmt.Sprint(tags)
		}
		return ""
	})
	require.Equal(s.t, before.Name, s.claim("new").Name)
}

// checkDrift: a change that only a new node can take up replaces the node, and says why.
func (s *suite) checkDrift() {
	s.t.Helper()
	before := s.claim("ubuntu")
	s.edit("ubuntu", func(c *v1alpha1.OciNodeClass) {
		size := int64(150)
		c.Spec.BootConfig = &v1alpha1.BootConfig{BootVolumeSizeInGBs: &size}
	})
	s.eventually("the node to drift", func() string {
		claim := &karpv1.NodeClaim{}
		err := s.e.Client().Get(s.t.Context(), client.ObjectKey{Name: before.Name}, claim)
		if client.IgnoreNotFound(err) == nil && err != nil {
			return "" // replaced already
		}
		require.NoError(s.t, err)
		drifted := claim.StatusConditions().Get(karpv1.ConditionTypeDrifted)
		if !drifted.IsTrue() || drifted.Reason != "BootVolumeDrifted" {
			return fmt.Sprint(claim.Status.Conditions)
		}
		return ""
	})
	s.eventuallyEvent("BootVolumeDrifted", before.Name)
}

// checkDeletion: a class in use waits for its nodes and then goes; nothing is left of what was launched.
func (s *suite) checkDeletion() {
	s.t.Helper()
	ctx := s.t.Context()
	class := &v1alpha1.OciNodeClass{}
	require.NoError(s.t, s.e.Client().Get(ctx, client.ObjectKey{Name: "new"}, class))
	require.NoError(s.t, s.e.Client().Delete(ctx, class))
	require.NoError(s.t, s.e.Client().Get(ctx, client.ObjectKey{Name: "new"}, class), "it waits for its NodeClaim")
	for _, pool := range pools {
		require.NoError(s.t, s.e.Delete(ctx, render(s.t, workload, pod{pool, pool, "1"})))
		nodePool := &karpv1.NodePool{}
		nodePool.Name = pool
		require.NoError(s.t, s.e.Client().Delete(ctx, nodePool))
	}
	s.eventually("every instance of ours to end and the class to go", func() string {
		for _, i := range s.e.Simulator().Instances() {
			if i.FreeformTags[v1alpha1.TagClusterID] != "" && i.State != "TERMINATED" {
				return i.DisplayName + " is " + i.State
			}
		}
		if err := s.e.Client().Get(ctx, client.ObjectKey{Name: "new"}, class); client.IgnoreNotFound(err) != nil || err == nil {
			return fmt.Sprintf("the class is still there: %v", err)
		}
		return ""
	})
	left, err := s.e.Leftovers(ctx)
	require.NoError(s.t, err)
	require.Empty(s.t, left.Instances, "%+v", left)
	require.Empty(s.t, left.BootVolumes, "%+v", left)
}
