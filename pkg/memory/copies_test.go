package memory

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"
	toolstesting "k8s.io/client-go/tools/cache/testing"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// oneInformer stands for the cache of every kind.
type oneInformer struct{ toolscache.SharedIndexInformer }

func (o oneInformer) GetInformer(context.Context, client.Object, ...cache.InformerGetOption) (cache.Informer, error) {
	return o.SharedIndexInformer, nil
}

func never(*corev1.Pod) bool { return false }

func TestTheCacheHoldsOnlyWhatIsRead(t *testing.T) {
	source := toolstesting.NewFakeControllerSource()
	given := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("2")}
	source.Add(&corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "default", Name: "a", Labels: map[string]string{"app": "a"},
			Annotations:   map[string]string{corev1.LastAppliedConfigAnnotation: "{}", "mine": "1"},
			ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "kubelet", FieldsV1: metav1.NewFieldsV1(`{"f:status":{}}`)}},
		},
		Status: corev1.PodStatus{Phase: corev1.PodRunning, ContainerStatuses: []corev1.ContainerStatus{{
			Name: "main", Image: "web", ImageID: "web@sha256:1", Ready: true, AllocatedResources: given, Resources: &corev1.ResourceRequirements{Requests: given},
		}, {Name: "side", Ready: true}}},
	})
	informer := toolscache.NewSharedIndexInformer(source, &corev1.Pod{}, 0, toolscache.Indexers{})
	require.NoError(t, StripCopies(t.Context(), oneInformer{informer}, never))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); informer.RunWithContext(ctx) }()
	require.Eventually(t, informer.HasSynced, time.Minute, time.Millisecond)
	held, there, err := informer.GetStore().GetByKey("default/a")
	require.NoError(t, err)
	require.True(t, there)
	require.Empty(t, held.(*corev1.Pod).ManagedFields)
	require.Equal(t, map[string]string{"app": "a"}, held.(*corev1.Pod).Labels)
	require.Equal(t, map[string]string{"mine": "1"}, held.(*corev1.Pod).Annotations)
	require.Equal(t, corev1.PodStatus{Phase: corev1.PodRunning, ContainerStatuses: []corev1.ContainerStatus{{
		Name: "main", AllocatedResources: given, Resources: &corev1.ResourceRequirements{Requests: given},
	}}}, held.(*corev1.Pod).Status, "core reads what a container was given, also where it was changed while it runs")
	require.Error(t, StripCopies(t.Context(), oneInformer{informer}, never), "a cache that was started can not be changed any more, and says so")
	cancel()
	<-ended
}
