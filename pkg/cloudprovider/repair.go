package cloudprovider

import (
	"context"
	"slices"
	"time"

	"github.com/samber/lo"
	corev1 "k8s.io/api/core/v1"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"

	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instance"
)

// anyReason matches a condition whatever its reason: core allows one policy without a regular expression, which is the default for
// conditions of the table whose reason no other policy names.
const anyReason = ".*"

// Priorities of repairs, of which core does the highest first: a node that runs nothing at all, then one that may corrupt data, then one
// without devices that pods asked for, then one that limps.
const (
	priorityDead    = 90
	priorityData    = 70
	priorityDevices = 50
	priorityLimping = 30
)

// Times for which a condition must stand.
const (
	tolerateSerious = 2 * time.Minute  // the kernel or its file systems; nothing mends them but a reboot
	tolerateNode    = 10 * time.Minute // the kubelet, its runtime and devices come back by themselves when they are restarted
	tolerateLimping = 30 * time.Minute // the node works, with pauses
)

// Bounds of a drain before a repair; nil keeps the NodePool's terminationGracePeriod.
var (
	// noDrain is for nodes where nobody is there to end a pod.
	noDrain = lo.ToPtr(time.Duration(0))
	// shortDrain is for nodes where some pods may still end well.
	shortDrain = lo.ToPtr(2 * time.Minute)
)

// nodePolicies are for the condition that the kubelet and the node controller keep. The first is core's default.
var nodePolicies = []cloudprovider.RepairPolicy{
	{
		ConditionType: corev1.NodeReady, ConditionStatus: corev1.ConditionFalse,
		TolerationDuration: tolerateNode, TerminationGracePeriod: shortDrain, Priority: priorityDead, Action: cloudprovider.ReplaceNode,
	},
	{
		ConditionType: corev1.NodeReady, ConditionStatus: corev1.ConditionUnknown, ReasonRegex: anyReason,
		TolerationDuration: tolerateNode, TerminationGracePeriod: noDrain, Priority: priorityDead, Action: cloudprovider.ReplaceNode,
	},
}

// problem is a kind of trouble that several conditions report with status True. Unknown is never repaired: it says that the check failed.
type problem struct {
	conditions []corev1.NodeConditionType
	action     cloudprovider.RepairAction
	after      time.Duration
	drain      *time.Duration
	priority   int
}

// problems are the conditions of node-problem-detector's own configuration, and those of the GPU and RDMA checks that Oracle publishes for
// OKE's nodes with it. Conditions about the configuration of a node (RdmaRttcc, OcaVersion, CpuProfile, IpAddress) are left out: the next
// node would have it as well. Pressure of memory, disk and PIDs is the kubelet's own to relieve.
var problems = []problem{
	{ // the kernel or a file system; pods can hardly be ended there
		conditions: []corev1.NodeConditionType{"KernelDeadlock"},
		action:     cloudprovider.RebootNode, after: tolerateSerious, drain: noDrain, priority: priorityDead,
	},
	{
		conditions: []corev1.NodeConditionType{"ReadonlyFilesystem", "XfsShutdown"},
		action:     cloudprovider.RebootNode, after: tolerateSerious, drain: shortDrain, priority: priorityData,
	},
	{ // what a reboot does not mend
		conditions: []corev1.NodeConditionType{"CperHardwareErrorFatal", "CorruptDockerOverlay2"},
		action:     cloudprovider.ReplaceNode, after: tolerateSerious, drain: shortDrain, priority: priorityData,
	},
	{
		conditions: []corev1.NodeConditionType{"KubeletUnhealthy", "ContainerRuntimeUnhealthy"},
		action:     cloudprovider.RebootNode, after: tolerateNode, drain: shortDrain, priority: priorityDead,
	},
	{
		conditions: []corev1.NodeConditionType{"FrequentKubeletRestart", "FrequentContainerdRestart", "FrequentDockerRestart", "FrequentUnregisterNetDevice"},
		action:     cloudprovider.RebootNode, after: tolerateLimping, priority: priorityLimping,
	},
	{ // devices that a reset of the machine usually brings back
		conditions: []corev1.NodeConditionType{
			"GpuCount", "GpuBus", "GpuXid", "GpuRowRemap", "GpuBadPages", "GpuFabricMgr", "GpuImex", "DcgmiHealth", "Rocminfo",
			"RdmaLink", "RdmaWpaAuth", "RdmaVfRoutes",
		},
		action: cloudprovider.RebootNode, after: tolerateNode, priority: priorityDevices,
	},
	{ // hardware that is worn or badly plugged
		conditions: []corev1.NodeConditionType{"GpuEcc", "GpuPcie", "NvlinkSpeed", "NodeHasPcieErrors", "RdmaLinkFlapping", "RdmaVfCounters"},
		action:     cloudprovider.ReplaceNode, after: tolerateNode, priority: priorityDevices,
	},
}

// repairPolicies is the whole table in core's form. Core keeps it for as long as it runs.
var repairPolicies = slices.Concat(nodePolicies, lo.FlatMap(problems, func(p problem, _ int) []cloudprovider.RepairPolicy {
	return lo.Map(p.conditions, func(condition corev1.NodeConditionType, _ int) cloudprovider.RepairPolicy {
		return cloudprovider.RepairPolicy{
			ConditionType: condition, ConditionStatus: corev1.ConditionTrue, ReasonRegex: anyReason,
			TolerationDuration: p.after, TerminationGracePeriod: p.drain, Priority: p.priority, Action: p.action,
		}
	})
}))

// RepairPolicies implements core's CloudProvider. docs/node-repair.md shows the table.
func (c *CloudProvider) RepairPolicies() []cloudprovider.RepairPolicy {
	return slices.Clone(repairPolicies)
}

// Reboot implements core's CloudProvider. A node that is to be drained is asked to shut down; when it was not worth draining, nobody is
// there to ask, and its power is cut at once. Package repair cuts it for nodes that do not follow.
func (c *CloudProvider) Reboot(ctx context.Context, nodeClaim *karpv1.NodeClaim, operationID string) error {
	return c.instances.Reboot(ctx, nodeClaim.Status.ProviderID, operationID, rebootKind(nodeClaim))
}

// rebootKind reads the drain's bound that core notes on the NodeClaim; 0 means that it did not drain.
func rebootKind(nodeClaim *karpv1.NodeClaim) instance.RebootKind {
	bound, err := time.ParseDuration(nodeClaim.Annotations[karpv1.RebootTerminationGracePeriodAnnotationKey])
	if err == nil && bound == 0 {
		return instance.RebootHard
	}
	return instance.RebootSoft
}
