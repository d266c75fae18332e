package virtualnode

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// Severity says what a virtual node makes of a feature.
type Severity string

const (
	// Hard marks a feature without which the pod does not work and that virtual nodes refuse: the pod needs a managed node.
	Hard Severity = "hard"
	// Advisory marks a feature that virtual nodes ignore or treat in their own way: the pod runs, its owner should know.
	Advisory Severity = "warning"
)

// Sources of the rules.
const (
	sourceComparison = "Oracle: Comparing Virtual Nodes with Managed Nodes"
	sourceResources  = "Oracle: Resources Provisioned by Virtual Nodes"
	sourceObserved   = "seen on real OKE virtual nodes"
	sourceKubernetes = "Kubernetes: how the feature works"
	sourceKarpenter  = "Karpenter: labels of its nodes"
)

// Rule is one row of the table of features that virtual nodes refuse or ignore.
type Rule struct {
	// Name identifies the rule in events, metrics and settings. Lower-case words joined by hyphens.
	Name string
	// Severity is Hard where the pod needs a managed node because of this.
	Severity Severity
	// Message completes the sentence "the pod ...".
	Message string
	// Source is where the rule comes from.
	Source string
	// Test tells whether the pod uses the feature. It must be pure, and should not allocate.
	Test func(*corev1.Pod) bool
}

// Rules returns the built-in table, in the order in which its rows are tried.
func Rules() []Rule { return slices.Clone(builtinRules) }

// RuleNames returns the names of the built-in rules, in order.
func RuleNames() []string {
	names := make([]string, len(builtinRules))
	for i := range builtinRules {
		names[i] = builtinRules[i].Name
	}
	return names
}

// activeRules returns the rules of one severity that the settings leave on: built-in rows first, then the added ones.
func (c *Config) activeRules(s Severity) []Rule {
	return slices.DeleteFunc(slices.Concat(builtinRules, c.ExtraRules), func(r Rule) bool {
		return r.Severity != s || slices.Contains(c.DisabledRules, r.Name)
	})
}

// firstMatch returns the first rule that the pod breaks, or nil.
func firstMatch(rules []Rule, p *corev1.Pod) *Rule {
	for i := range rules {
		if rules[i].Test(p) {
			return &rules[i]
		}
	}
	return nil
}

// builtinRules is the table. Rows that decide most pods come first. A row of a feature that OKE has learned can be turned off by
// name; the bias where sources disagree is towards Hard when a refused pod would not start, else towards Advisory.
var builtinRules = slices.Concat(placementRules, volumeRules, podRules, containerRules, advisoryRules)

var placementRules = []Rule{
	{"daemonset", Hard, "belongs to a DaemonSet, which never runs on virtual nodes", sourceComparison, isDaemonSetPod},
	{"static-pod", Hard, "is a static pod of one node's kubelet", sourceKubernetes, isStaticPod},
	{"karpenter-labels", Hard, "selects labels that only Karpenter's nodes carry", sourceKarpenter, selectsKarpenterLabels},
	{"extended-resources", Hard, "asks for a GPU or another extended resource", sourceComparison, wantsExtendedResources},
	{"hugepages", Hard, "asks for huge pages", sourceKubernetes, wantsHugePages},
	{"resource-claims", Hard, "claims devices through dynamic resource allocation", sourceKubernetes, hasResourceClaims},
	{"too-large", Hard, "is larger than the largest virtual-node pod (128 vCPUs, 1 TiB)", sourceResources, isTooLarge},
	{"ephemeral-storage", Hard, "asks for more ephemeral storage than the 15 GB that a virtual-node pod has", sourceResources, wantsTooMuchStorage},
	{"windows", Hard, "needs Windows", sourceComparison, isWindows},
	{"runtime-class", Hard, "names a RuntimeClass or carries its overhead", sourceComparison, hasRuntimeClass},
}

var volumeRules = []Rule{
	{"persistent-volume-claim", Hard, "mounts a PersistentVolumeClaim", sourceComparison, hasPVC},
	{"ephemeral-volume", Hard, "mounts a generic ephemeral volume", sourceComparison, hasEphemeralVolume},
	{"host-path", Hard, "mounts a hostPath volume", sourceComparison, hasHostPath},
	{"network-volume", Hard, "mounts an nfs, iscsi or cephfs volume", sourceComparison, hasNetworkVolume},
	{"other-volume", Hard, "mounts a volume of a kind that virtual nodes do not have", sourceComparison, hasOtherVolume},
	{"several-empty-dirs", Hard, "has more than one emptyDir volume", sourceComparison, hasSeveralEmptyDirs},
	{"empty-dir-size-limit", Hard, "limits the size of an emptyDir", sourceComparison, hasEmptyDirSizeLimit},
	{"empty-dir-medium", Hard, "uses an emptyDir medium other than memory", sourceComparison, hasEmptyDirMedium},
	{"file-modes", Hard, "sets volume file modes other than 0644", sourceComparison, hasFileModes},
	{"downward-api-resources", Hard, "reads container resources through the downward API", sourceComparison, readsResourceFields},
	{"sub-path", Hard, "mounts a subPath", sourceObserved, hasSubPath},
	{"mount-propagation", Hard, "propagates mounts", sourceComparison, hasMountPropagation},
	{"volume-devices", Hard, "uses raw block volumes", sourceComparison, hasVolumeDevices},
}

var podRules = []Rule{
	{"init-containers", Hard, "has init or sidecar containers", sourceComparison, hasInitContainers},
	{"ephemeral-containers", Hard, "has ephemeral containers", sourceComparison, hasEphemeralContainers},
	{"host-network", Hard, "uses the host's network", sourceComparison, usesHostNetwork},
	{"host-namespaces", Hard, "uses the host's processes or IPC", sourceComparison, usesHostNamespaces},
	{"host-port", Hard, "opens a host port", sourceComparison, hasHostPort},
	{"hostname", Hard, "sets its host name, as pods of StatefulSets do", sourceComparison, setsHostname},
	{"shared-processes", Hard, "shares processes between its containers", sourceComparison, sharesProcesses},
	{"fs-group", Hard, "sets fsGroup", sourceComparison, setsFSGroup},
	{"supplemental-groups", Hard, "sets supplemental groups", sourceComparison, setsSupplementalGroups},
	{"sysctls", Hard, "sets sysctls", sourceComparison, setsSysctls},
	{"selinux", Hard, "sets SELinux options", sourceComparison, setsSELinux},
	{"seccomp", Hard, "sets a seccomp profile", sourceComparison, setsSeccomp},
}

var containerRules = []Rule{
	{"privileged", Hard, "runs a privileged container", sourceComparison, isPrivileged},
	{"privilege-escalation", Hard, "allows privilege escalation", sourceComparison, allowsEscalation},
	{"proc-mount", Hard, "changes the /proc mount", sourceComparison, changesProcMount},
	{"grpc-probe", Hard, "has a gRPC probe", sourceComparison, hasGRPCProbe},
	{"node-port-range", Hard, "listens in the NodePort range 30000-32767", sourceComparison, listensInNodePortRange},
}

var advisoryRules = []Rule{
	{"requests-not-limits", Advisory, "has requests that differ from its limits; virtual nodes size it by the limits", sourceResources, requestsDifferFromLimits},
	{"pod-level-resources", Advisory, "sets resources for the pod as a whole, which virtual nodes may not read", sourceKubernetes, hasPodLevelResources},
	{"termination-message", Advisory, "sets a termination message path or policy, which virtual nodes ignore", sourceComparison, setsTerminationMessage},
	{"termination-grace", Advisory, "sets a termination grace period, which virtual nodes ignore", sourceObserved, setsTerminationGrace},
	{"probe-grace", Advisory, "sets a probe's own termination grace period, which virtual nodes ignore", sourceComparison, setsProbeGrace},
	{"interactive", Advisory, "keeps stdin or a terminal open, which virtual nodes cannot attach", sourceComparison, isInteractive},
	{"pod-os", Advisory, "names its operating system, which virtual nodes ignore", sourceComparison, namesLinux},
	{"privileged-false", Advisory, "says privileged: false, which some virtual nodes refuse; leave the field out", sourceObserved, saysNotPrivileged},
	{"added-capabilities", Advisory, "adds capabilities; only dropping them is known to work on virtual nodes", sourceObserved, addsCapabilities},
}
