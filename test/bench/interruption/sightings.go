package interruption

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
)

// sightings are when NodeClaims of before were first seen to be deleted, and when new ones were first seen.
type sightings struct {
	old map[types.UID]bool

	mu      sync.Mutex
	deleted map[types.UID]time.Time
	made    map[types.UID]time.Time
}

func newSightings(claims []karpv1.NodeClaim) *sightings {
	s := &sightings{old: map[types.UID]bool{}, deleted: map[types.UID]time.Time{}, made: map[types.UID]time.Time{}}
	for i := range claims {
		s.old[claims[i].UID] = true
	}
	return s
}

// watch follows the NodeClaims until ctx ends, and returns when those that are there have been seen. An informer resumes a watch that ended and
// lists what was missed meanwhile: that is seen late, so a figure may come out too high by it and never too low.
func (s *sightings) watch(ctx context.Context, config *rest.Config) error {
	informers, err := cache.New(config, cache.Options{Scheme: scheme.Scheme})
	if err != nil {
		return fmt.Errorf("watching NodeClaims: %w", err)
	}
	informer, err := informers.GetInformer(ctx, &karpv1.NodeClaim{}, cache.BlockUntilSynced(false))
	if err != nil {
		return fmt.Errorf("watching NodeClaims: %w", err)
	}
	registered, err := informer.AddEventHandler(s.handler(time.Now))
	if err != nil {
		return fmt.Errorf("watching NodeClaims: %w", err)
	}
	go func() { _ = informers.Start(ctx) }() // it ends with ctx alone, once it has begun
	if !toolscache.WaitForCacheSync(ctx.Done(), registered.HasSynced) {
		return fmt.Errorf("watching NodeClaims: %w", context.Cause(ctx))
	}
	return nil
}

func (s *sightings) handler(now func() time.Time) toolscache.ResourceEventHandler {
	return toolscache.ResourceEventHandlerFuncs{
		AddFunc:    func(object any) { s.see(object, false, now()) },
		UpdateFunc: func(_, object any) { s.see(object, false, now()) },
		DeleteFunc: func(object any) {
			if missed, ok := object.(toolscache.DeletedFinalStateUnknown); ok {
				object = missed.Obj
			}
			s.see(object, true, now())
		},
	}
}

func (s *sightings) see(object any, gone bool, now time.Time) {
	claim, ok := object.(*karpv1.NodeClaim)
	if !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	of, due := s.made, true
	if s.old[claim.UID] {
		of, due = s.deleted, gone || !claim.DeletionTimestamp.IsZero()
	}
	if _, known := of[claim.UID]; due && !known {
		of[claim.UID] = now
	}
}

// missing says what was not seen yet; empty when every NodeClaim was deleted and as many were made.
func (s *sightings) missing() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.deleted) == len(s.old) && len(s.made) >= len(s.old) {
		return ""
	}
	return fmt.Sprintf("%d of %d are deleted, %d were made", len(s.deleted), len(s.old), len(s.made))
}

// took is how many seconds after its publication each was seen to be deleted, sorted.
func (s *sightings) took(published map[types.UID]time.Time) (seconds []float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for uid, at := range s.deleted {
		seconds = append(seconds, max(at.Sub(published[uid]), 0).Seconds())
	}
	slices.Sort(seconds)
	return seconds
}

// bought is how many seconds after begin each new one was seen, sorted.
func (s *sightings) bought(begin time.Time) (seconds []float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, at := range s.made {
		seconds = append(seconds, max(at.Sub(begin), 0).Seconds())
	}
	slices.Sort(seconds)
	return seconds
}
