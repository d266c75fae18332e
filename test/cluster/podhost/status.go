package podhost

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// status is how the pod is, in its API's words.
func (c *container) status(pod *corev1.Pod) *corev1.PodStatus {
	c.mu.Lock()
	defer c.mu.Unlock()
	ready := corev1.ConditionFalse
	if c.ready {
		ready = corev1.ConditionTrue
	}
	since := metav1.NewTime(c.since)
	status := pod.Status.DeepCopy()
	status.Message = ""
	status.Phase, status.PodIP, status.HostIP = corev1.PodRunning, loopback, loopback
	status.PodIPs, status.HostIPs = []corev1.PodIP{{IP: loopback}}, []corev1.HostIP{{IP: loopback}}
	if status.StartTime == nil {
		status.StartTime = &since
	}
	started := c.started
	status.ContainerStatuses = []corev1.ContainerStatus{{
		Name: c.spec.Name, Image: c.spec.Image, ImageID: c.spec.Image, Ready: c.ready, Started: &started, RestartCount: c.restarts,
		State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: since}},
	}}
	set(status, corev1.PodInitialized, corev1.ConditionTrue)
	set(status, corev1.ContainersReady, ready)
	set(status, corev1.PodReady, ready)
	return status
}

// set writes a condition, with the time of its last change.
func set(status *corev1.PodStatus, kind corev1.PodConditionType, value corev1.ConditionStatus) {
	for i := range status.Conditions {
		c := &status.Conditions[i]
		if c.Type != kind {
			continue
		}
		if c.Status != value {
			c.Status, c.LastTransitionTime = value, metav1.Now()
		}
		return
	}
	status.Conditions = append(status.Conditions, corev1.PodCondition{Type: kind, Status: value, LastTransitionTime: metav1.Now()})
}

// sameStatus says whether nothing changed that others go by.
func sameStatus(is, want *corev1.PodStatus) bool {
	if is.Phase != want.Phase || len(is.ContainerStatuses) != 1 {
		return false
	}
	a, b := &is.ContainerStatuses[0], &want.ContainerStatuses[0]
	return a.Ready == b.Ready && a.RestartCount == b.RestartCount && a.Started != nil && *a.Started == *b.Started
}
