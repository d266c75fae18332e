package image

import (
	"slices"
	"strings"
	"time"

	"github.com/samber/lo"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
)

// newestFirst orders by Kubernetes version, then by time of creation: several builds share one date in their names. It is a
// total order, so that the same images always give the same choice.
func newestFirst(a, b build) int {
	if a.kubernetes != nil && b.kubernetes != nil && !a.kubernetes.EqualTo(b.kubernetes) {
		if a.kubernetes.LessThan(b.kubernetes) {
			return 1
		}
		return -1
	}
	// An image that does not tell its version goes behind those that do; without this the order would not be transitive.
	if (a.kubernetes == nil) != (b.kubernetes == nil) {
		if a.kubernetes == nil {
			return 1
		}
		return -1
	}
	if c := b.created().Compare(a.created()); c != 0 {
		return c
	}
	return strings.Compare(b.id(), a.id())
}

// adopt decides which of the images of one variant is used. builds are ordered newest first and not empty. The image in use is
// never exchanged for an older one while it can be used and is not held back, so the choice only ever moves forward:
//   - nothing in use and a new class: the newest, at once
//   - nothing of the variant can be used any more: the newest that has soaked, else the newest
//   - Pinned: the one in use
//   - Automatic: the newest that has soaked, or else the one in use
func adopt(builds []build, q Query, now time.Time) v1alpha1.Image {
	if free := lo.Reject(builds, func(b build, _ int) bool { return slices.Contains(q.Held, b.id()) }); len(free) > 0 && q.Adoption != v1alpha1.ImageAdoptionPinned {
		builds = free
	}
	soaked := func(b build) bool { return !b.created().Add(q.Soak).After(now) }
	used := slices.IndexFunc(builds, func(b build) bool {
		return slices.ContainsFunc(q.InUse, func(i v1alpha1.Image) bool { return i.ID == b.id() })
	})
	ripe := slices.IndexFunc(builds, soaked)
	chosen := used
	switch {
	case used < 0 && (len(q.InUse) == 0 || ripe < 0 || q.Adoption == v1alpha1.ImageAdoptionPinned):
		chosen = 0
	case used < 0, q.Adoption != v1alpha1.ImageAdoptionPinned && ripe >= 0 && ripe < used:
		chosen = ripe
	}
	image := builds[chosen].status()
	image.Successor = successor(builds[:chosen], q)
	return image
}

// successor is the next of the newer images to be adopted, which is the one that has soaked first; with Pinned it is the newest.
func successor(newer []build, q Query) *v1alpha1.ImageSuccessor {
	if len(newer) == 0 {
		return nil
	}
	next := newer[0]
	if q.Adoption != v1alpha1.ImageAdoptionPinned {
		next = slices.MinFunc(newer, func(a, b build) int { return a.created().Compare(b.created()) })
	}
	shown := next.status()
	out := &v1alpha1.ImageSuccessor{ID: shown.ID, Name: shown.Name, KubernetesVersion: shown.KubernetesVersion}
	if q.Adoption != v1alpha1.ImageAdoptionPinned {
		// Status keeps whole seconds; the next full one is not too early.
		after := metav1.NewTime(next.created().Add(q.Soak + time.Second - 1).UTC().Truncate(time.Second))
		out.AdoptAfter = &after
	}
	return out
}
