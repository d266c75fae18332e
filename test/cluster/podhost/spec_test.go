package podhost

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/utils/ptr"
)

func samplePod() *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "shop", UID: "u"},
		Spec: corev1.PodSpec{
			NodeName: "host", ServiceAccountName: "sa",
			Containers: []corev1.Container{{Name: "main", Resources: corev1.ResourceRequirements{
				Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1500m")},
				Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1Gi")},
			}}},
		},
	}
}

func TestEnvironmentIsWhatThePodSays(t *testing.T) {
	kube := fake.NewClientset(
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "keys", Namespace: "shop"}, Data: map[string][]byte{"a": []byte("secret")}},
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "config", Namespace: "shop"}, Data: map[string]string{"b": "plain"}},
	)
	from := func(name string, source corev1.EnvVarSource) corev1.EnvVar {
		return corev1.EnvVar{Name: name, ValueFrom: &source}
	}
	amountOf := func(name, divisor string) *corev1.ResourceFieldSelector {
		return &corev1.ResourceFieldSelector{ContainerName: "main", Resource: name, Divisor: resource.MustParse(divisor)}
	}
	pod := samplePod()
	c := &pod.Spec.Containers[0]
	c.Env = []corev1.EnvVar{
		{Name: "PLAIN", Value: "is $(GIVEN), not $(NOBODY) nor $$(GIVEN)"},
		from("NAMESPACE", corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.namespace"}}),
		from("CPU", corev1.EnvVarSource{ResourceFieldRef: amountOf("requests.cpu", "1m")}),
		from("WHOLE_CPU", corev1.EnvVarSource{ResourceFieldRef: amountOf("requests.cpu", "0")}),
		from("MEMORY", corev1.EnvVarSource{ResourceFieldRef: amountOf("limits.memory", "1")}),
		from("MEBIBYTES", corev1.EnvVarSource{ResourceFieldRef: amountOf("limits.memory", "1Mi")}),
		from("KEY", corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: "keys"}, Key: "a"}}),
		from("CONFIG", corev1.EnvVarSource{ConfigMapKeyRef: &corev1.ConfigMapKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: "config"}, Key: "b"}}),
		from("OPTIONAL", corev1.EnvVarSource{ConfigMapKeyRef: &corev1.ConfigMapKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: "config"}, Key: "x", Optional: ptr.To(true)}}),
	}
	values, err := environment(t.Context(), kube, pod, c, map[string]string{"GIVEN": "given"})
	require.NoError(t, err)
	require.Equal(t, map[string]string{
		"GIVEN": "given", "PLAIN": "is given, not $(NOBODY) nor $(GIVEN)", "NAMESPACE": "shop", "CPU": "1500", "WHOLE_CPU": "2",
		"MEMORY": "1073741824", "MEBIBYTES": "1024", "KEY": "secret", "CONFIG": "plain",
	}, values)

	for says, bad := range map[string]corev1.EnvVar{
		"container \"main\" has no limits.cpu": from("X", corev1.EnvVarSource{ResourceFieldRef: amountOf("limits.cpu", "1")}),
		"secret keys has no key z":             from("X", corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: "keys"}, Key: "z"}}),
		`the field "spec.hostname" is not`:     from("X", corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "spec.hostname"}}),
		"its source is not known":              from("X", corev1.EnvVarSource{}),
	} {
		c.Env = []corev1.EnvVar{bad}
		_, err := environment(t.Context(), kube, pod, c, nil)
		require.ErrorContains(t, err, says)
	}
}

func TestOnlyPortsOfArgumentsAreMapped(t *testing.T) {
	next := int32(40000)
	free := func() (int32, error) { next++; return next, nil }
	declared := []corev1.ContainerPort{{Name: "metrics", ContainerPort: 8080}, {Name: "health", ContainerPort: 8081}}
	args := []string{"--metrics-port=8080", "--limit=8080", "--health-probe-port=8081", "--cluster=x-port=80801"}
	mapped, ports, err := mapPorts(args, declared, free)
	require.NoError(t, err)
	require.Equal(t, []string{"--metrics-port=40001", "--limit=8080", "--health-probe-port=40002", "--cluster=x-port=80801"}, mapped)
	require.Equal(t, map[int32]int32{8080: 40001, 8081: 40002}, ports)
	require.Equal(t, "--metrics-port=8080", args[0], "what was given stays")
	_, _, err = mapPorts([]string{"--limit=8080"}, declared, free)
	require.ErrorContains(t, err, "port 8080 is in no argument")
}

func TestUser(t *testing.T) {
	pod := samplePod()
	c := &pod.Spec.Containers[0]
	uid, gid, err := user(pod, c, "65532:65533")
	require.NoError(t, err)
	require.Equal(t, []uint32{65532, 65533}, []uint32{uid, gid}, "the image's, when the pod says nothing")
	pod.Spec.SecurityContext = &corev1.PodSecurityContext{RunAsUser: ptr.To[int64](7), RunAsGroup: ptr.To[int64](8), RunAsNonRoot: ptr.To(true)}
	c.SecurityContext = &corev1.SecurityContext{RunAsGroup: ptr.To[int64](9)}
	uid, gid, err = user(pod, c, "")
	require.NoError(t, err)
	require.Equal(t, []uint32{7, 9}, []uint32{uid, gid})
	pod.Spec.SecurityContext.RunAsUser = nil
	_, _, err = user(pod, c, "")
	require.ErrorContains(t, err, "would run as root")
	_, _, err = user(pod, c, "nobody")
	require.ErrorContains(t, err, "is no number")
}
