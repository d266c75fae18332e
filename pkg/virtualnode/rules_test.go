package virtualnode

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
)

func main0(edit func(*corev1.Container)) func(*corev1.Pod) {
	return func(p *corev1.Pod) { edit(&p.Spec.Containers[0]) }
}

func security(s corev1.SecurityContext) func(*corev1.Pod) {
	return main0(func(c *corev1.Container) { c.SecurityContext = &s })
}

func podSecurity(s corev1.PodSecurityContext) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Spec.SecurityContext = &s }
}

func volume(v corev1.VolumeSource) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Spec.Volumes = append(p.Spec.Volumes, corev1.Volume{Name: "v", VolumeSource: v})
	}
}

func limit(name corev1.ResourceName, amount string) func(*corev1.Pod) {
	return main0(func(c *corev1.Container) {
		q := resource.MustParse(amount)
		c.Resources.Limits, c.Resources.Requests = corev1.ResourceList{name: q}, corev1.ResourceList{name: q}
	})
}

func owner(apiVersion, kind string) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.OwnerReferences = []metav1.OwnerReference{{APIVersion: apiVersion, Kind: kind}} }
}

func ptrTo[T any](v T) *T { return &v }

// ruleCases holds for every rule pods that break it, and pods near it that do not.
var ruleCases = map[string]struct{ breaks, keeps []func(*corev1.Pod) }{
	"daemonset":  {breaks: []func(*corev1.Pod){owner("apps/v1", "DaemonSet")}, keeps: []func(*corev1.Pod){owner("apps/v1", "ReplicaSet"), owner("example.com/v1", "DaemonSet")}},
	"static-pod": {breaks: []func(*corev1.Pod){owner("v1", "Node")}},
	"karpenter-labels": {
		breaks: []func(*corev1.Pod){
			selector(karpv1.NodePoolLabelKey, "x"), selector("karpenter.k8s.oracle/instance-gpu-name", "a10"), affinity(term(karpv1.CapacityTypeLabelKey, corev1.NodeSelectorOpIn, "spot")),
			affinity(term("karpenter.k8s.oracle/instance-ocpu", corev1.NodeSelectorOpGt, "3"), term(karpv1.NodePoolLabelKey, corev1.NodeSelectorOpExists)),
		},
		keeps: []func(*corev1.Pod){
			selector("type", "virtual-node"), selector(LayerKey, "virtual"), affinity(term(karpv1.NodePoolLabelKey, corev1.NodeSelectorOpDoesNotExist)),
			affinity(term(karpv1.CapacityTypeLabelKey, corev1.NodeSelectorOpNotIn, "spot")), affinity(),
			affinity(term(karpv1.NodePoolLabelKey, corev1.NodeSelectorOpExists), term("type", corev1.NodeSelectorOpExists)),
		},
	},
	"extended-resources": {
		breaks: []func(*corev1.Pod){limit("nvidia.com/gpu", "1"), limit("attachable-volumes-x", "1")},
		keeps:  []func(*corev1.Pod){limit("nvidia.com/gpu", "0"), limit(corev1.ResourceEphemeralStorage, "1Gi")},
	},
	"hugepages":       {breaks: []func(*corev1.Pod){limit("hugepages-2Mi", "2Mi")}},
	"resource-claims": {breaks: []func(*corev1.Pod){func(p *corev1.Pod) { p.Spec.ResourceClaims = []corev1.PodResourceClaim{{Name: "gpu"}} }, main0(func(c *corev1.Container) { c.Resources.Claims = []corev1.ResourceClaim{{Name: "gpu"}} })}},
	"too-large": {
		breaks: []func(*corev1.Pod){limit(corev1.ResourceCPU, "128001m"), limit(corev1.ResourceMemory, "1025Gi"), limit(corev1.ResourceCPU, "9223372036854775807"), limit(corev1.ResourceMemory, "1e40"),
			func(p *corev1.Pod) {
				limit(corev1.ResourceCPU, "65")(p)
				p.Spec.Containers = append(p.Spec.Containers, *p.Spec.Containers[0].DeepCopy())
			},
			func(p *corev1.Pod) {
				p.Spec.Resources = &corev1.ResourceRequirements{Limits: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("129")}}
			}},
		keeps: []func(*corev1.Pod){limit(corev1.ResourceCPU, "128"), limit(corev1.ResourceMemory, "1Ti"), main0(func(c *corev1.Container) {
			c.Resources.Requests[corev1.ResourceCPU] = resource.MustParse("500") // the limit beats the request
		})},
	},
	"ephemeral-storage": {breaks: []func(*corev1.Pod){limit(corev1.ResourceEphemeralStorage, "16Gi")}, keeps: []func(*corev1.Pod){limit(corev1.ResourceEphemeralStorage, "15Gi")}},
	"windows":           {breaks: []func(*corev1.Pod){func(p *corev1.Pod) { p.Spec.OS = &corev1.PodOS{Name: corev1.Windows} }}, keeps: []func(*corev1.Pod){func(p *corev1.Pod) { p.Spec.OS = &corev1.PodOS{Name: corev1.Linux} }}},
	"runtime-class": {breaks: []func(*corev1.Pod){func(p *corev1.Pod) { p.Spec.RuntimeClassName = ptrTo("kata") }, func(p *corev1.Pod) {
		p.Spec.Overhead = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")}
	}}},

	"persistent-volume-claim": {breaks: []func(*corev1.Pod){pvc}},
	"file-storage-claim":      {breaks: []func(*corev1.Pod){claim("shared")}, keeps: []func(*corev1.Pod){pvc}},
	"ephemeral-volume":        {breaks: []func(*corev1.Pod){volume(corev1.VolumeSource{Ephemeral: &corev1.EphemeralVolumeSource{}})}},
	"host-path":               {breaks: []func(*corev1.Pod){volume(corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/"}})}},
	"network-volume": {breaks: []func(*corev1.Pod){volume(corev1.VolumeSource{NFS: &corev1.NFSVolumeSource{}}), volume(corev1.VolumeSource{ISCSI: &corev1.ISCSIVolumeSource{}}),
		volume(corev1.VolumeSource{CephFS: &corev1.CephFSVolumeSource{}})}},
	"other-volume": {
		breaks: []func(*corev1.Pod){volume(corev1.VolumeSource{CSI: &corev1.CSIVolumeSource{Driver: "x"}}), volume(corev1.VolumeSource{Image: &corev1.ImageVolumeSource{}}), volume(corev1.VolumeSource{RBD: &corev1.RBDVolumeSource{}})},
		keeps: []func(*corev1.Pod){volume(corev1.VolumeSource{}), volume(corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{}}), volume(corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{}}),
			volume(corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}), volume(corev1.VolumeSource{DownwardAPI: &corev1.DownwardAPIVolumeSource{}}), volume(corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{}})},
	},
	"several-empty-dirs": {breaks: []func(*corev1.Pod){func(p *corev1.Pod) {
		volume(corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}})(p)
		volume(corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}})(p)
	}}, keeps: []func(*corev1.Pod){volume(corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}})}},
	"empty-dir-size-limit": {breaks: []func(*corev1.Pod){volume(corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{SizeLimit: ptrTo(resource.MustParse("1Gi"))}})}},
	"empty-dir-medium": {breaks: []func(*corev1.Pod){volume(corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumHugePages}})},
		keeps: []func(*corev1.Pod){volume(corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory}})}},
	"file-modes": {breaks: []func(*corev1.Pod){
		volume(corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{DefaultMode: ptrTo[int32](0o600)}}),
		volume(corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{Items: []corev1.KeyToPath{{Mode: ptrTo[int32](0o400)}}}}),
		volume(corev1.VolumeSource{DownwardAPI: &corev1.DownwardAPIVolumeSource{Items: []corev1.DownwardAPIVolumeFile{{Mode: ptrTo[int32](0o400)}}}}),
		volume(corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{DefaultMode: ptrTo[int32](0o755)}}),
		volume(corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{{Secret: &corev1.SecretProjection{Items: []corev1.KeyToPath{{Mode: ptrTo[int32](0)}}}}}}}),
	}, keeps: []func(*corev1.Pod){volume(corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{DefaultMode: ptrTo[int32](0o644)}})}},
	"downward-api-resources": {breaks: []func(*corev1.Pod){
		main0(func(c *corev1.Container) {
			c.Env = []corev1.EnvVar{{ValueFrom: &corev1.EnvVarSource{ResourceFieldRef: &corev1.ResourceFieldSelector{Resource: "limits.cpu"}}}}
		}),
		volume(corev1.VolumeSource{DownwardAPI: &corev1.DownwardAPIVolumeSource{Items: []corev1.DownwardAPIVolumeFile{{ResourceFieldRef: &corev1.ResourceFieldSelector{}}}}}),
		volume(corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{{DownwardAPI: &corev1.DownwardAPIProjection{
			Items: []corev1.DownwardAPIVolumeFile{{ResourceFieldRef: &corev1.ResourceFieldSelector{}}}}}}}}),
	}, keeps: []func(*corev1.Pod){main0(func(c *corev1.Container) {
		c.Env = []corev1.EnvVar{{ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "status.podIP"}}}}
	})}},
	"sub-path": {breaks: []func(*corev1.Pod){main0(func(c *corev1.Container) { c.VolumeMounts = []corev1.VolumeMount{{SubPath: "a"}} }), main0(func(c *corev1.Container) { c.VolumeMounts = []corev1.VolumeMount{{SubPathExpr: "$(A)"}} })}},
	"mount-propagation": {breaks: []func(*corev1.Pod){main0(func(c *corev1.Container) {
		c.VolumeMounts = []corev1.VolumeMount{{MountPropagation: ptrTo(corev1.MountPropagationBidirectional)}}
	})}, keeps: []func(*corev1.Pod){main0(func(c *corev1.Container) {
		c.VolumeMounts = []corev1.VolumeMount{{MountPropagation: ptrTo(corev1.MountPropagationNone)}}
	})}},
	"volume-devices": {breaks: []func(*corev1.Pod){main0(func(c *corev1.Container) { c.VolumeDevices = []corev1.VolumeDevice{{}} })}},

	"init-containers":      {breaks: []func(*corev1.Pod){func(p *corev1.Pod) { p.Spec.InitContainers = []corev1.Container{{}} }}},
	"ephemeral-containers": {breaks: []func(*corev1.Pod){func(p *corev1.Pod) { p.Spec.EphemeralContainers = []corev1.EphemeralContainer{{}} }}},
	"host-network":         {breaks: []func(*corev1.Pod){func(p *corev1.Pod) { p.Spec.HostNetwork = true }}},
	"host-namespaces":      {breaks: []func(*corev1.Pod){func(p *corev1.Pod) { p.Spec.HostPID = true }, func(p *corev1.Pod) { p.Spec.HostIPC = true }}},
	"host-port": {breaks: []func(*corev1.Pod){main0(func(c *corev1.Container) { c.Ports = []corev1.ContainerPort{{HostPort: 80}} }),
		main0(func(c *corev1.Container) { c.Ports = []corev1.ContainerPort{{HostIP: "10.0.0.1"}} })}},
	"hostname": {breaks: []func(*corev1.Pod){func(p *corev1.Pod) { p.Spec.Hostname = "db-0" }, func(p *corev1.Pod) { p.Spec.SetHostnameAsFQDN = ptrTo(true) }, func(p *corev1.Pod) { p.Spec.HostnameOverride = ptrTo("x") }},
		keeps: []func(*corev1.Pod){func(p *corev1.Pod) { p.Spec.SetHostnameAsFQDN = ptrTo(false) }}},
	"shared-processes": {breaks: []func(*corev1.Pod){func(p *corev1.Pod) { p.Spec.ShareProcessNamespace = ptrTo(true) }}, keeps: []func(*corev1.Pod){func(p *corev1.Pod) { p.Spec.ShareProcessNamespace = ptrTo(false) }}},
	"fs-group":         {breaks: []func(*corev1.Pod){podSecurity(corev1.PodSecurityContext{FSGroup: ptrTo[int64](0)}), podSecurity(corev1.PodSecurityContext{FSGroupChangePolicy: ptrTo(corev1.FSGroupChangeAlways)})}},
	"supplemental-groups": {breaks: []func(*corev1.Pod){podSecurity(corev1.PodSecurityContext{SupplementalGroups: []int64{1}})},
		keeps: []func(*corev1.Pod){podSecurity(corev1.PodSecurityContext{RunAsUser: ptrTo[int64](1000), RunAsNonRoot: ptrTo(true)})}},
	"sysctls": {breaks: []func(*corev1.Pod){podSecurity(corev1.PodSecurityContext{Sysctls: []corev1.Sysctl{{Name: "a", Value: "b"}}})}},
	"selinux": {breaks: []func(*corev1.Pod){podSecurity(corev1.PodSecurityContext{SELinuxOptions: &corev1.SELinuxOptions{}}), security(corev1.SecurityContext{SELinuxOptions: &corev1.SELinuxOptions{}})}},
	"seccomp": {breaks: []func(*corev1.Pod){podSecurity(corev1.PodSecurityContext{SeccompProfile: &corev1.SeccompProfile{}}), security(corev1.SecurityContext{SeccompProfile: &corev1.SeccompProfile{}})}},

	"privileged":           {breaks: []func(*corev1.Pod){security(corev1.SecurityContext{Privileged: ptrTo(true)})}, keeps: []func(*corev1.Pod){security(corev1.SecurityContext{Privileged: ptrTo(false)})}},
	"privilege-escalation": {breaks: []func(*corev1.Pod){security(corev1.SecurityContext{AllowPrivilegeEscalation: ptrTo(true)})}, keeps: []func(*corev1.Pod){security(corev1.SecurityContext{AllowPrivilegeEscalation: ptrTo(false), ReadOnlyRootFilesystem: ptrTo(true)})}},
	"proc-mount":           {breaks: []func(*corev1.Pod){security(corev1.SecurityContext{ProcMount: ptrTo(corev1.UnmaskedProcMount)})}, keeps: []func(*corev1.Pod){security(corev1.SecurityContext{ProcMount: ptrTo(corev1.DefaultProcMount)})}},
	"grpc-probe": {breaks: []func(*corev1.Pod){main0(func(c *corev1.Container) {
		c.LivenessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{GRPC: &corev1.GRPCAction{}}}
	})}, keeps: []func(*corev1.Pod){main0(func(c *corev1.Container) {
		c.StartupProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{}}}
	})}},
	"node-port-range": {breaks: []func(*corev1.Pod){main0(func(c *corev1.Container) { c.Ports = []corev1.ContainerPort{{ContainerPort: 30000}} }), main0(func(c *corev1.Container) { c.Ports = []corev1.ContainerPort{{ContainerPort: 32767}} })},
		keeps: []func(*corev1.Pod){main0(func(c *corev1.Container) {
			c.Ports = []corev1.ContainerPort{{ContainerPort: 29999}, {ContainerPort: 32768}}
		})}},

	"requests-not-limits": {breaks: []func(*corev1.Pod){main0(func(c *corev1.Container) { c.Resources.Limits[corev1.ResourceCPU] = resource.MustParse("2") }), main0(func(c *corev1.Container) { c.Resources.Limits = nil })},
		keeps: []func(*corev1.Pod){main0(func(c *corev1.Container) { c.Resources.Limits[corev1.ResourceCPU] = resource.MustParse("0.25") })}},
	"pod-level-resources": {breaks: []func(*corev1.Pod){func(p *corev1.Pod) {
		p.Spec.Resources = &corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")}}
	}}},
	"termination-message": {breaks: []func(*corev1.Pod){main0(func(c *corev1.Container) { c.TerminationMessagePath = "/x" }), main0(func(c *corev1.Container) { c.TerminationMessagePolicy = corev1.TerminationMessageFallbackToLogsOnError })},
		keeps: []func(*corev1.Pod){main0(func(c *corev1.Container) { c.TerminationMessagePath = corev1.TerminationMessagePathDefault })}},
	"termination-grace": {breaks: []func(*corev1.Pod){func(p *corev1.Pod) { p.Spec.TerminationGracePeriodSeconds = ptrTo[int64](60) }}, keeps: []func(*corev1.Pod){func(p *corev1.Pod) { p.Spec.TerminationGracePeriodSeconds = ptrTo[int64](30) }}},
	"probe-grace": {breaks: []func(*corev1.Pod){main0(func(c *corev1.Container) {
		c.LivenessProbe = &corev1.Probe{TerminationGracePeriodSeconds: ptrTo[int64](1)}
	})}},
	"interactive":      {breaks: []func(*corev1.Pod){main0(func(c *corev1.Container) { c.Stdin = true }), main0(func(c *corev1.Container) { c.TTY = true })}},
	"pod-os":           {breaks: []func(*corev1.Pod){func(p *corev1.Pod) { p.Spec.OS = &corev1.PodOS{Name: corev1.Linux} }}},
	"privileged-false": {breaks: []func(*corev1.Pod){security(corev1.SecurityContext{Privileged: ptrTo(false)})}},
	"volume-updates": {breaks: []func(*corev1.Pod){
		volume(corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{}}), volume(corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{}}),
	}, keeps: []func(*corev1.Pod){volume(corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{}})}},
	"subdomain": {breaks: []func(*corev1.Pod){func(p *corev1.Pod) { p.Spec.Subdomain = "web" }}},
	"service-mesh": {breaks: []func(*corev1.Pod){annotation("sidecar.istio.io/status", "{}"), annotation("linkerd.io/proxy-version", "edge")},
		keeps: []func(*corev1.Pod){annotation("sidecar.istio.io/inject", "false")}},
	"ocir-pull-secret": {breaks: []func(*corev1.Pod){
		image("phx.ocir.io/tenancy/web:1"), image("ocir.us-phoenix-1.oci.oraclecloud.com/tenancy/web:1"),
	}, keeps: []func(*corev1.Pod){
		image("registry.example/phx.ocir.io/web:1"), image("ocir.io"), image("ocir.example.com/web:1"),
		func(p *corev1.Pod) {
			image("phx.ocir.io/tenancy/web:1")(p)
			p.Spec.ImagePullSecrets = []corev1.LocalObjectReference{{Name: "ocir"}}
		},
	}},
	"added-capabilities": {breaks: []func(*corev1.Pod){security(corev1.SecurityContext{Capabilities: &corev1.Capabilities{Add: []corev1.Capability{"NET_ADMIN"}}})}, keeps: []func(*corev1.Pod){security(corev1.SecurityContext{Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}})}},
}

func TestEveryRuleHasCasesThatBreakIt(t *testing.T) {
	names := []string{}
	for name := range ruleCases {
		names = append(names, name)
	}
	require.ElementsMatch(t, RuleNames(), names)
}

func TestRulesHoldForThePodsTheyAreAbout(t *testing.T) {
	s := testFilter(DefaultConfig(), testClock()).index.Snapshot()
	for _, rule := range Rules() {
		t.Run(rule.Name, func(t *testing.T) {
			require.NotEmpty(t, rule.Message)
			require.NotEmpty(t, rule.Source)
			require.False(t, rule.Test(pendingPod("plain")), "a plain pod breaks the rule")
			require.False(t, rule.Test(&corev1.Pod{}), "an empty pod breaks the rule")
			if rule.Name != "volume-updates" { // the typical pod mounts a ConfigMap
				require.False(t, rule.Test(typicalPod("typical", burst)), "a pod as the API server returns it breaks the rule")
			}
			require.NotEmpty(t, ruleCases[rule.Name].breaks)
			for i, edit := range ruleCases[rule.Name].breaks {
				require.True(t, rule.matches(s, pendingPod("p", edit)), "case %d does not break the rule", i)
			}
			for i, edit := range ruleCases[rule.Name].keeps {
				require.False(t, rule.matches(s, pendingPod("p", edit)), "case %d breaks the rule", i)
			}
		})
	}
}

func TestHardRulesDecideAndAdvisoryOnesDoNot(t *testing.T) {
	f := testFilter(DefaultConfig(), testClock(), vnode("virtual-1"), nodePool("general", nil))
	for _, rule := range Rules() {
		for i, edit := range ruleCases[rule.Name].breaks {
			pod := pendingPod("p", byKey, edit)
			d := f.Decide(pod)
			if rule.Severity == Advisory {
				require.True(t, d.Skip(), "%s case %d", rule.Name, i)
				require.Contains(t, ruleNamesOf(f.Advisories(pod)), rule.Name)
				continue
			}
			require.Equal(t, RuleNeedsManaged, d.Rule, "%s case %d", rule.Name, i)
			require.Contains(t, ruleNamesOf(f.Blockers(pod)), rule.Name)
		}
	}
}

func ruleNamesOf(rules []Rule) []string {
	names := []string{}
	for _, r := range rules {
		names = append(names, r.Name)
	}
	return names
}

func TestRulesCanBeTurnedOffAndAdded(t *testing.T) {
	cfg := DefaultConfig()
	cfg.DisabledRules = []string{"persistent-volume-claim"}
	cfg.ExtraRules = []Rule{{Name: "no-web", Severity: Hard, Message: "is a web pod", Source: "us", Test: func(p *corev1.Pod) bool { return p.Labels["app"] == "web-ui" }}}
	require.NoError(t, cfg.Validate())
	f := testFilter(cfg, testClock(), vnode("virtual-1"))

	require.True(t, f.Decide(pendingPod("p", byKey, pvc)).Skip())
	d := f.Decide(pendingPod("p", byKey, func(p *corev1.Pod) { p.Labels["app"] = "web-ui" }))
	require.Equal(t, "no-web", d.Feature.Name)
	require.False(t, testFilter(DefaultConfig(), testClock(), vnode("virtual-1")).Decide(pendingPod("p", byKey, pvc)).Skip())
}

func image(name string) func(*corev1.Pod) {
	return main0(func(c *corev1.Container) { c.Image = name })
}
