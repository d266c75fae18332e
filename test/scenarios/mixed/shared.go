package mixed

import (
	"context"

	"github.com/karpenter-oke/karpenter-oke/test/environment/record"
)

// Await is what other scenarios wait with: it returns when met says so; see await.
func (s *Stage) Await(ctx context.Context, what string, met func(*record.Recording) (ok bool, seen string)) error {
	return s.await(ctx, what, met)
}

// NothingBought is met when no NodeClaim, no Karpenter node and no instance of the controller is left.
func NothingBought(r *record.Recording) (ok bool, seen string) { return nothingBought(r) }

// NothingLeft expects that nothing is left behind in OCI either.
func NothingLeft(r *record.Recording) (passed bool, detail string) { return nothingLeft(r) }
