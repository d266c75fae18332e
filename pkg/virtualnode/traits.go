package virtualnode

import (
	corev1 "k8s.io/api/core/v1"
)

// traits are what a pod has at all. They spare Decide most rows of the rule table: one pass over the pod instead of one for each row.
// A trait may be noted of a pod that no row of it holds for; it must be noted of every pod that one does.
type traits uint16

const (
	// hasOddResources: resources other than CPU and memory, claims of devices, or resources of the pod as a whole.
	hasOddResources traits = 1 << iota
	// isLarge: the larger of request and limit, summed up, is beyond the largest virtual-node pod.
	isLarge
	// hasMedia: volumes that are not of the kinds below.
	hasMedia
	hasEmptyDirs
	// hasFiles: volumes of ConfigMaps, Secrets or the downward API.
	hasFiles
	// hasOddMounts: mounts of a part of a volume, or that propagate.
	hasOddMounts
	hasDevices // raw block volumes
	hasEnv
	hasSecurity
	hasPorts
	hasProbes
)

// reading is what one pass over a pod notes.
type reading struct {
	has traits
	// want is what kube-scheduler sets aside for the pod's containers: requests, and limits where only these are set. Init containers
	// are left out, because a pod that has them is never a virtual node's.
	want size
}

// read makes the pass.
func read(p *corev1.Pod) reading {
	var r reading
	var most size
	for i := range p.Spec.Containers {
		has, want, top := readContainer(&p.Spec.Containers[i])
		r.has |= has
		r.want, most = r.want.plus(want), most.plus(top)
	}
	for i := range p.Spec.InitContainers {
		has, _, _ := readContainer(&p.Spec.InitContainers[i])
		r.has |= has
	}
	for i := range p.Spec.Volumes {
		r.has |= traitsOfVolume(&p.Spec.Volumes[i].VolumeSource)
	}
	if whole := p.Spec.Resources; whole != nil {
		_, want, top := readResources(whole)
		r.want, most = r.want.max(want), most.max(top)
		r.has |= hasOddResources
	}
	if len(p.Spec.ResourceClaims) > 0 {
		r.has |= hasOddResources
	}
	if !most.fits(largestPod) {
		r.has |= isLarge
	}
	if s := p.Spec.SecurityContext; s != nil && (s.FSGroup != nil || s.FSGroupChangePolicy != nil || s.SupplementalGroups != nil ||
		s.SupplementalGroupsPolicy != nil || s.Sysctls != nil || s.SELinuxOptions != nil || s.SeccompProfile != nil) {
		r.has |= hasSecurity // the API server writes an empty one into every pod
	}
	return r
}

// readContainer returns the traits of a container, what is set aside for it, and the larger of its requests and limits.
func readContainer(c *corev1.Container) (has traits, want, most size) {
	basic, want, most := readResources(&c.Resources)
	if !basic {
		has |= hasOddResources
	}
	for i := range c.VolumeMounts {
		if m := &c.VolumeMounts[i]; m.SubPath != "" || m.SubPathExpr != "" || m.MountPropagation != nil {
			has |= hasOddMounts
		}
	}
	if len(c.VolumeDevices) > 0 {
		has |= hasDevices
	}
	if len(c.Env) > 0 {
		has |= hasEnv
	}
	if c.SecurityContext != nil {
		has |= hasSecurity
	}
	if len(c.Ports) > 0 {
		has |= hasPorts
	}
	if c.LivenessProbe != nil || c.ReadinessProbe != nil || c.StartupProbe != nil {
		has |= hasProbes
	}
	return has, want, most
}

// readResources returns whether there is nothing but CPU and memory, which is so for nearly all, what is set aside, and the larger of
// requests and limits. It looks names up, each once: walking a map costs several times as much.
func readResources(r *corev1.ResourceRequirements) (basic bool, want, most size) {
	requests, named, known := sizeIn(r.Requests)
	basic = known == len(r.Requests) && len(r.Claims) == 0
	limits, limited, known := sizeIn(r.Limits)
	basic = basic && known == len(r.Limits)
	want = requests
	if limited.cpu && !named.cpu {
		want.milliCPU = limits.milliCPU
	}
	if limited.memory && !named.memory {
		want.memory = limits.memory
	}
	return basic, want, requests.max(limits)
}

// basics tells which of the two resources a list names.
type basics struct{ cpu, memory bool }

// sizeIn reads a list's CPU and memory, and counts which of them it names.
func sizeIn(list corev1.ResourceList) (s size, names basics, known int) {
	if len(list) == 0 {
		return s, names, 0
	}
	if q, ok := list[corev1.ResourceCPU]; ok {
		s.milliCPU, names.cpu = amount(q, corev1.ResourceCPU), true
		known++
	}
	if q, ok := list[corev1.ResourceMemory]; ok {
		s.memory, names.memory = amount(q, corev1.ResourceMemory), true
		known++
	}
	return s, names, known
}

// traitsOfVolume also reads volumes that name several sources, which only the API server refuses.
func traitsOfVolume(v *corev1.VolumeSource) traits {
	var has traits
	rest := *v
	if rest.EmptyDir != nil {
		has |= hasEmptyDirs
	}
	if rest.ConfigMap != nil || rest.Secret != nil || rest.Projected != nil || rest.DownwardAPI != nil {
		has |= hasFiles
	}
	rest.EmptyDir, rest.ConfigMap, rest.Secret, rest.Projected, rest.DownwardAPI = nil, nil, nil, nil, nil
	if rest != (corev1.VolumeSource{}) {
		has |= hasMedia
	}
	return has
}
