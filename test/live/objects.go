package live

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

// Get reads an object that must be there.
func (s *Spec) Get(object client.Object, namespace, name string) {
	s.Helper()
	require.NoError(s.T, s.Client().Get(s.Context(), client.ObjectKey{Namespace: namespace, Name: name}, object))
}

// Claims are the NodeClaims of a NodePool, or of all with "", the oldest first.
func (s *Spec) Claims(pool string) []karpv1.NodeClaim {
	s.Helper()
	list := &karpv1.NodeClaimList{}
	require.NoError(s.T, s.Client().List(s.Context(), list))
	claims := lo.Filter(list.Items, func(c karpv1.NodeClaim, _ int) bool { return pool == "" || c.Labels[karpv1.NodePoolLabelKey] == pool })
	slices.SortFunc(claims, func(a, b karpv1.NodeClaim) int { return a.CreationTimestamp.Compare(b.CreationTimestamp.Time) })
	return claims
}

// Instance is what the simulator holds of an instance, terminated ones included.
func (s *Spec) Instance(id string) ocisim.Instance {
	s.Helper()
	for _, i := range s.Simulator().Instances() {
		if i.ID == id {
			return i
		}
	}
	require.FailNow(s.T, "no such instance", id)
	return ocisim.Instance{}
}

// InstanceOf is the instance of a NodeClaim that was launched.
func (s *Spec) InstanceOf(claim *karpv1.NodeClaim) ocisim.Instance {
	s.Helper()
	require.NotEmpty(s.T, claim.Status.ProviderID, "NodeClaim %s has no instance", claim.Name)
	return s.Instance(claim.Status.ProviderID)
}

// Runs waits until a pod of namespace default runs, and returns its node.
func (s *Spec) Runs(pod string) *corev1.Node {
	s.Helper()
	p := &corev1.Pod{}
	s.Eventually("pod "+pod+" to run", func() string {
		s.Get(p, "default", pod)
		if p.Status.Phase != corev1.PodRunning {
			return fmt.Sprintf("it is %s: %v", p.Status.Phase, p.Status.Conditions)
		}
		return ""
	})
	return s.Node(p.Spec.NodeName)
}

// Node is a node that must be there.
func (s *Spec) Node(name string) *corev1.Node {
	s.Helper()
	node := &corev1.Node{}
	s.Get(node, "", name)
	return node
}

// EventuallyEvent waits for an event, which is written behind the back of what it tells about, and returns its message. Any object of the
// kind will do when name is "".
func (s *Spec) EventuallyEvent(reason, kind, name string) (message string) {
	s.Helper()
	s.Eventually(fmt.Sprintf("event %s on %s %s", reason, kind, name), func() string {
		events := &corev1.EventList{}
		require.NoError(s.T, s.Client().List(s.Context(), events))
		found, ok := lo.Find(events.Items, func(e corev1.Event) bool {
			return e.Reason == reason && e.InvolvedObject.Kind == kind && (name == "" || e.InvolvedObject.Name == name)
		})
		message = found.Message
		return lo.Ternary(ok, "", fmt.Sprintf("none among %d events", len(events.Items)))
	})
	return message
}

// Metric reads one series of the controller as it is written, labels in the order of their names; a missing one is 0.
func (s *Spec) Metric(series string) float64 {
	s.Helper()
	for _, line := range s.scrape() {
		if value, found := strings.CutPrefix(line, series+" "); found {
			return s.number(value)
		}
	}
	return 0
}

// Metrics are the values of a metric's series that have the labels, among others.
func (s *Spec) Metrics(name string, labels map[string]string) []float64 {
	s.Helper()
	var values []float64
	for _, line := range s.scrape() {
		rest, found := strings.CutPrefix(line, name)
		if !found || rest[0] != '{' && rest[0] != ' ' {
			continue
		}
		if lo.EveryBy(lo.Entries(labels), func(l lo.Entry[string, string]) bool {
			return strings.Contains(line, fmt.Sprintf("%s=%q", l.Key, l.Value))
		}) {
			values = append(values, s.number(line[strings.LastIndexByte(line, ' ')+1:]))
		}
	}
	return values
}

// scrape reads the lines of the controller's metrics.
func (s *Spec) scrape() []string {
	s.Helper()
	request, err := http.NewRequestWithContext(s.Context(), http.MethodGet, s.MetricsURL(), nil)
	require.NoError(s.T, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(s.T, err)
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	require.NoError(s.T, err)
	return strings.Split(string(body), "\n")
}

func (s *Spec) number(text string) float64 {
	s.Helper()
	value, err := strconv.ParseFloat(text, 64)
	require.NoError(s.T, err)
	return value
}

// EventuallyMetric waits until a series is as it should be.
func (s *Spec) EventuallyMetric(series string, good func(float64) bool) {
	s.Helper()
	s.Eventually(series, func() string {
		is := s.Metric(series)
		return lo.Ternary(good(is), "", fmt.Sprint(is))
	})
}
