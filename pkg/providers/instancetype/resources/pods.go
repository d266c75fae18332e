package resources

const (
	// PodsDefault is OKE's limit of pods on a node: with the flannel overlay always, with VCN-native pod networking unless the node class
	// asks for more addresses.
	PodsDefault = 110
	// AddressesMost is how many addresses the secondary VNICs of a node hold together.
	AddressesMost = 256
	// podsMost is how many pods a node can have at all: the secondary VNICs of a node hold no more addresses together (documentation of OKE's
	// VCN-native pod networking).
	podsMost = AddressesMost
	// addressesPerVNIC is how many addresses a pod VNIC takes when nothing else is said; one of them is not a pod's.
	addressesPerVNIC = 32
)

// PodLimits says what bounds the number of pods on a node.
type PodLimits struct {
	// VCNNative is true with VCN-native pod networking, false with the flannel overlay.
	VCNNative bool
	// AddressesPerVNIC is the ipCount of a pod VNIC with VCN-native pod networking; 0 for OKE's default.
	AddressesPerVNIC int
	// MaxPods is the number of pods that the kubelet is told to take; 0 when it is not told.
	MaxPods int
	// PodsPerCore bounds the number of pods by the vCPUs; 0 when it does not.
	PodsPerCore int
}

// perVNIC is how many addresses a pod VNIC takes in advance, its own included.
func (l PodLimits) perVNIC() int {
	if l.AddressesPerVNIC > 0 {
		return l.AddressesPerVNIC
	}
	return addressesPerVNIC
}

// PodVNICs is how many VNICs hold the addresses of so many pods on a node that can have so many VNICs, the node's own included: as few as
// will do, and no more than OKE gives a node. each is how many addresses every one of them takes of a pod subnet. Both are 0 where pods have
// no addresses of the VCN.
func PodVNICs(vnics, pods int, limits PodLimits) (count, each int) {
	if !limits.VCNNative {
		return 0, 0
	}
	each = limits.perVNIC()
	forPods := max(each-1, 1)
	count = min((pods+forPods-1)/forPods, AddressesMost/each)
	if vnics > 0 {
		count = min(count, vnics-1)
	}
	return max(count, 1), each
}

// Pods is how many pods a node can have: as many as the kubelet takes, and no more than there are addresses for. With VCN-native
// networking the primary VNIC carries none.
func Pods(vnics, vcpus int, limits PodLimits) int {
	pods := PodsDefault
	if limits.VCNNative {
		if limits.AddressesPerVNIC > 0 && limits.MaxPods > 0 {
			pods = podsMost // who gives both has chosen; OKE's default for maxPods does not hold
		}
		pods = max(min((vnics-1)*max(limits.perVNIC()-1, 1), pods), 0)
	}
	if limits.MaxPods > 0 {
		pods = min(pods, limits.MaxPods)
	}
	if limits.PodsPerCore > 0 {
		pods = min(pods, limits.PodsPerCore*vcpus)
	}
	return pods
}
