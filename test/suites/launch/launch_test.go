// Package launch_test launches nodes of many kinds of node class with the real controller on a real control plane, changes the
// classes, and takes them away again.
package launch_test

import (
	"fmt"
	"testing"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/test/environment"
	"github.com/karpenter-oke/karpenter-oke/test/live"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

var pools = []string{"existing", "ubuntu", "new"}

type suite struct{ *live.Spec }

func start(t *testing.T) *suite {
	t.Helper()
	return &suite{live.Start(t, environment.Options{Name: "test-launch", FixedNodes: live.None(), SystemNodes: live.None(), VirtualNodes: live.None()})}
}

// claim is the NodeClaim of a NodePool, the newest if there are several.
func (s *suite) claim(pool string) *karpv1.NodeClaim {
	s.Helper()
	return lo.LastOr(lo.ToSlicePtr(s.Claims(pool)), nil)
}

func (s *suite) edit(name string, change func(*v1alpha1.OciNodeClass)) {
	s.Helper()
	class := &v1alpha1.OciNodeClass{}
	s.Get(class, "", name)
	before := class.DeepCopy()
	change(class)
	require.NoError(s.T, s.Client().Patch(s.Context(), class, client.MergeFrom(before)))
}

func TestNodeClassesOfEveryKindLaunchChangeAndGo(t *testing.T) {
	s := start(t)
	for _, manifest := range []string{existingStyle, ubuntu, newStyle} {
		s.Create(manifest, s.Simulator().World())
	}
	for _, pool := range pools {
		s.Eventually("OciNodeClass "+pool+" to be ready", func() string {
			class := &v1alpha1.OciNodeClass{}
			require.NoError(t, s.Client().Get(t.Context(), client.ObjectKey{Name: pool}, class))
			if ready := class.StatusConditions().Root(); !ready.IsTrue() {
				return fmt.Sprintf("%s: %s; %v", ready.Reason, ready.Message, class.Status.Conditions)
			}
			return ""
		})
		s.Create(workload, pod{pool, pool, "1"})
	}
	for _, pool := range pools {
		s.Eventually("a node of NodePool "+pool, func() string { return s.whatKeeps(pool) })
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
		booted, _ := s.Machines().Status(claim.Status.ProviderID)
		return fmt.Sprintf("%v\nthe machine: %s %s\n%s", claim.Status.Conditions, booted.Phase, booted.Reason, booted.Console)
	}
	return s.whatKeepsPod(pool)
}

func (s *suite) whatKeepsPod(name string) string {
	p := &corev1.Pod{}
	require.NoError(s.T, s.Client().Get(s.Context(), client.ObjectKey{Namespace: "default", Name: name}, p))
	if p.Status.Phase != corev1.PodRunning {
		return fmt.Sprintf("the pod is %s: %v", p.Status.Phase, p.Status.Conditions)
	}
	return ""
}

// checkLateFailure: OCI accepts a launch and fails it afterwards; the pod gets another node within the test's patience, not after
// core's deadline of 15 minutes.
func (s *suite) checkLateFailure() {
	s.Helper()
	_, err := s.Simulator().Faults().Add(ocisim.Fault{Kind: ocisim.OutOfHostCapacityLater, Times: 1})
	require.NoError(s.T, err)
	s.Create(workload, pod{"unlucky", "new", "6"})
	s.Eventually("the pod to run on its second node", func() string { return s.whatKeepsPod("unlucky") })
	s.EventuallyEvent("LaunchFailedLate", "NodeClaim", "") // what happened to the first
	s.Remove(workload, pod{"unlucky", "new", "6"})
}

// checkModel: what the controller promised is never more than what the kubelet gives.
func (s *suite) checkModel(pool string) {
	s.Helper()
	claim := s.claim(pool)
	node := s.Node(claim.Status.NodeName)
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourcePods, corev1.ResourceEphemeralStorage} {
		promised, given := claim.Status.Allocatable[name], node.Status.Allocatable[name]
		require.False(s.T, promised.IsZero(), "%s %s", pool, name)
		require.LessOrEqual(s.T, promised.Cmp(given), 0, "%s: %s promised %s, the node has %s", pool, name, promised.String(), given.String())
	}
	require.Equal(s.T, claim.Labels[corev1.LabelInstanceTypeStable], node.Labels[corev1.LabelInstanceTypeStable], "OKE's cloud controller does not win")
}

func (s *suite) checkExisting() {
	s.Helper()
	claim := s.claim("existing")
	instance, node := s.Instance(claim.Status.ProviderID), s.Node(claim.Status.NodeName)
	require.True(s.T, instance.Preemptible, "preemptible is another name of spot")
	require.Equal(s.T, karpv1.CapacityTypeSpot, node.Labels[karpv1.CapacityTypeLabelKey])
	require.Equal(s.T, "before", instance.FreeformTags["team"])
	require.Equal(s.T, "31", instance.Metadata["oke-max-pods"])
	require.Equal(s.T, s.Simulator().World().PodSubnetIDs[0], instance.Metadata["pod-subnets"], "what the user writes wins")
	require.Empty(s.T, instance.NSGIDs)
	require.EqualValues(s.T, 31, node.Status.Capacity.Pods().Value())
}

func (s *suite) checkNew() {
	s.Helper()
	w := s.Simulator().World()
	claim := s.claim("new")
	instance, node := s.Instance(claim.Status.ProviderID), s.Node(claim.Status.NodeName)
	require.Contains(s.T, []string{"FAULT-DOMAIN-1", "FAULT-DOMAIN-3"}, instance.FD)
	require.Equal(s.T, w.NSGIDs[:1], instance.NSGIDs)
	require.Equal(s.T, w.PodSubnetIDs[0], instance.Metadata["pod-subnets"])
	require.Equal(s.T, w.NSGIDs[1], instance.Metadata["pod-nsgids"])
	require.EqualValues(s.T, 30, instance.BootVolumeVPUs)
	require.Equal(s.T, "data", node.Labels["tier"])
	require.Contains(s.T, node.Spec.Taints, corev1.Taint{Key: "dedicated", Value: "data", Effect: corev1.TaintEffectNoSchedule})
}

// checkTagsInPlace: a change of tags reaches the live instance, and nothing is replaced for it.
func (s *suite) checkTagsInPlace() {
	s.Helper()
	before := s.claim("new")
	s.edit("new", func(c *v1alpha1.OciNodeClass) { c.Spec.FreeFormTags = v1alpha1.FreeFormTags{"team": "web"} })
	s.Eventually("the instance's tag to change", func() string {
		tags := s.Instance(before.Status.ProviderID).FreeformTags
		if tags["team"] != "web" || tags[v1alpha1.TagNodeClaim] == "" {
			return fmt.Sprint(tags)
		}
		return ""
	})
	require.Equal(s.T, before.Name, s.claim("new").Name)
}

// checkDrift: a change that only a new node can take up replaces the node, and says why.
func (s *suite) checkDrift() {
	s.Helper()
	before := s.claim("ubuntu")
	s.edit("ubuntu", func(c *v1alpha1.OciNodeClass) {
		size := int64(150)
		c.Spec.BootConfig = &v1alpha1.BootConfig{BootVolumeSizeInGBs: &size}
	})
	s.Eventually("the node to drift", func() string {
		claim := &karpv1.NodeClaim{}
		err := s.Client().Get(s.Context(), client.ObjectKey{Name: before.Name}, claim)
		if client.IgnoreNotFound(err) == nil && err != nil {
			return "" // replaced already
		}
		require.NoError(s.T, err)
		drifted := claim.StatusConditions().Get(karpv1.ConditionTypeDrifted)
		if !drifted.IsTrue() || drifted.Reason != "BootVolumeDrifted" {
			return fmt.Sprint(claim.Status.Conditions)
		}
		return ""
	})
	s.EventuallyEvent("BootVolumeDrifted", "NodeClaim", before.Name)
}

// checkDeletion: a class in use waits for its nodes and then goes; nothing is left of what was launched.
func (s *suite) checkDeletion() {
	s.Helper()
	ctx := s.Context()
	class := &v1alpha1.OciNodeClass{}
	require.NoError(s.T, s.Client().Get(ctx, client.ObjectKey{Name: "new"}, class))
	require.NoError(s.T, s.Client().Delete(ctx, class))
	require.NoError(s.T, s.Client().Get(ctx, client.ObjectKey{Name: "new"}, class), "it waits for its NodeClaim")
	for _, pool := range pools {
		s.Remove(workload, pod{pool, pool, "1"})
		nodePool := &karpv1.NodePool{}
		nodePool.Name = pool
		require.NoError(s.T, s.Client().Delete(ctx, nodePool))
	}
	s.Eventually("every instance of ours to end and the class to go", func() string {
		for _, i := range s.Simulator().Instances() {
			if i.FreeformTags[v1alpha1.TagClusterID] != "" && i.State != "TERMINATED" {
				return i.DisplayName + " is " + i.State
			}
		}
		if err := s.Client().Get(ctx, client.ObjectKey{Name: "new"}, class); client.IgnoreNotFound(err) != nil || err == nil {
			return fmt.Sprintf("the class is still there: %v", err)
		}
		return ""
	})
	left, err := s.Leftovers(ctx)
	require.NoError(s.T, err)
	require.Empty(s.T, left.Instances, "%+v", left)
	require.Empty(s.T, left.BootVolumes, "%+v", left)
}
