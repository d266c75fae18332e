package virtualnode

import (
	corev1 "k8s.io/api/core/v1"
)

// The NodePort range that OKE's load balancers use on virtual nodes.
const (
	firstNodePort = 30000
	lastNodePort  = 32767
)

// anyContainer tells whether the test holds for one of the pod's containers, init containers included.
func anyContainer(p *corev1.Pod, test func(*corev1.Container) bool) bool {
	for i := range p.Spec.Containers {
		if test(&p.Spec.Containers[i]) {
			return true
		}
	}
	for i := range p.Spec.InitContainers {
		if test(&p.Spec.InitContainers[i]) {
			return true
		}
	}
	return false
}

func anySecurity(p *corev1.Pod, test func(*corev1.SecurityContext) bool) bool {
	return anyContainer(p, func(c *corev1.Container) bool { return c.SecurityContext != nil && test(c.SecurityContext) })
}

func anyProbe(p *corev1.Pod, test func(*corev1.Probe) bool) bool {
	return anyContainer(p, func(c *corev1.Container) bool {
		return c.LivenessProbe != nil && test(c.LivenessProbe) ||
			c.ReadinessProbe != nil && test(c.ReadinessProbe) ||
			c.StartupProbe != nil && test(c.StartupProbe)
	})
}

func anyPort(p *corev1.Pod, test func(*corev1.ContainerPort) bool) bool {
	return anyContainer(p, func(c *corev1.Container) bool {
		for i := range c.Ports {
			if test(&c.Ports[i]) {
				return true
			}
		}
		return false
	})
}

func anyMount(p *corev1.Pod, test func(*corev1.VolumeMount) bool) bool {
	return anyContainer(p, func(c *corev1.Container) bool {
		for i := range c.VolumeMounts {
			if test(&c.VolumeMounts[i]) {
				return true
			}
		}
		return false
	})
}

func isPrivileged(p *corev1.Pod) bool {
	return anySecurity(p, func(s *corev1.SecurityContext) bool { return isTrue(s.Privileged) })
}

func saysNotPrivileged(p *corev1.Pod) bool {
	return anySecurity(p, func(s *corev1.SecurityContext) bool { return s.Privileged != nil && !*s.Privileged })
}

func allowsEscalation(p *corev1.Pod) bool {
	return anySecurity(p, func(s *corev1.SecurityContext) bool { return isTrue(s.AllowPrivilegeEscalation) })
}

func changesProcMount(p *corev1.Pod) bool {
	return anySecurity(p, func(s *corev1.SecurityContext) bool {
		return s.ProcMount != nil && *s.ProcMount != corev1.DefaultProcMount
	})
}

func addsCapabilities(p *corev1.Pod) bool {
	return anySecurity(p, func(s *corev1.SecurityContext) bool { return s.Capabilities != nil && len(s.Capabilities.Add) > 0 })
}

func setsSELinux(p *corev1.Pod) bool {
	if p.Spec.SecurityContext != nil && p.Spec.SecurityContext.SELinuxOptions != nil {
		return true
	}
	return anySecurity(p, func(s *corev1.SecurityContext) bool { return s.SELinuxOptions != nil })
}

func setsSeccomp(p *corev1.Pod) bool {
	if p.Spec.SecurityContext != nil && p.Spec.SecurityContext.SeccompProfile != nil {
		return true
	}
	return anySecurity(p, func(s *corev1.SecurityContext) bool { return s.SeccompProfile != nil })
}

func hasHostPort(p *corev1.Pod) bool {
	return anyPort(p, func(port *corev1.ContainerPort) bool { return port.HostPort != 0 || port.HostIP != "" })
}

func listensInNodePortRange(p *corev1.Pod) bool {
	return anyPort(p, func(port *corev1.ContainerPort) bool {
		return port.ContainerPort >= firstNodePort && port.ContainerPort <= lastNodePort
	})
}

func hasGRPCProbe(p *corev1.Pod) bool {
	return anyProbe(p, func(probe *corev1.Probe) bool { return probe.GRPC != nil })
}

func setsProbeGrace(p *corev1.Pod) bool {
	return anyProbe(p, func(probe *corev1.Probe) bool { return probe.TerminationGracePeriodSeconds != nil })
}

func hasSubPath(p *corev1.Pod) bool {
	return anyMount(p, func(m *corev1.VolumeMount) bool { return m.SubPath != "" || m.SubPathExpr != "" })
}

func hasMountPropagation(p *corev1.Pod) bool {
	return anyMount(p, func(m *corev1.VolumeMount) bool {
		return m.MountPropagation != nil && *m.MountPropagation != corev1.MountPropagationNone
	})
}

func hasVolumeDevices(p *corev1.Pod) bool {
	return anyContainer(p, func(c *corev1.Container) bool { return len(c.VolumeDevices) > 0 })
}

func isInteractive(p *corev1.Pod) bool {
	return anyContainer(p, func(c *corev1.Container) bool { return c.Stdin || c.TTY })
}

// setsTerminationMessage leaves out the values that the API server writes into every container.
func setsTerminationMessage(p *corev1.Pod) bool {
	return anyContainer(p, func(c *corev1.Container) bool {
		return c.TerminationMessagePath != "" && c.TerminationMessagePath != corev1.TerminationMessagePathDefault ||
			c.TerminationMessagePolicy != "" && c.TerminationMessagePolicy != corev1.TerminationMessageReadFile
	})
}

func requestsDifferFromLimits(p *corev1.Pod) bool {
	return anyContainer(p, func(c *corev1.Container) bool {
		for name, limit := range c.Resources.Limits {
			request, ok := c.Resources.Requests[name]
			if ok && request.Cmp(limit) != 0 {
				return true
			}
		}
		for name := range c.Resources.Requests {
			if _, ok := c.Resources.Limits[name]; !ok {
				return true
			}
		}
		return false
	})
}

// readsResourceFields covers the environment and downward API volumes, projected ones included.
func readsResourceFields(p *corev1.Pod) bool {
	if anyContainer(p, envReadsResources) {
		return true
	}
	for i := range p.Spec.Volumes {
		v := &p.Spec.Volumes[i]
		if v.DownwardAPI != nil && itemsReadResources(v.DownwardAPI.Items) {
			return true
		}
		if v.Projected == nil {
			continue
		}
		for j := range v.Projected.Sources {
			if d := v.Projected.Sources[j].DownwardAPI; d != nil && itemsReadResources(d.Items) {
				return true
			}
		}
	}
	return false
}

func envReadsResources(c *corev1.Container) bool {
	for i := range c.Env {
		if c.Env[i].ValueFrom != nil && c.Env[i].ValueFrom.ResourceFieldRef != nil {
			return true
		}
	}
	return false
}

func itemsReadResources(items []corev1.DownwardAPIVolumeFile) bool {
	for i := range items {
		if items[i].ResourceFieldRef != nil {
			return true
		}
	}
	return false
}
