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

// Pods is how many pods a node can have: as many as the kubelet takes, and no more than there are addresses for. With VCN-native
// networking the primary VNIC carries none.
func Pods(vnics, vcpus int, limits PodLimits) int {
	pods := PodsDefault
	if limits.VCNNative {
		perVNIC := addressesPerVNIC
		if limits.AddressesPerVNIC > 0 {
			perVNIC = limits.AddressesPerVNIC
			if limits.MaxPods > 0 {
				pods = podsMost // who gives both has chosen; OKE's default for maxPods does not hold
			}
		}
		pods = max(min((vnics-1)*max(perVNIC-1, 1), pods), 0)
	}
	if limits.MaxPods > 0 {
		pods = min(pods, limits.MaxPods)
	}
	if limits.PodsPerCore > 0 {
		pods = min(pods, limits.PodsPerCore*vcpus)
	}
	return pods
}
