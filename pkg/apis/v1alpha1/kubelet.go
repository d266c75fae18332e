package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// KubeletConfiguration are settings of the kubelet; names and meaning are the kubelet's own. Left out, OKE's defaults hold.
// +kubebuilder:validation:XValidation:rule="(has(self.imageGCHighThresholdPercent) ? self.imageGCHighThresholdPercent : 85) > (has(self.imageGCLowThresholdPercent) ? self.imageGCLowThresholdPercent : 80)",message="imageGCHighThresholdPercent (85 when left out) must be greater than imageGCLowThresholdPercent (80 when left out)"
// +kubebuilder:validation:XValidation:rule="!has(self.evictionSoft) || self.evictionSoft.all(s, has(self.evictionSoftGracePeriod) && s in self.evictionSoftGracePeriod)",message="every signal of evictionSoft needs its entry in evictionSoftGracePeriod"
// +kubebuilder:validation:XValidation:rule="!has(self.evictionSoftGracePeriod) || self.evictionSoftGracePeriod.all(s, has(self.evictionSoft) && s in self.evictionSoft)",message="every signal of evictionSoftGracePeriod needs its entry in evictionSoft"
type KubeletConfiguration struct {
	// clusterDNS are the addresses of the cluster's DNS service. Left out: what the controller finds in the cluster.
	// +kubebuilder:validation:MaxItems=3
	// +optional
	ClusterDNS []IPAddress `json:"clusterDNS,omitempty"`
	// maxPods is the number of pods that a node takes at most. Left out: OKE's default for the pod networking.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=256
	// +optional
	MaxPods *int32 `json:"maxPods,omitempty"`
	// podsPerCore bounds the number of pods by the number of vCPUs; the lower of it and maxPods holds. 0 turns it off.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=256
	// +optional
	PodsPerCore *int32 `json:"podsPerCore,omitempty"`
	// systemReserved is kept for the operating system: cpu, memory, ephemeral-storage, pid.
	// +optional
	SystemReserved ReservedResources `json:"systemReserved,omitempty"`
	// kubeReserved is kept for the kubelet and the container runtime: cpu, memory, ephemeral-storage, pid.
	// +optional
	KubeReserved ReservedResources `json:"kubeReserved,omitempty"`
	// evictionHard are the thresholds at which pods are evicted at once, as a quantity or a percentage.
	// +optional
	EvictionHard EvictionThresholds `json:"evictionHard,omitempty"`
	// evictionSoft are the thresholds at which pods are evicted after a grace period, as a quantity or a percentage.
	// +optional
	EvictionSoft EvictionThresholds `json:"evictionSoft,omitempty"`
	// evictionSoftGracePeriod is how long each signal of evictionSoft must last, such as 1m30s.
	// +kubebuilder:validation:MaxProperties=6
	// +kubebuilder:validation:XValidation:rule="self.all(k, duration(self[k]) > duration('0s'))",message="give each grace period as a positive duration, such as 1m30s"
	// +optional
	EvictionSoftGracePeriod map[string]metav1.Duration `json:"evictionSoftGracePeriod,omitempty"`
	// evictionMaxPodGracePeriod is the longest time in seconds that a pod evicted by evictionSoft gets to end.
	// +kubebuilder:validation:Minimum=0
	// +optional
	EvictionMaxPodGracePeriod *int32 `json:"evictionMaxPodGracePeriod,omitempty"`
	// imageGCHighThresholdPercent is how full the disk is when unused container images begin to be removed.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	// +optional
	ImageGCHighThresholdPercent *int32 `json:"imageGCHighThresholdPercent,omitempty"`
	// imageGCLowThresholdPercent is how full the disk is when they cease to be removed.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	// +optional
	ImageGCLowThresholdPercent *int32 `json:"imageGCLowThresholdPercent,omitempty"`
	// cpuCFSQuota enforces the CPU limits of containers; true when left out.
	// +optional
	CPUCFSQuota *bool `json:"cpuCFSQuota,omitempty"`
	// extraArgs are further arguments of the kubelet, each as --flag or --flag=value. Flags that have a field here, and those
	// by which a node registers, are refused.
	// +kubebuilder:validation:MaxItems=30
	// +kubebuilder:validation:XValidation:rule="!self.exists(a, ['--node-labels', '--register-with-taints', '--register-node', '--provider-id', '--cloud-provider', '--hostname-override', '--node-ip', '--kubeconfig', '--bootstrap-kubeconfig', '--config'].exists(f, a == f || a.startsWith(f + '=')))",message="the controller and OKE set how a node registers; use the NodePool's labels and taints, and remove this argument"
	// +kubebuilder:validation:XValidation:rule="!self.exists(a, ['--cluster-dns', '--max-pods', '--pods-per-core', '--system-reserved', '--kube-reserved', '--eviction-hard', '--eviction-soft', '--eviction-soft-grace-period', '--eviction-max-pod-grace-period', '--image-gc-high-threshold', '--image-gc-low-threshold', '--cpu-cfs-quota'].exists(f, a == f || a.startsWith(f + '=')))",message="this argument has a field of its own in 'kubelet', which also counts in the size of nodes; use the field"
	// +optional
	ExtraArgs []KubeletArgument `json:"extraArgs,omitempty"`
}
