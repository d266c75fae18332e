package virtualnode

import (
	"math"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	karpapis "sigs.k8s.io/karpenter/pkg/apis"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
)

// Sizes of the largest virtual-node pod: Pod.Standard.E3/E4.Flex has 64 OCPUs, which are 128 vCPUs, and 1 TB of memory; every pod
// has 15 GB of storage for its images and its files (Oracle: Resources Provisioned by Virtual Nodes). We take the binary units,
// so that only what surely does not fit is called too large.
const (
	maxPodMilliCPU     = 128 * 1000
	maxPodMemoryBytes  = 1 << 40
	maxPodStorageBytes = 15 << 30
)

// largestPod is the size of the largest virtual-node pod.
var largestPod = size{milliCPU: maxPodMilliCPU, memory: maxPodMemoryBytes}

func isDaemonSetPod(p *corev1.Pod) bool { return ownedBy(p, "apps/v1", "DaemonSet") }

func isStaticPod(p *corev1.Pod) bool { return ownedBy(p, "v1", "Node") }

func ownedBy(p *corev1.Pod, apiVersion, kind string) bool {
	for i := range p.OwnerReferences {
		if p.OwnerReferences[i].APIVersion == apiVersion && p.OwnerReferences[i].Kind == kind {
			return true
		}
	}
	return false
}

// selectsKarpenterLabels tells whether every way to satisfy the pod's selectors asks for a label of Karpenter or of this provider.
func selectsKarpenterLabels(p *corev1.Pod) bool {
	for key := range p.Spec.NodeSelector {
		if isKarpenterLabel(key) {
			return true
		}
	}
	selector := requiredNodeAffinity(p)
	if selector == nil || len(selector.NodeSelectorTerms) == 0 {
		return false
	}
	for i := range selector.NodeSelectorTerms {
		if !termWantsKarpenterLabel(&selector.NodeSelectorTerms[i]) {
			return false
		}
	}
	return true
}

func termWantsKarpenterLabel(term *corev1.NodeSelectorTerm) bool {
	for i := range term.MatchExpressions {
		e := &term.MatchExpressions[i]
		// NotIn and DoesNotExist are satisfied by a node without the label.
		if e.Operator != corev1.NodeSelectorOpNotIn && e.Operator != corev1.NodeSelectorOpDoesNotExist && isKarpenterLabel(e.Key) {
			return true
		}
	}
	return false
}

// isKarpenterLabel leaves LayerKey out: owners may label their virtual nodes with it.
func isKarpenterLabel(key string) bool {
	domain, _, found := strings.Cut(key, "/")
	return found && (domain == karpapis.Group || domain == v1alpha1.Group) && key != LayerKey
}

func requiredNodeAffinity(p *corev1.Pod) *corev1.NodeSelector {
	if p.Spec.Affinity == nil || p.Spec.Affinity.NodeAffinity == nil {
		return nil
	}
	return p.Spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution
}

func wantsExtendedResources(p *corev1.Pod) bool { return anyResource(p, isExtendedResource) }

func wantsHugePages(p *corev1.Pod) bool { return anyResource(p, isHugePages) }

func isHugePages(name corev1.ResourceName) bool {
	return strings.HasPrefix(string(name), corev1.ResourceHugePagesPrefix)
}

func isExtendedResource(name corev1.ResourceName) bool {
	switch name {
	case corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage, corev1.ResourceStorage:
		return false
	}
	return !isHugePages(name)
}

// anyResource tells whether the pod asks for a positive amount of a resource that the test names, anywhere.
func anyResource(p *corev1.Pod, test func(corev1.ResourceName) bool) bool {
	for i := range p.Spec.Containers {
		if anyIn(p.Spec.Containers[i].Resources.Requests, test) || anyIn(p.Spec.Containers[i].Resources.Limits, test) {
			return true
		}
	}
	for i := range p.Spec.InitContainers {
		if anyIn(p.Spec.InitContainers[i].Resources.Requests, test) || anyIn(p.Spec.InitContainers[i].Resources.Limits, test) {
			return true
		}
	}
	r := p.Spec.Resources
	return r != nil && (anyIn(r.Requests, test) || anyIn(r.Limits, test))
}

func anyIn(list corev1.ResourceList, test func(corev1.ResourceName) bool) bool {
	for name, q := range list {
		if test(name) && q.Sign() > 0 {
			return true
		}
	}
	return false
}

func hasResourceClaims(p *corev1.Pod) bool {
	if len(p.Spec.ResourceClaims) > 0 {
		return true
	}
	return anyContainer(p, func(c *corev1.Container) bool { return len(c.Resources.Claims) > 0 })
}

func isTooLarge(p *corev1.Pod) bool {
	return sizeOf(p, corev1.ResourceCPU) > maxPodMilliCPU || sizeOf(p, corev1.ResourceMemory) > maxPodMemoryBytes
}

func wantsTooMuchStorage(p *corev1.Pod) bool {
	return sizeOf(p, corev1.ResourceEphemeralStorage) > maxPodStorageBytes
}

// sizeOf adds a resource up as virtual nodes do: over the containers, the limit where there is one, else the request. It is in
// millicores for CPU and in bytes for the rest.
func sizeOf(p *corev1.Pod, name corev1.ResourceName) int64 {
	var sum int64
	for i := range p.Spec.Containers {
		r := &p.Spec.Containers[i].Resources
		q, ok := r.Limits[name]
		if !ok {
			q = r.Requests[name]
		}
		v := amount(q, name)
		if v > math.MaxInt64-sum {
			return math.MaxInt64
		}
		sum += v
	}
	if p.Spec.Resources != nil {
		sum = max(sum, amount(p.Spec.Resources.Limits[name], name), amount(p.Spec.Resources.Requests[name], name))
	}
	return sum
}

// amount is never negative, and saturates: Quantity's own conversions wrap or turn to 0 beyond their range.
func amount(q resource.Quantity, name corev1.ResourceName) int64 {
	switch {
	case q.Sign() <= 0:
		return 0
	case q.CmpInt64(math.MaxInt64/1000) > 0:
		return math.MaxInt64
	case name == corev1.ResourceCPU:
		return q.MilliValue()
	}
	return q.Value()
}

func isWindows(p *corev1.Pod) bool { return p.Spec.OS != nil && p.Spec.OS.Name == corev1.Windows }

func namesLinux(p *corev1.Pod) bool { return p.Spec.OS != nil && p.Spec.OS.Name == corev1.Linux }

func hasRuntimeClass(p *corev1.Pod) bool {
	return p.Spec.RuntimeClassName != nil && *p.Spec.RuntimeClassName != "" || len(p.Spec.Overhead) > 0
}

func hasInitContainers(p *corev1.Pod) bool { return len(p.Spec.InitContainers) > 0 }

func hasEphemeralContainers(p *corev1.Pod) bool { return len(p.Spec.EphemeralContainers) > 0 }

func usesHostNetwork(p *corev1.Pod) bool { return p.Spec.HostNetwork }

func usesHostNamespaces(p *corev1.Pod) bool { return p.Spec.HostPID || p.Spec.HostIPC }

// setsHostname covers spec.hostname, which the StatefulSet controller sets on every pod, and setHostnameAsFQDN.
func setsHostname(p *corev1.Pod) bool {
	return p.Spec.Hostname != "" || isTrue(p.Spec.SetHostnameAsFQDN) || p.Spec.HostnameOverride != nil
}

func sharesProcesses(p *corev1.Pod) bool { return isTrue(p.Spec.ShareProcessNamespace) }

func setsFSGroup(p *corev1.Pod) bool {
	s := p.Spec.SecurityContext
	return s != nil && (s.FSGroup != nil || s.FSGroupChangePolicy != nil)
}

func setsSupplementalGroups(p *corev1.Pod) bool {
	s := p.Spec.SecurityContext
	return s != nil && (len(s.SupplementalGroups) > 0 || s.SupplementalGroupsPolicy != nil)
}

func setsSysctls(p *corev1.Pod) bool {
	return p.Spec.SecurityContext != nil && len(p.Spec.SecurityContext.Sysctls) > 0
}

func hasPodLevelResources(p *corev1.Pod) bool {
	return p.Spec.Resources != nil && (len(p.Spec.Resources.Requests) > 0 || len(p.Spec.Resources.Limits) > 0)
}

// setsTerminationGrace leaves out Kubernetes' default of 30 s, which the API server writes into every pod.
func setsTerminationGrace(p *corev1.Pod) bool {
	return p.Spec.TerminationGracePeriodSeconds != nil && *p.Spec.TerminationGracePeriodSeconds != corev1.DefaultTerminationGracePeriodSeconds
}

func setsSubdomain(p *corev1.Pod) bool { return p.Spec.Subdomain != "" }

// meshAnnotations are put on pods by the injectors of service meshes.
var meshAnnotations = []string{"sidecar.istio.io/status", "linkerd.io/proxy-version", "consul.hashicorp.com/connect-inject-status", "kuma.io/sidecar-injected"}

func hasMeshSidecar(p *corev1.Pod) bool {
	for _, key := range meshAnnotations {
		if _, ok := p.Annotations[key]; ok {
			return true
		}
	}
	return false
}

// pullsFromOCIRWithoutSecret goes by the host names of Oracle's registry, such as phx.ocir.io and ocir.us-phoenix-1.oci.oraclecloud.com.
// Secrets of the pod's ServiceAccount count: the API server writes them into the pod.
func pullsFromOCIRWithoutSecret(p *corev1.Pod) bool {
	return len(p.Spec.ImagePullSecrets) == 0 && anyContainer(p, func(c *corev1.Container) bool {
		host, _, found := strings.Cut(c.Image, "/")
		return found && (host == "ocir.io" || strings.HasSuffix(host, ".ocir.io") ||
			strings.HasPrefix(host, "ocir.") && strings.HasSuffix(host, ".oci.oraclecloud.com"))
	})
}

func isTrue(b *bool) bool { return b != nil && *b }
