package virtualnode

import (
	corev1 "k8s.io/api/core/v1"
)

// traits are what a pod has at all. They spare Decide most rows of the rule table: one pass over the pod instead of one for each row.
type traits uint8

const (
	// hasOddResources: resources other than CPU and memory, or resources of the pod as a whole.
	hasOddResources traits = 1 << iota
	hasVolumes
	hasMounts
	hasPodSecurity
	hasSecurity // of a container
	hasPorts
	hasProbes
)

func traitsOf(p *corev1.Pod) traits {
	var t traits
	if p.Spec.Resources != nil {
		t |= hasOddResources
	}
	if len(p.Spec.Volumes) > 0 {
		t |= hasVolumes
	}
	if p.Spec.SecurityContext != nil {
		t |= hasPodSecurity
	}
	for i := range p.Spec.Containers {
		t |= traitsOfContainer(&p.Spec.Containers[i])
	}
	for i := range p.Spec.InitContainers {
		t |= traitsOfContainer(&p.Spec.InitContainers[i])
	}
	return t
}

func traitsOfContainer(c *corev1.Container) traits {
	var t traits
	if !hasOnlyBasics(c.Resources.Requests) || !hasOnlyBasics(c.Resources.Limits) {
		t |= hasOddResources
	}
	if len(c.VolumeMounts) > 0 {
		t |= hasMounts
	}
	if c.SecurityContext != nil {
		t |= hasSecurity
	}
	if len(c.Ports) > 0 {
		t |= hasPorts
	}
	if c.LivenessProbe != nil || c.ReadinessProbe != nil || c.StartupProbe != nil {
		t |= hasProbes
	}
	return t
}
