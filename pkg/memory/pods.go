package memory

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/lru"
)

// stripPod takes from a pod what its containers do at the moment. Of a pod that is settled it keeps what core counts and moves pods by: what the
// pod requests, where it may run, its host ports and its claims. What is left of pods of one workload is mostly the same, and is shared.
func (s *stripper) stripPod(p *corev1.Pod) {
	p.Status.InitContainerStatuses = stripStatuses(p.Status.InitContainerStatuses)
	p.Status.ContainerStatuses = stripStatuses(p.Status.ContainerStatuses)
	p.Status.EphemeralContainerStatuses = nil
	if !s.settled(p) {
		return
	}
	p.Spec.InitContainers, p.Spec.Containers = stripContainers(p.Spec.InitContainers), stripContainers(p.Spec.Containers)
	p.Spec.Volumes = only(p.Spec.Volumes, func(v *corev1.Volume) bool { return v.PersistentVolumeClaim != nil || v.Ephemeral != nil })
	p.Spec.EphemeralContainers, p.Spec.SecurityContext, p.Spec.ImagePullSecrets = nil, nil, nil
	p.Spec.HostAliases, p.Spec.DNSConfig, p.Spec.ReadinessGates = nil, nil, nil
	p.Status.HostIPs, p.Status.PodIPs = nil, nil
	s.shared.share(p)
}

// stripContainers leaves of each container what is requested for it, and what it asks of its node.
func stripContainers(all []corev1.Container) []corev1.Container {
	var out []corev1.Container
	for i := range all {
		c := &all[i]
		ports := only(c.Ports, func(p *corev1.ContainerPort) bool { return p.HostPort != 0 })
		out = append(out, corev1.Container{Name: c.Name, Resources: c.Resources, RestartPolicy: c.RestartPolicy, Ports: ports})
	}
	return out
}

// stripStatuses leaves of each container what tells how much it has been given, which core counts where it differs from what was asked for.
func stripStatuses(all []corev1.ContainerStatus) []corev1.ContainerStatus {
	var out []corev1.ContainerStatus
	for i := range all {
		if c := &all[i]; c.AllocatedResources != nil || c.Resources != nil {
			out = append(out, corev1.ContainerStatus{Name: c.Name, AllocatedResources: c.AllocatedResources, Resources: c.Resources})
		}
	}
	return out
}

// only returns those for which keep holds, in a slice of their own.
func only[T any](all []T, keep func(*T) bool) []T {
	var out []T
	for i := range all {
		if keep(&all[i]) {
			out = append(out, all[i])
		}
	}
	return out
}

// sharedKinds is how many kinds of pods, and how many sets of labels, are remembered to be shared. A few kilobytes each.
const sharedKinds = 2000

// sharer lets pods of one workload have one specification and one set of labels between them. What it returns belongs to a cache, where nothing
// is written to.
type sharer struct {
	specs  *lru.Cache // PodSpecs by their own bytes
	labels *lru.Cache // sets of labels by theirs
}

func newSharer() *sharer { return &sharer{specs: lru.New(sharedKinds), labels: lru.New(sharedKinds)} }

// share replaces what the pod has in common with its like. What is a pod's own stays its own: its node, its name, its claims, and its
// affinity, which names the node in each pod of a DaemonSet.
func (s *sharer) share(p *corev1.Pod) {
	own := p.Spec
	p.Spec.NodeName, p.Spec.Hostname, p.Spec.Volumes, p.Spec.Affinity = "", "", nil, nil
	if key, err := p.Spec.Marshal(); err == nil {
		p.Spec = *lookUp(s.specs, string(key), p.Spec.DeepCopy)
	}
	p.Spec.NodeName, p.Spec.Hostname, p.Spec.Volumes, p.Spec.Affinity = own.NodeName, own.Hostname, own.Volumes, own.Affinity

	labels := corev1.Pod{}
	labels.Labels = p.Labels
	if key, err := labels.Marshal(); err == nil && len(p.Labels) > 0 {
		p.Labels = *lookUp(s.labels, string(key), func() *map[string]string { return &p.Labels })
	}
}

// lookUp returns what is remembered under a key, else what is made now.
func lookUp[T any](in *lru.Cache, key string, fresh func() *T) *T {
	if found, _ := in.Get(key); found != nil {
		if shared, is := found.(*T); is {
			return shared
		}
	}
	made := fresh()
	in.Add(key, made)
	return made
}
