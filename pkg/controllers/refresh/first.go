package refresh

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
)

// Waits between the tries of First. Each try already repeats its calls for a few seconds.
const (
	firstWait   = time.Second
	longestWait = 15 * time.Second
)

// First reads what must be there before anything else starts. A failure of the network or the service, and throttling, are tried again with
// growing waits until the limit would be passed; any other error, such as a wrong OCID or missing rights, is returned at once, since waiting
// does not mend it. Each failed try has its line in the log. The error is the last try's.
func First(ctx context.Context, clk clock.Clock, limit time.Duration, what string, do func(context.Context) error) error {
	begin := clk.Now()
	for attempt := 1; ; attempt++ {
		err := do(ctx)
		if err == nil {
			return nil
		}
		wait, again := firstBackoff(err, attempt)
		if !again || ctx.Err() != nil {
			return err
		}
		if clk.Since(begin)+wait > limit {
			return fmt.Errorf("giving up after %d tries in %s: %w", attempt, clk.Since(begin).Round(time.Second), err)
		}
		log.FromContext(ctx).Info("the first read failed and is tried again", "what", what, "tries", attempt, "retryAfter", wait.Round(time.Millisecond).String(), "error", err.Error())
		timer := clk.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return err
		case <-timer.C():
		}
	}
}

// firstBackoff says whether the error may go away by itself, and how long to wait: as long as OCI asks for, or twice as long as the time
// before, with up to a quarter more so that replicas do not come back together.
func firstBackoff(err error, attempt int) (time.Duration, bool) {
	switch oci.ClassOf(err) {
	case oci.ClassTransient, oci.ClassThrottled:
	default:
		return 0, false
	}
	wait := min(firstWait<<min(attempt-1, 10), longestWait)
	var failure *oci.Error
	if errors.As(err, &failure) {
		wait = max(wait, failure.RetryAfter)
	}
	return wait + jitter(wait/4), true
}
