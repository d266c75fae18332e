package ocisim

import (
	"fmt"
	"time"

	"golang.org/x/time/rate"
)

// throttle is the service's own limit on requests. The table does not change once the simulator is made.
type throttle map[string]*rate.Limiter

func newThrottle(mostPerSecond map[string]float64) (throttle, error) {
	t := throttle{}
	for operation, most := range mostPerSecond {
		if most <= 0 {
			return nil, fmt.Errorf("%v requests a second of %s are no limit: it must be above 0", most, operation)
		}
		t[operation] = rate.NewLimiter(rate.Limit(most), max(1, int(most)))
	}
	return t, nil
}

// admits says whether one more request is taken now; one that is not does not count against the limit.
func (t throttle) admits(operation string, now time.Time) bool {
	limiter, bounded := t[operation]
	return !bounded || limiter.AllowN(now, 1)
}
