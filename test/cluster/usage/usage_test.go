package usage

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
)

func TestCPUTimeGrowsAsThePodsUseIt(t *testing.T) {
	clk := clocktesting.NewFakePassiveClock(time.UnixMilli(1000))
	cores := 0.5
	k := &Kubelets{clock: clk, of: func(*corev1.Pod) Use { return Use{CPU: cores, Memory: 1 << 20} }, seconds: map[types.UID]*counter{}}
	pods := []corev1.Pod{
		{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "a", UID: "1"}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c"}}}, Status: corev1.PodStatus{Phase: corev1.PodRunning}},
		{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "b", UID: "2"}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c"}}}, Status: corev1.PodStatus{Phase: corev1.PodPending}},
	}
	const labels = `{container="c",namespace="default",pod="a"} `
	require.Contains(t, k.text(pods), "container_cpu_usage_seconds_total"+labels+"0.010000 1000\n")
	clk.SetTime(time.UnixMilli(11_000))
	cores = 2 // from now on
	text := k.text(pods)
	require.Contains(t, text, "container_cpu_usage_seconds_total"+labels+"5.010000 11000\n")
	require.Contains(t, text, "container_memory_working_set_bytes"+labels+"1048576 11000\n")
	require.NotContains(t, text, `pod="b"`)
	clk.SetTime(time.UnixMilli(12_000))
	require.Contains(t, k.text(pods), "container_cpu_usage_seconds_total"+labels+"7.010000 12000\n")
}
