package capacity

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/shape"
)

// ttls is how long a learned mark holds, before jitter. Hosts come free within minutes; limits and quotas change when nodes go or a person
// raises them; a shape that an availability domain does not have comes with a catalogue that is read every few hours.
var ttls = map[Reason]time.Duration{
	ReasonOutOfHostCapacity: 3 * time.Minute,
	ReasonLimitExceeded:     10 * time.Minute,
	ReasonQuotaExceeded:     10 * time.Minute,
	ReasonShapeNotFound:     time.Hour,
}

// Learn marks what a failed launch of an offering says cannot be had, also one that failed after OCI had accepted it. An error that says
// nothing of capacity, such as a 429, marks nothing.
func (u *Unavailable) Learn(ctx context.Context, o Offering, err error) {
	var failure *oci.Error
	if !errors.As(err, &failure) {
		return
	}
	switch failure.Class {
	case oci.ClassCapacity:
		if failure.Status == http.StatusNotFound && o.Reservation == "" { // the zone does not have the shape at all
			u.learn(ctx, Entry{Offering: Offering{Shape: o.Shape, Zone: o.Zone}, Reason: ReasonShapeNotFound})
			return
		}
		u.learn(ctx, Entry{Offering: o, Reason: ReasonOutOfHostCapacity})
	case oci.ClassLimit:
		for _, e := range u.limited(o, failure) {
			u.learn(ctx, e)
		}
	}
}

// limited are the marks of a limit or quota that a launch met: those of the limits that the message names, or of the refused size when it
// names none.
func (u *Unavailable) limited(o Offering, failure *oci.Error) []Entry {
	reason := ReasonLimitExceeded
	if failure.Code == "QuotaExceeded" {
		reason = ReasonQuotaExceeded
	}
	var entries []Entry
	for _, limit := range LimitNames(failure.Message) {
		for _, mark := range limitMarks(limit, o, u.snapshot()) {
			entries = append(entries, Entry{Offering: mark, Reason: reason, Limit: limit})
		}
	}
	if len(entries) > 0 {
		return entries
	}
	// A limit counts on-demand and preemptible instances alike, in every fault domain; a regional one counts every zone.
	o.CapacityType, o.FaultDomain, o.Reservation = "", "", ""
	if strings.Contains(failure.Message, "regional") {
		o.Zone = ""
	}
	return []Entry{{Offering: o, Reason: reason}}
}

func (u *Unavailable) learn(ctx context.Context, e Entry) { u.mark(ctx, e, jitter(ttls[e.Reason])) }

func (u *Unavailable) snapshot() *shape.Snapshot {
	if u.shapes == nil {
		return nil
	}
	return u.shapes.Snapshot()
}

// jitter lengthens a time by up to a fifth, so that what became unavailable together does not come back together.
func jitter(d time.Duration) time.Duration { return d + rand.N(d/5) } //nolint:gosec // jitter is no secret
