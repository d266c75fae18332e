package virtualnodes

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

func TestRefusal(t *testing.T) {
	container := func(change func(*corev1.Container)) func(*corev1.Pod) {
		return func(p *corev1.Pod) { change(&p.Spec.Containers[0]) }
	}
	volumes := func(sources ...corev1.VolumeSource) func(*corev1.Pod) {
		return func(p *corev1.Pod) {
			for _, s := range sources {
				p.Spec.Volumes = append(p.Spec.Volumes, corev1.Volume{VolumeSource: s})
			}
		}
	}
	claim := func(name string) corev1.VolumeSource {
		return corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: name}}
	}
	empty := corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}
	tests := map[string]struct {
		change  func(*corev1.Pod)
		feature string // empty: taken
	}{
		"a plain pod is taken":                        {func(*corev1.Pod) {}, ""},
		"one emptyDir is taken":                       {volumes(empty), ""},
		"a second emptyDir is refused":                {volumes(empty, empty), "more than one emptyDir"},
		"an emptyDir in memory is taken":              {volumes(corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory}}), ""},
		"an emptyDir of huge pages is refused":        {volumes(corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{Medium: "HugePages"}}), "emptyDir medium"},
		"an emptyDir with a limit is refused":         {volumes(corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{SizeLimit: ptr.To(resource.MustParse("1Gi"))}}), "sizeLimit"},
		"hostPath is refused":                         {volumes(corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/"}}), "hostPath"},
		"nfs is refused":                              {volumes(corev1.VolumeSource{NFS: &corev1.NFSVolumeSource{}}), "nfs"},
		"a claim on block storage is refused":         {volumes(claim("block")), "blockvolume"},
		"a claim on File Storage is taken":            {volumes(claim("fss")), ""},
		"a claim that nobody knows is refused":        {volumes(claim("none")), "unknown driver"},
		"a config map with the usual modes is taken":  {volumes(corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{DefaultMode: ptr.To[int32](0o644)}}), ""},
		"a config map with scripts' modes is refused": {volumes(corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{DefaultMode: ptr.To[int32](0o755)}}), "file modes"},
		"an init container is refused":                {func(p *corev1.Pod) { p.Spec.InitContainers = []corev1.Container{{}} }, "init containers"},
		"hostNetwork is refused":                      {func(p *corev1.Pod) { p.Spec.HostNetwork = true }, "hostNetwork"},
		"fsGroup is refused":                          {func(p *corev1.Pod) { p.Spec.SecurityContext = &corev1.PodSecurityContext{FSGroup: ptr.To[int64](1)} }, "fsGroup"},
		"runAsNonRoot is taken":                       {func(p *corev1.Pod) { p.Spec.SecurityContext = &corev1.PodSecurityContext{RunAsNonRoot: ptr.To(true)} }, ""},
		"a DaemonSet's pod is refused":                {func(p *corev1.Pod) { p.OwnerReferences = []metav1.OwnerReference{{Kind: "DaemonSet"}} }, "DaemonSet"},
		"a privileged container is refused":           {container(func(c *corev1.Container) { c.SecurityContext = &corev1.SecurityContext{Privileged: ptr.To(true)} }), "privileged"},
		"a container that drops capabilities is taken": {container(func(c *corev1.Container) {
			c.SecurityContext = &corev1.SecurityContext{ReadOnlyRootFilesystem: ptr.To(true)}
		}), ""},
		"a host port is refused":                      {container(func(c *corev1.Container) { c.Ports = []corev1.ContainerPort{{ContainerPort: 80, HostPort: 80}} }), "hostPort"},
		"a port inside the NodePort range is refused": {container(func(c *corev1.Container) { c.Ports = []corev1.ContainerPort{{ContainerPort: 30080}} }), "NodePort"},
		"subPath is refused":                          {container(func(c *corev1.Container) { c.VolumeMounts = []corev1.VolumeMount{{SubPath: "a"}} }), "subPath"},
		"an HTTP probe is taken": {container(func(c *corev1.Container) {
			c.LivenessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{}}}
		}), ""},
		"a gRPC probe is refused": {container(func(c *corev1.Container) {
			c.ReadinessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{GRPC: &corev1.GRPCAction{}}}
		}), "gRPC"},
		"a terminal is refused": {container(func(c *corev1.Container) { c.TTY = true }), "tty"},
		"the API server's message defaults are taken": {container(func(c *corev1.Container) {
			c.TerminationMessagePath, c.TerminationMessagePolicy = "/dev/termination-log", "File"
		}), ""},
		"a termination message from the log is refused": {container(func(c *corev1.Container) { c.TerminationMessagePolicy = corev1.TerminationMessageFallbackToLogsOnError }), "terminationMessagePolicy"},
	}
	drivers := map[string]string{"block": "blockvolume.csi.oraclecloud.com", "fss": "fss.csi.oraclecloud.com"}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			pod := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "main"}}}}
			tt.change(pod)
			got := Refusal(pod, func(c string) string { return drivers[c] })
			if tt.feature == "" {
				require.Empty(t, got)
			} else {
				require.Contains(t, got, tt.feature)
			}
		})
	}
}

func TestBilledSize(t *testing.T) {
	container := func(cpuRequest, cpuLimit, memory string) corev1.Container {
		c := corev1.Container{Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{}, Limits: corev1.ResourceList{}}}
		for list, value := range map[*corev1.ResourceList]string{&c.Resources.Requests: cpuRequest, &c.Resources.Limits: cpuLimit} {
			if value != "" {
				(*list)[corev1.ResourceCPU] = resource.MustParse(value)
			}
		}
		if memory != "" {
			c.Resources.Requests[corev1.ResourceMemory] = resource.MustParse(memory)
		}
		return c
	}
	tests := map[string]struct {
		containers []corev1.Container
		perOCPU    int
		want       Size
	}{
		"nothing named gives the smallest instance":   {[]corev1.Container{container("", "", "")}, 2, Size{1, 1}},
		"a quarter of a CPU is a whole OCPU":          {[]corev1.Container{container("250m", "", "512Mi")}, 2, Size{1, 1}},
		"two CPUs are one OCPU of E4":                 {[]corev1.Container{container("2", "", "2Gi")}, 2, Size{1, 3}},
		"two CPUs are two OCPUs of A1":                {[]corev1.Container{container("2", "", "2Gi")}, 1, Size{2, 3}},
		"a limit beats a request":                     {[]corev1.Container{container("1", "5", "1Gi")}, 2, Size{3, 2}},
		"containers add up and are rounded only then": {[]corev1.Container{container("1", "", "1Gi"), container("1500m", "", "1Gi")}, 2, Size{2, 3}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tt.want, BilledSize(&corev1.Pod{Spec: corev1.PodSpec{Containers: tt.containers}}, tt.perOCPU))
		})
	}
}
