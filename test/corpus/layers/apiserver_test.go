package layers_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-oke/karpenter-oke/pkg/lint"
	"github.com/karpenter-oke/karpenter-oke/test/cluster"
	"github.com/karpenter-oke/karpenter-oke/test/cluster/clustertest"
	"github.com/karpenter-oke/karpenter-oke/test/corpus/layers"
)

// A real API server takes every manifest but those whose header says why not, and the pods that it makes of the templates, with its
// defaults and its admission, are decided as the templates are.
func TestAnAPIServerTakesTheCorpusAndItsDefaultsChangeNoDecision(t *testing.T) {
	specs := load(t)
	plane := clustertest.Plane(t, cluster.Options{})
	kube, err := client.New(plane.RESTConfig(), client.Options{})
	require.NoError(t, err)
	prepare(t, kube, specs)
	dry := client.NewDryRunClient(kube)
	filter := newFilter(t, "amd64", surroundings(t, specs...)...)
	for _, s := range specs {
		d := workload(t, s)
		err := dry.Create(t.Context(), &unstructured.Unstructured{Object: d.Object})
		if s.Refused != "" {
			require.Error(t, err, "%s: the header says that it is refused: %s", s.File, s.Refused)
			continue
		}
		require.NoError(t, err, s.File)

		pod, _, err := lint.Pod(d, "default")
		require.NoError(t, err)
		if pod.Name == "" {
			pod.Name = strings.TrimSuffix(pod.GenerateName, "-") + "-0"
		}
		for i := range pod.OwnerReferences {
			pod.OwnerReferences[i].UID = types.UID("owner")
		}
		require.NoError(t, dry.Create(t.Context(), pod), s.File)
		require.NotEmpty(t, pod.Spec.SchedulerName, "%s: the API server writes its defaults into the pod", s.File)
		got := filter.Decide(pod)
		require.Equal(t, s.X86, layers.Outcome{Layer: string(got.Layer), Rule: got.Rule}, s.File)
		want := s.Blockers
		if pod.Spec.HostNetwork && got.Feature != nil && got.Feature.Name != "host-port" {
			want = append([]string{"host-port"}, want...) // on the host's network every port is the host's
		}
		require.Subset(t, want, names(filter.Blockers(pod)), s.File)
	}
}

// prepare makes what pods refer to and admission looks for.
func prepare(t *testing.T, kube client.Client, specs []layers.Spec) {
	t.Helper()
	create := func(o client.Object) {
		if err := kube.Create(t.Context(), o); !apierrors.IsAlreadyExists(err) {
			require.NoError(t, err, "%s %s", o.GetObjectKind().GroupVersionKind().Kind, o.GetName())
		}
	}
	for _, s := range specs {
		for _, d := range s.Documents {
			switch d.Kind() {
			case "Namespace", "RuntimeClass", "PriorityClass":
				create(&unstructured.Unstructured{Object: d.Object})
			}
		}
	}
	for _, s := range specs {
		pod := podOf(t, s)
		create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: pod.Namespace}})
		account := pod.Spec.ServiceAccountName
		if account == "" {
			account = "default"
		}
		create(&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: account, Namespace: pod.Namespace}})
	}
}
