package preflight

import (
	"context"
	"os"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
)

const (
	// eventTimeout bounds the last words of a process that ends.
	eventTimeout = 5 * time.Second
	// mostMessage is the longest message that the API server takes in an event.
	mostMessage = 1024
)

// Pod is the pod that this process runs in, as far as events need it: by the environment that the chart sets. nil outside a cluster.
func Pod(namespace string) *corev1.Pod {
	name, uid := os.Getenv("POD_NAME"), os.Getenv("POD_UID")
	if name == "" || uid == "" || namespace == "" {
		return nil
	}
	return &corev1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, UID: types.UID(uid)},
	}
}

// CannotStart writes why the process ends as an event of its pod, for people who describe the pod before they read its log. It is best effort.
func CannotStart(ctx context.Context, client corev1client.EventsGetter, pod *corev1.Pod, cause string) error {
	ctx, cancel := context.WithTimeout(ctx, eventTimeout)
	defer cancel()
	if len(cause) > mostMessage {
		cause = strings.ToValidUTF8(cause[:mostMessage-3], "") + "..."
	}
	now := metav1.Now()
	_, err := client.Events(pod.Namespace).Create(ctx, &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{GenerateName: pod.Name + ".", Namespace: pod.Namespace},
		InvolvedObject: corev1.ObjectReference{APIVersion: "v1", Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID},
		Type:           corev1.EventTypeWarning, Reason: "CannotStart", Message: cause,
		Source: corev1.EventSource{Component: "karpenter-oke"}, FirstTimestamp: now, LastTimestamp: now, Count: 1,
	}, metav1.CreateOptions{})
	return err
}
