package virtualnodes

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Refusal returns the first feature of the pod that OKE virtual nodes do not support, or "". Sources: Oracle's comparison of virtual and
// managed nodes, checked against two production users' lists. volumeDriver names what stands behind a claim: a CSI driver, or "local",
// "hostPath", "nfs", ...; "" when it is not known.
func Refusal(pod *corev1.Pod, volumeDriver func(claim string) string) string {
	for _, rule := range podRules {
		if rule.has(pod) {
			return rule.feature
		}
	}
	if pod.Spec.SecurityContext != nil {
		for _, rule := range securityRules {
			if rule.has(pod.Spec.SecurityContext) {
				return rule.feature
			}
		}
	}
	for _, v := range pod.Spec.Volumes {
		if feature := volumeRefusal(v, volumeDriver); feature != "" {
			return feature
		}
	}
	for i := range pod.Spec.Containers {
		for _, rule := range containerRules {
			if rule.has(&pod.Spec.Containers[i]) {
				return rule.feature
			}
		}
	}
	return ""
}

type rule[T any] struct {
	feature string
	has     func(*T) bool
}

var podRules = []rule[corev1.Pod]{
	{"DaemonSet pods", func(p *corev1.Pod) bool {
		return slices.ContainsFunc(p.OwnerReferences, func(o metav1.OwnerReference) bool { return o.Kind == "DaemonSet" })
	}},
	{"init containers", func(p *corev1.Pod) bool { return len(p.Spec.InitContainers) > 0 }},
	{"ephemeral containers", func(p *corev1.Pod) bool { return len(p.Spec.EphemeralContainers) > 0 }},
	{"hostNetwork", func(p *corev1.Pod) bool { return p.Spec.HostNetwork }},
	{"hostPID", func(p *corev1.Pod) bool { return p.Spec.HostPID }},
	{"hostIPC", func(p *corev1.Pod) bool { return p.Spec.HostIPC }},
	{"hostname", func(p *corev1.Pod) bool { return p.Spec.Hostname != "" }},
	{"setHostnameAsFQDN", func(p *corev1.Pod) bool { return isTrue(p.Spec.SetHostnameAsFQDN) }},
	{"shareProcessNamespace", func(p *corev1.Pod) bool { return isTrue(p.Spec.ShareProcessNamespace) }},
	{"os", func(p *corev1.Pod) bool { return p.Spec.OS != nil }},
	{"overhead", func(p *corev1.Pod) bool { return len(p.Spec.Overhead) > 0 }},
	{"resource claims", func(p *corev1.Pod) bool { return len(p.Spec.ResourceClaims) > 0 }},
	{"more than one emptyDir volume", func(p *corev1.Pod) bool {
		n := 0
		for _, v := range p.Spec.Volumes {
			if v.EmptyDir != nil {
				n++
			}
		}
		return n > 1
	}},
}

var securityRules = []rule[corev1.PodSecurityContext]{
	{"securityContext.fsGroup", func(s *corev1.PodSecurityContext) bool { return s.FSGroup != nil }},
	{"securityContext.fsGroupChangePolicy", func(s *corev1.PodSecurityContext) bool { return s.FSGroupChangePolicy != nil }},
	{"securityContext.supplementalGroups", func(s *corev1.PodSecurityContext) bool { return len(s.SupplementalGroups) > 0 }},
	{"securityContext.seLinuxOptions", func(s *corev1.PodSecurityContext) bool { return s.SELinuxOptions != nil }},
	{"securityContext.sysctls", func(s *corev1.PodSecurityContext) bool { return len(s.Sysctls) > 0 }},
	{"securityContext.seccompProfile", func(s *corev1.PodSecurityContext) bool { return s.SeccompProfile != nil }},
}

// nodePortFirst and nodePortLast bound the default NodePort range; container ports inside it clash with load balancer backends.
const (
	nodePortFirst = 30000
	nodePortLast  = 32767
)

var containerRules = []rule[corev1.Container]{
	{"privileged containers", containerSecurity(func(s *corev1.SecurityContext) bool { return isTrue(s.Privileged) })},
	{"allowPrivilegeEscalation", containerSecurity(func(s *corev1.SecurityContext) bool { return isTrue(s.AllowPrivilegeEscalation) })},
	{"procMount", containerSecurity(func(s *corev1.SecurityContext) bool {
		return s.ProcMount != nil && *s.ProcMount != corev1.DefaultProcMount
	})},
	{"container seLinuxOptions", containerSecurity(func(s *corev1.SecurityContext) bool { return s.SELinuxOptions != nil })},
	{"container seccompProfile", containerSecurity(func(s *corev1.SecurityContext) bool { return s.SeccompProfile != nil })},
	{"hostPort", func(c *corev1.Container) bool {
		return slices.ContainsFunc(c.Ports, func(p corev1.ContainerPort) bool { return p.HostPort != 0 })
	}},
	{"hostIP", func(c *corev1.Container) bool {
		return slices.ContainsFunc(c.Ports, func(p corev1.ContainerPort) bool { return p.HostIP != "" })
	}},
	{"container ports inside the NodePort range", func(c *corev1.Container) bool {
		return slices.ContainsFunc(c.Ports, func(p corev1.ContainerPort) bool {
			return p.ContainerPort >= nodePortFirst && p.ContainerPort <= nodePortLast
		})
	}},
	{"volumeDevices", func(c *corev1.Container) bool { return len(c.VolumeDevices) > 0 }},
	{"subPath", func(c *corev1.Container) bool {
		return slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.SubPath != "" || m.SubPathExpr != "" })
	}},
	{"mountPropagation", func(c *corev1.Container) bool {
		return slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool {
			return m.MountPropagation != nil && *m.MountPropagation != corev1.MountPropagationNone
		})
	}},
	{"stdin and tty", func(c *corev1.Container) bool { return c.Stdin || c.TTY }},
	{"terminationMessagePath", func(c *corev1.Container) bool {
		return c.TerminationMessagePath != "" && c.TerminationMessagePath != corev1.TerminationMessagePathDefault
	}},
	{"terminationMessagePolicy", func(c *corev1.Container) bool {
		return c.TerminationMessagePolicy != "" && c.TerminationMessagePolicy != corev1.TerminationMessageReadFile
	}},
	{"gRPC probes", func(c *corev1.Container) bool {
		return anyProbe(c, func(p *corev1.Probe) bool { return p.GRPC != nil })
	}},
	{"probe terminationGracePeriodSeconds", func(c *corev1.Container) bool {
		return anyProbe(c, func(p *corev1.Probe) bool { return p.TerminationGracePeriodSeconds != nil })
	}},
	{"downward API resourceFieldRef", func(c *corev1.Container) bool {
		return slices.ContainsFunc(c.Env, func(e corev1.EnvVar) bool { return e.ValueFrom != nil && e.ValueFrom.ResourceFieldRef != nil })
	}},
}

func containerSecurity(has func(*corev1.SecurityContext) bool) func(*corev1.Container) bool {
	return func(c *corev1.Container) bool { return c.SecurityContext != nil && has(c.SecurityContext) }
}

func anyProbe(c *corev1.Container, has func(*corev1.Probe) bool) bool {
	for _, p := range []*corev1.Probe{c.LivenessProbe, c.ReadinessProbe, c.StartupProbe} {
		if p != nil && has(p) {
			return true
		}
	}
	return false
}

// fileStorageDriver is the one kind of claim that virtual nodes mount (File Storage, since 2026-08).
const fileStorageDriver = "fss.csi.oraclecloud.com"

// defaultFileMode is the only mode that files of projected volumes may have.
const defaultFileMode = int32(0o644)

func volumeRefusal(v corev1.Volume, volumeDriver func(string) string) string {
	switch {
	case v.HostPath != nil:
		return "hostPath volumes"
	case v.NFS != nil:
		return "nfs volumes"
	case v.ISCSI != nil:
		return "iscsi volumes"
	case v.CephFS != nil:
		return "cephfs volumes"
	case v.Ephemeral != nil:
		return "ephemeral volume claims"
	case v.CSI != nil && v.CSI.Driver != fileStorageDriver:
		return "CSI inline volumes"
	case v.PersistentVolumeClaim != nil:
		driver := volumeDriver(v.PersistentVolumeClaim.ClaimName)
		if driver == fileStorageDriver {
			return ""
		}
		if driver == "" {
			driver = "unknown driver"
		}
		return "persistent volume claims other than File Storage (" + strings.TrimSpace(driver) + ")"
	case v.EmptyDir != nil && v.EmptyDir.SizeLimit != nil:
		return "emptyDir.sizeLimit"
	case v.EmptyDir != nil && v.EmptyDir.Medium != corev1.StorageMediumDefault && v.EmptyDir.Medium != corev1.StorageMediumMemory:
		return "emptyDir medium " + string(v.EmptyDir.Medium)
	case otherModes(v):
		return "volume file modes other than 0644"
	case v.DownwardAPI != nil && slices.ContainsFunc(v.DownwardAPI.Items, func(f corev1.DownwardAPIVolumeFile) bool { return f.ResourceFieldRef != nil }):
		return "downward API resourceFieldRef"
	}
	return ""
}

func otherModes(v corev1.Volume) bool {
	modes := []*int32{}
	items := func(list []corev1.KeyToPath) {
		for _, i := range list {
			modes = append(modes, i.Mode)
		}
	}
	switch {
	case v.ConfigMap != nil:
		modes = append(modes, v.ConfigMap.DefaultMode)
		items(v.ConfigMap.Items)
	case v.Secret != nil:
		modes = append(modes, v.Secret.DefaultMode)
		items(v.Secret.Items)
	case v.Projected != nil:
		modes = append(modes, v.Projected.DefaultMode)
	case v.DownwardAPI != nil:
		modes = append(modes, v.DownwardAPI.DefaultMode)
	}
	return slices.ContainsFunc(modes, func(m *int32) bool { return m != nil && *m != defaultFileMode })
}

func isTrue(b *bool) bool { return b != nil && *b }
