package nodeclass

import (
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
)

// fuzzFor is how long random specs are tried on every run of the tests.
const fuzzFor = 3 * time.Second

// TestNoSpecBreaksTheController resolves random specs, valid or not: no panic, a reason for every condition, and the same outcome
// twice.
func TestNoSpecBreaksTheController(t *testing.T) {
	s := newSuite(t)
	words := s.words()
	seed := uint64(time.Now().UnixNano())
	for end := time.Now().Add(fuzzFor); time.Now().Before(end); seed++ {
		s.tryRandomSpec(t, seed, words)
	}
}

// FuzzReconcile is the same for as long as "go test -fuzz" is told.
func FuzzReconcile(f *testing.F) {
	for seed := range uint64(3) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		s := newSuite(t)
		s.tryRandomSpec(t, seed, s.words())
	})
}

func (s *suite) tryRandomSpec(t *testing.T, seed uint64, words []string) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 0))
	require.NoError(t, s.kube.Get(t.Context(), client.ObjectKeyFromObject(s.class), s.class))
	s.class.Spec = v1alpha1.OciNodeClassSpec{}
	fill(reflect.ValueOf(&s.class.Spec).Elem(), r, words)
	// Half of the specs find what a node needs at least, so that random values meet what was resolved.
	if r.IntN(2) == 0 {
		s.class.Spec.VCNID, s.class.Spec.ImageSelector = "", []v1alpha1.ImageSelectorTerm{{OSFamily: "Oracle Linux", OSVersion: "8"}}
		s.class.Spec.SubnetSelector = []v1alpha1.SubnetSelectorTerm{{Name: "nodes-1"}}
		s.class.Spec.SecurityGroupSelector = nil
	}
	s.class.Generation++
	require.NoError(t, s.kube.Update(t.Context(), s.class))
	s.t = t
	s.reconcile()
	for _, condition := range s.class.StatusConditions().List() {
		require.NotEmpty(t, condition.Reason, "seed %d: %+v", seed, condition)
		require.Equal(t, s.class.Generation, condition.ObservedGeneration, "seed %d: %+v", seed, condition)
		if !condition.IsTrue() {
			require.NotEmpty(t, condition.Message, "seed %d: %+v", seed, condition)
		}
	}
	before := s.class.DeepCopy()
	s.reconcile()
	require.Equal(t, before.Status, s.class.Status, "seed %d", seed)
}

// words are what texts in random specs are made of: what exists in the region, what could, and what should not.
func (s *suite) words() []string {
	w := s.region.World
	key, err := s.region.AddKey("key", "")
	require.NoError(s.t, err)
	return []string{
		"", "*", "x", "nodes-1", "pods-1", "nodes", "workloads", w.NodeSubnetIDs[0], w.NodeSubnetIDs[1], w.PodSubnetIDs[0], w.NSGIDs[0], w.CompartmentID, w.TenancyID, w.VCNID, key,
		"ocid1.subnet.oc1.phx.none", "ocid1.key.oc1.phx.a", "ocid1.image.oc1.phx.none", "Oracle Linux", "Ubuntu", "8", "24.04", "auto", "v1.36.1", "v", "Custom", "Flannel", "VCNNative", "Pinned", "k8s_version",
		"FAULT-DOMAIN-1", "../..", "a/b?c=d#e", "%00", "ü\n\"'$(x)`", "\x00", "\xff", "{{.}}", "1e400", "-1",
	}
}

// fill sets every field to something at random, leaving about half of the optional ones out.
func fill(v reflect.Value, r *rand.Rand, words []string) {
	word := func() string { return words[r.IntN(len(words))] }
	switch v.Kind() {
	case reflect.String:
		v.SetString(word())
	case reflect.Bool:
		v.SetBool(r.IntN(2) == 0)
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt([]int64{-1, 0, 1, 50, 1 << 31, 1 << 62}[r.IntN(6)])
		if v.Type() == reflect.TypeFor[time.Duration]() {
			v.SetInt(int64(time.Hour) * []int64{-1, 0, 1, 24, 2_000_000}[r.IntN(5)])
		}
	case reflect.Pointer:
		if r.IntN(2) == 0 {
			v.Set(reflect.New(v.Type().Elem()))
			fill(v.Elem(), r, words)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), r.IntN(3), 3))
		for i := range v.Len() {
			fill(v.Index(i), r, words)
		}
	case reflect.Map:
		if r.IntN(2) == 0 {
			return
		}
		v.Set(reflect.MakeMap(v.Type()))
		for range r.IntN(3) {
			item := reflect.New(v.Type().Elem()).Elem()
			fill(item, r, words)
			v.SetMapIndex(reflect.ValueOf(word()).Convert(v.Type().Key()), item)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[metav1.Time]() {
			return
		}
		for i := range v.NumField() {
			// Terms with every condition set find nothing; leave some out.
			if v.Field(i).CanSet() && (v.Field(i).Kind() != reflect.String || r.IntN(2) == 0) {
				fill(v.Field(i), r, words)
			}
		}
	}
}
