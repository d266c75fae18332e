package nodeclaim

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"

	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/samber/lo"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/log"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/events"

	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
)

const (
	// consoleAfter is when an instance that runs without a node is looked at: two minutes before core replaces it.
	consoleAfter = coreDeadline - 2*time.Minute
	// consolePoll is how often a capture is asked for its state, and captureLimit for how long: OCI takes some seconds.
	consolePoll  = 5 * time.Second
	captureLimit = time.Minute
	// consolePerPool is how long a NodePool's one look serves all its nodes: a hundred that fail alike need no hundred captures.
	consolePerPool = 10 * time.Minute
	// tailBytes is how much of the end is shown; an event's message has room for 1,024.
	tailBytes = 450
)

// ConsoleAPI reads what an instance wrote to its serial console. It needs the right to manage console-histories.
type ConsoleAPI interface {
	CaptureConsoleHistory(ctx context.Context, instanceID string) (core.ConsoleHistory, error)
	GetConsoleHistory(ctx context.Context, id string) (core.ConsoleHistory, error)
	ConsoleHistoryContent(ctx context.Context, id string) (string, error)
	DeleteConsoleHistory(ctx context.Context, id string) error
}

// consoles tells, once for a NodeClaim, that its instance runs and has not become a node, with the end of its console where the rights to
// read it exist. It is asked every few seconds and never waits.
type consoles struct {
	api          ConsoleAPI
	recorder     events.Recorder
	clock        clock.Clock
	explain      func(claim types.UID, why string) // may be nil
	told         sets.Set[string]                  // UIDs of NodeClaims
	captures     map[string]capture                // under way, by NodeClaim UID
	pools        map[string]time.Time              // when a NodePool's last capture began
	reasons      map[string]string                 // what a NodePool's last console showed
	refusedUntil time.Time
}

type capture struct {
	id, pool     string
	began, asked time.Time
}

func newConsoles(api ConsoleAPI, recorder events.Recorder, clk clock.Clock) *consoles {
	return &consoles{api: api, recorder: recorder, clock: clk, told: sets.New[string](), captures: map[string]capture{},
		pools: map[string]time.Time{}, reasons: map[string]string{}}
}

// look goes one step further with each launch.
func (c *consoles) look(ctx context.Context, launches []launch) {
	young := sets.New[string]()
	for _, l := range launches {
		uid := string(l.claim.UID)
		young.Insert(uid)
		if c.told.Has(uid) || l.instance.State != core.InstanceLifecycleStateRunning || c.clock.Since(since(l.claim)) < consoleAfter {
			continue
		}
		if under, ok := c.captures[uid]; ok {
			c.follow(ctx, l, under)
		} else {
			c.begin(ctx, l)
		}
	}
	c.told = c.told.Intersection(young)
	for uid, under := range c.captures {
		if !young.Has(uid) { // registered or replaced meanwhile
			c.drop(ctx, uid, under)
		}
	}
	for pool, at := range c.pools {
		if c.clock.Since(at) > consolePerPool {
			delete(c.pools, pool)
			delete(c.reasons, pool)
		}
	}
}

// since is the moment from which core counts the time to register.
func since(claim *karpv1.NodeClaim) time.Time {
	if registered := claim.StatusConditions().Get(karpv1.ConditionTypeRegistered); registered != nil && !registered.LastTransitionTime.IsZero() {
		return registered.LastTransitionTime.Time
	}
	return claim.CreationTimestamp.Time
}

func (c *consoles) begin(ctx context.Context, l launch) {
	now, pool := c.clock.Now(), l.claim.Labels[karpv1.NodePoolLabelKey]
	_, lately := c.pools[pool]
	switch {
	case now.Before(c.refusedUntil):
		c.tell(ctx, l, "the controller may not read its console (manage console-histories)")
		return
	case lately && lo.ContainsBy(lo.Values(c.captures), func(under capture) bool { return under.pool == pool }):
		return // what it shows explains this one as well
	case lately:
		c.tell(ctx, l, "an event of another NodeClaim of this NodePool shows the end of its console")
		return
	}
	history, err := c.api.CaptureConsoleHistory(ctx, l.instance.ID)
	if err != nil {
		c.failed(ctx, l, err)
		return
	}
	c.pools[pool] = now
	c.captures[string(l.claim.UID)] = capture{id: oci.Value(history.Id), pool: pool, began: now, asked: now}
}

func (c *consoles) follow(ctx context.Context, l launch, under capture) {
	now, uid := c.clock.Now(), string(l.claim.UID)
	if now.Sub(under.asked) < consolePoll {
		return
	}
	under.asked = now
	c.captures[uid] = under
	history, err := c.api.GetConsoleHistory(ctx, under.id)
	switch {
	case err != nil:
		c.failed(ctx, l, err)
	case history.LifecycleState == core.ConsoleHistoryLifecycleStateSucceeded:
		if text, err := c.api.ConsoleHistoryContent(ctx, under.id); err != nil {
			c.failed(ctx, l, err)
		} else {
			c.reasons[l.claim.Labels[karpv1.NodePoolLabelKey]] = reasonIn(text)
			c.tell(ctx, l, "its console ends with:\n"+tail(text))
		}
	case history.LifecycleState == core.ConsoleHistoryLifecycleStateFailed, now.Sub(under.began) > captureLimit:
		c.tell(ctx, l, "OCI could not read its console")
	default:
		return
	}
	c.drop(ctx, uid, under)
}

// failed tells without the console what a call could not get.
func (c *consoles) failed(ctx context.Context, l launch, err error) {
	if noRight(err) {
		c.refusedUntil = c.clock.Now().Add(refusedFor)
		c.tell(ctx, l, "the controller may not read its console (manage console-histories)")
		return
	}
	c.tell(ctx, l, "its console could not be read: "+err.Error())
}

func (c *consoles) tell(ctx context.Context, l launch, console string) {
	c.told.Insert(string(l.claim.UID))
	why := cmp.Or(c.reasons[l.claim.Labels[karpv1.NodePoolLabelKey]], usualReasons)
	if c.explain != nil {
		c.explain(l.claim.UID, why)
	}
	log.FromContext(ctx).Info("instance runs and has not become a node", "NodeClaim", klog.KObj(l.claim), "instance", l.instance.ID, "reason", why, "console", console)
	c.recorder.Publish(events.Event{
		InvolvedObject: l.claim, Type: corev1.EventTypeWarning, Reason: "NodeNotRegistered",
		Message: fmt.Sprintf("Instance %s runs and has not become a node after %d minutes; Karpenter replaces it after %d: %s; %s",
			l.instance.ID, int((deadlineOf(l.claim) - coreDeadline + consoleAfter).Minutes()), int(deadlineOf(l.claim).Minutes()), why, console),
		DedupeValues: []string{string(l.claim.UID)},
	})
}

// drop removes a capture, which OCI would keep with the instance.
func (c *consoles) drop(ctx context.Context, uid string, under capture) {
	delete(c.captures, uid)
	if err := c.api.DeleteConsoleHistory(ctx, under.id); err != nil && !noRight(err) {
		log.FromContext(ctx).V(1).Info("console history stays", "id", under.id, "error", err.Error())
	}
}

// escapes are terminal control sequences, which colour the console's lines.
var escapes = regexp.MustCompile(`\x1b\[[0-9;?]*[A-Za-z]`)

// tail is the end of a console's text in whole lines, without control characters and empty lines.
func tail(text string) string {
	text = escapes.ReplaceAllString(strings.ToValidUTF8(text, "?"), "")
	text = strings.Map(func(r rune) rune {
		if r != '\n' && !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, text)
	var lines []string
	size := 0
	for all := strings.Split(text, "\n"); len(all) > 0; all = all[:len(all)-1] {
		line := strings.TrimSpace(all[len(all)-1])
		if line == "" {
			continue
		}
		if size += len(line) + 1; size > tailBytes {
			if len(lines) == 0 {
				lines = []string{strings.ToValidUTF8(line[len(line)-tailBytes:], "")}
			}
			break
		}
		lines = append([]string{line}, lines...)
	}
	if len(lines) == 0 {
		return "(nothing)"
	}
	return strings.Join(lines, "\n")
}
