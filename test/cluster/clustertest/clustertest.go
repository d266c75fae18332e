// Package clustertest helps tests that need a control plane.
package clustertest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/karpenter-oke/karpenter-oke/test/cluster"
)

// Plane starts a control plane for a test and stops it at the test's end. It fails the test at once, naming the command that mends
// it, when the programs have not been built.
func Plane(t testing.TB, o cluster.Options) *cluster.Plane {
	t.Helper()
	plane, err := cluster.Start(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, plane.Stop(context.Background())) })
	return plane
}

// Client returns a client with all rights.
func Client(t testing.TB, plane *cluster.Plane) kubernetes.Interface {
	t.Helper()
	client, err := kubernetes.NewForConfig(plane.RESTConfig())
	require.NoError(t, err)
	return client
}

// Run runs something in the background until the test ends and then checks that it ended well.
func Run(t testing.TB, name string, run func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			require.NoError(t, err, name)
		case <-time.After(20 * time.Second):
			require.Fail(t, name+" does not end")
		}
	})
}

// Pod returns a small pod bound by the scheduler; change what the test is about.
func Pod(name string, change ...func(*corev1.Pod)) *corev1.Pod {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: metav1.NamespaceDefault},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "registry.example/app:1"}}},
	}
	for _, c := range change {
		c(pod)
	}
	return pod
}

// Eventually waits until check passes; its last complaint is the failure.
func Eventually(t testing.TB, within time.Duration, what string, check func(context.Context) (bool, string)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	last := ""
	for {
		ok, complaint := check(ctx)
		if ok {
			return
		}
		if ctx.Err() == nil {
			last = complaint
		}
		select {
		case <-ctx.Done():
			require.Fail(t, what, "not within %s: %s", within, last)
		case <-tick.C:
		}
	}
}

// PodPhase waits until a pod is in a phase.
func PodPhase(t testing.TB, client kubernetes.Interface, name string, phase corev1.PodPhase, within time.Duration) *corev1.Pod {
	t.Helper()
	var pod *corev1.Pod
	Eventually(t, within, "pod "+name+" is "+string(phase), func(ctx context.Context) (bool, string) {
		var err error
		pod, err = client.CoreV1().Pods(metav1.NamespaceDefault).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return false, err.Error()
		}
		return pod.Status.Phase == phase, "it is " + string(pod.Status.Phase) + " on " + pod.Spec.NodeName + ": " + pod.Status.Message
	})
	return pod
}
