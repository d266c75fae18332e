package footprint

import (
	"time"

	"github.com/karpenter-oke/karpenter-oke/test/bench/stand"
)

// rare are the operations of which a window of some minutes may hold none, with the time between two reads. One read takes the calls given
// here.
var rare = map[string]struct {
	every time.Duration
	calls float64
}{
	"ListLimitValues":         {time.Hour, 4}, // two pages, for the limits and for the look at the controller's rights
	"ListVnicAttachments":     {time.Hour, 2}, // rights
	"ListVolumeAttachments":   {time.Hour, 2}, // rights
	"GetResourceAvailability": {10 * time.Minute, 1},
	"ListAvailabilityDomains": {6 * time.Hour, 1},
	"ListShapes":              {6 * time.Hour, 3}, // one for each availability domain
	"ListProducts":            {12 * time.Hour, 1},
}

// hourly is how many calls an hour a window stands for.
func hourly(window stand.Calls, took time.Duration) float64 {
	sum := 0.0
	for operation, n := range window {
		if _, seldom := rare[operation]; !seldom {
			sum += float64(n) * float64(time.Hour) / float64(took)
		}
	}
	for _, r := range rare {
		sum += r.calls * float64(time.Hour) / float64(r.every)
	}
	return sum
}
