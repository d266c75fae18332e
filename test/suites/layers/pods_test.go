package layers_test

import (
	"github.com/samber/lo"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func small() corev1.ResourceRequirements {
	list := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("250m"), corev1.ResourceMemory: resource.MustParse("256Mi")}
	return corev1.ResourceRequirements{Requests: list, Limits: list}
}

func all(edits ...func(*corev1.PodSpec)) func(*corev1.PodSpec) {
	return func(spec *corev1.PodSpec) {
		for _, edit := range edits {
			edit(spec)
		}
	}
}

// burst names the virtual nodes' taint and leaves the choice of nodes open.
func burst(spec *corev1.PodSpec) {
	spec.Tolerations = append(spec.Tolerations, corev1.Toleration{Key: "virtual-kubelet.io/provider", Operator: corev1.TolerationOpExists})
}

// onlyVirtual selects virtual nodes besides.
func onlyVirtual(spec *corev1.PodSpec) {
	burst(spec)
	spec.NodeSelector = map[string]string{"type": "virtual-node"}
}

func blanket(spec *corev1.PodSpec) {
	spec.Tolerations = append(spec.Tolerations, corev1.Toleration{Operator: corev1.TolerationOpExists})
}

func hostPort(spec *corev1.PodSpec) {
	spec.Containers[0].Ports = []corev1.ContainerPort{{ContainerPort: 8080, HostPort: 8080}}
}

func claim(name string) func(*corev1.PodSpec) {
	return func(spec *corev1.PodSpec) {
		spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: name},
		}}}
		spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "data", MountPath: "/data"}}
	}
}

func cpu(amount string) func(*corev1.PodSpec) {
	return func(spec *corev1.PodSpec) {
		list := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(amount), corev1.ResourceMemory: resource.MustParse("1Gi")}
		spec.Containers[0].Resources = corev1.ResourceRequirements{Requests: list, Limits: list}
	}
}

// nearPods wants to be in the zone of the pods with the label.
func nearPods(label, value string) func(*corev1.PodSpec) {
	return func(spec *corev1.PodSpec) {
		term := corev1.PodAffinityTerm{TopologyKey: corev1.LabelTopologyZone}
		term.LabelSelector = lo.ToPtr(selectorOf(label, value))
		spec.Affinity = &corev1.Affinity{PodAffinity: &corev1.PodAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{term}}}
	}
}

func selectorOf(label, value string) metav1.LabelSelector {
	return metav1.LabelSelector{MatchLabels: map[string]string{label: value}}
}

// buffer asks for room for one pod of 3 CPUs.
const buffer = `
apiVersion: v1
kind: PodTemplate
metadata: {name: {{.Name}}, namespace: default}
template:
  spec:
    tolerations: {{.Tolerations}}
    nodeSelector: {{.Selector}}
    containers:
      - name: main
        image: registry.example/main:1
        resources: {requests: {cpu: "3", memory: 1Gi}, limits: {cpu: "3", memory: 1Gi}}
---
apiVersion: autoscaling.x-k8s.io/v1beta1
kind: CapacityBuffer
metadata: {name: {{.Name}}, namespace: default}
spec:
  podTemplateRef: {name: {{.Name}}}
  replicas: 1
`
