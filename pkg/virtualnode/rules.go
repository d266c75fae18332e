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
	sourceRelease    = "Oracle: OKE release notes"
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

	// claims stands in for Test where the answer depends on what is behind the pod's claims, which only a cluster knows.
	claims func(*corev1.Pod, *Snapshot) bool
	// needs are the traits of which a pod must have one for Test to hold; 0 where Test must always be asked.
	needs traits
}

// matches asks the rule about a pod, with what the cluster knows of its claims.
func (r *Rule) matches(s *Snapshot, p *corev1.Pod) bool {
	if r.claims != nil {
		return r.claims(p, s)
	}
	return r.Test(p)
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

// firstMatch returns the first rule that a pod with these traits breaks, or nil.
func firstMatch(rules []Rule, s *Snapshot, p *corev1.Pod, has traits) *Rule {
	for i := range rules {
		if r := &rules[i]; (r.needs == 0 || r.needs&has != 0) && r.matches(s, p) {
			return r
		}
	}
	return nil
}

// builtinRules is the table. Rows that decide most pods come first. A row of a feature that OKE has learned can be turned off by
// name; the bias where sources disagree is towards Hard when a refused pod would not start, else towards Advisory.
var builtinRules = slices.Concat(placementRules,
	needing(hasOddResources, resourceRules), needing(hasMedia, mediaRules), needing(hasEmptyDirs, emptyDirRules), fileRules,
	needing(hasOddMounts, mountRules), podRules, needing(hasSecurity, securityRules), networkRules, advisoryRules)

// needing notes on rules the traits without which they cannot hold.
func needing(t traits, rules []Rule) []Rule {
	rules = slices.Clone(rules)
	for i := range rules {
		rules[i].needs = t
	}
	return rules
}

var placementRules = []Rule{
	{Name: "daemonset", Severity: Hard, Message: "belongs to a DaemonSet, which never runs on virtual nodes", Source: sourceComparison, Test: isDaemonSetPod},
	{Name: "static-pod", Severity: Hard, Message: "is a static pod of one node's kubelet", Source: sourceKubernetes, Test: isStaticPod},
	{Name: "karpenter-labels", Severity: Hard, Message: "selects labels that only Karpenter's nodes carry", Source: sourceKarpenter, Test: selectsKarpenterLabels},
	{Name: "resource-claims", Severity: Hard, Message: "claims devices through dynamic resource allocation", Source: sourceKubernetes, Test: hasResourceClaims, needs: hasOddResources},
	{Name: "too-large", Severity: Hard, Message: "is larger than the largest virtual-node pod (128 vCPUs, 1 TiB)", Source: sourceResources, Test: isTooLarge, needs: isLarge},
	{Name: "windows", Severity: Hard, Message: "needs Windows", Source: sourceComparison, Test: isWindows},
	{Name: "runtime-class", Severity: Hard, Message: "names a RuntimeClass or carries its overhead", Source: sourceComparison, Test: hasRuntimeClass},
}

var resourceRules = []Rule{
	{Name: "extended-resources", Severity: Hard, Message: "asks for a GPU or another extended resource", Source: sourceComparison, Test: wantsExtendedResources},
	{Name: "hugepages", Severity: Hard, Message: "asks for huge pages", Source: sourceKubernetes, Test: wantsHugePages},
	{Name: "ephemeral-storage", Severity: Hard, Message: "asks for more ephemeral storage than the 15 GB that a virtual-node pod has", Source: sourceResources, Test: wantsTooMuchStorage},
}

var mediaRules = []Rule{
	{Name: "file-storage-claim", Severity: Hard, Message: "mounts a File Storage claim, which OKE accepts on virtual nodes since 2026-08; turn this rule off where yours do", Source: sourceRelease,
		Test: func(*corev1.Pod) bool { return false }, claims: mountsFileStorage},
	{Name: "persistent-volume-claim", Severity: Hard, Message: "mounts a PersistentVolumeClaim", Source: sourceComparison, Test: hasPVC, claims: mountsOtherClaim},
	{Name: "ephemeral-volume", Severity: Hard, Message: "mounts a generic ephemeral volume", Source: sourceComparison, Test: hasEphemeralVolume},
	{Name: "host-path", Severity: Hard, Message: "mounts a hostPath volume", Source: sourceComparison, Test: hasHostPath},
	{Name: "network-volume", Severity: Hard, Message: "mounts an nfs, iscsi or cephfs volume", Source: sourceComparison, Test: hasNetworkVolume},
	{Name: "other-volume", Severity: Hard, Message: "mounts a volume of a kind that virtual nodes do not have", Source: sourceComparison, Test: hasOtherVolume},
}

var emptyDirRules = []Rule{
	{Name: "several-empty-dirs", Severity: Hard, Message: "has more than one emptyDir volume", Source: sourceComparison, Test: hasSeveralEmptyDirs},
	{Name: "empty-dir-size-limit", Severity: Hard, Message: "limits the size of an emptyDir", Source: sourceComparison, Test: hasEmptyDirSizeLimit},
	{Name: "empty-dir-medium", Severity: Hard, Message: "uses an emptyDir medium other than memory", Source: sourceComparison, Test: hasEmptyDirMedium},
}

var fileRules = []Rule{
	{Name: "file-modes", Severity: Hard, Message: "sets volume file modes other than 0644", Source: sourceComparison, Test: hasFileModes, needs: hasFiles},
}

var mountRules = []Rule{
	{Name: "sub-path", Severity: Hard, Message: "mounts a subPath", Source: sourceObserved, Test: hasSubPath},
	{Name: "mount-propagation", Severity: Hard, Message: "propagates mounts", Source: sourceComparison, Test: hasMountPropagation},
}

var podRules = []Rule{
	{Name: "volume-devices", Severity: Hard, Message: "uses raw block volumes", Source: sourceComparison, Test: hasVolumeDevices, needs: hasDevices},
	{Name: "downward-api-resources", Severity: Hard, Message: "reads container resources through the downward API", Source: sourceComparison, Test: readsResourceFields, needs: hasEnv | hasFiles},
	{Name: "init-containers", Severity: Hard, Message: "has init or sidecar containers", Source: sourceComparison, Test: hasInitContainers},
	{Name: "ephemeral-containers", Severity: Hard, Message: "has ephemeral containers", Source: sourceComparison, Test: hasEphemeralContainers},
	{Name: "host-network", Severity: Hard, Message: "uses the host's network", Source: sourceComparison, Test: usesHostNetwork},
	{Name: "host-namespaces", Severity: Hard, Message: "uses the host's processes or IPC", Source: sourceComparison, Test: usesHostNamespaces},
	{Name: "hostname", Severity: Hard, Message: "sets its host name, as pods of StatefulSets do", Source: sourceComparison, Test: setsHostname},
	{Name: "shared-processes", Severity: Hard, Message: "shares processes between its containers", Source: sourceComparison, Test: sharesProcesses},
}

var securityRules = []Rule{
	{Name: "fs-group", Severity: Hard, Message: "sets fsGroup", Source: sourceComparison, Test: setsFSGroup},
	{Name: "supplemental-groups", Severity: Hard, Message: "sets supplemental groups", Source: sourceComparison, Test: setsSupplementalGroups},
	{Name: "sysctls", Severity: Hard, Message: "sets sysctls", Source: sourceComparison, Test: setsSysctls},
	{Name: "selinux", Severity: Hard, Message: "sets SELinux options", Source: sourceComparison, Test: setsSELinux},
	{Name: "seccomp", Severity: Hard, Message: "sets a seccomp profile", Source: sourceComparison, Test: setsSeccomp},
	{Name: "privileged", Severity: Hard, Message: "runs a privileged container", Source: sourceComparison, Test: isPrivileged},
	{Name: "privilege-escalation", Severity: Hard, Message: "allows privilege escalation", Source: sourceComparison, Test: allowsEscalation},
	{Name: "proc-mount", Severity: Hard, Message: "changes the /proc mount", Source: sourceComparison, Test: changesProcMount},
}

var networkRules = []Rule{
	{Name: "host-port", Severity: Hard, Message: "opens a host port", Source: sourceComparison, Test: hasHostPort, needs: hasPorts},
	{Name: "grpc-probe", Severity: Hard, Message: "has a gRPC probe", Source: sourceComparison, Test: hasGRPCProbe, needs: hasProbes},
	{Name: "node-port-range", Severity: Hard, Message: "listens in the NodePort range 30000-32767", Source: sourceComparison, Test: listensInNodePortRange, needs: hasPorts},
}

var advisoryRules = []Rule{
	{Name: "requests-not-limits", Severity: Advisory, Message: "has requests that differ from its limits; virtual nodes size it by the limits", Source: sourceResources, Test: requestsDifferFromLimits},
	{Name: "pod-level-resources", Severity: Advisory, Message: "sets resources for the pod as a whole, which virtual nodes may not read", Source: sourceKubernetes, Test: hasPodLevelResources},
	{Name: "termination-message", Severity: Advisory, Message: "sets a termination message path or policy, which virtual nodes ignore", Source: sourceComparison, Test: setsTerminationMessage},
	{Name: "termination-grace", Severity: Advisory, Message: "sets a termination grace period, which virtual nodes ignore", Source: sourceObserved, Test: setsTerminationGrace},
	{Name: "probe-grace", Severity: Advisory, Message: "sets a probe's own termination grace period, which virtual nodes ignore", Source: sourceComparison, Test: setsProbeGrace},
	{Name: "interactive", Severity: Advisory, Message: "keeps stdin or a terminal open, which virtual nodes cannot attach", Source: sourceComparison, Test: isInteractive},
	{Name: "pod-os", Severity: Advisory, Message: "names its operating system, which virtual nodes ignore", Source: sourceComparison, Test: namesLinux},
	{Name: "privileged-false", Severity: Advisory, Message: "says privileged: false, which some virtual nodes refuse; leave the field out", Source: sourceObserved, Test: saysNotPrivileged},
	{Name: "added-capabilities", Severity: Advisory, Message: "adds capabilities; only dropping them is known to work on virtual nodes", Source: sourceObserved, Test: addsCapabilities},
	{Name: "volume-updates", Severity: Advisory, Message: "mounts a ConfigMap or Secret, whose later changes do not reach running pods on virtual nodes", Source: sourceComparison, Test: mountsConfiguration},
	{Name: "subdomain", Severity: Advisory, Message: "sets a subdomain; virtual nodes do not give pods a DNS name of their own", Source: sourceComparison, Test: setsSubdomain},
	{Name: "service-mesh", Severity: Advisory, Message: "carries a service mesh's sidecar, for which virtual nodes do not redirect traffic", Source: sourceComparison, Test: hasMeshSidecar},
	{Name: "ocir-pull-secret", Severity: Advisory, Message: "pulls from Oracle's registry without imagePullSecrets; virtual nodes have no credentials of their own", Source: sourceComparison, Test: pullsFromOCIRWithoutSecret},
}
