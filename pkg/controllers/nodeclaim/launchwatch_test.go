package nodeclaim

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/oracle/oci-go-sdk/v65/workrequests"
	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	testclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/events"
	"sigs.k8s.io/karpenter/pkg/test"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/capacity"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/inventory"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
	"github.com/karpenter-oke/karpenter-oke/test/ocitest"
)

// late is a region whose time the test moves, with launches that are watched.
type late struct {
	*ocitest.Region
	t           *testing.T
	clock       *testclock.FakeClock
	kube        client.Client
	inv         *inventory.DefaultProvider
	unavailable *capacity.Unavailable
	recorder    *test.EventRecorder
	explained   map[types.UID]string
	watch       *LaunchWatchController
	exhausted   exhausted
}

// exhausted are subnets that are said to have no address left.
type exhausted []string

func (l *late) Exhaust(subnetID string) { l.exhausted = append(l.exhausted, subnetID) }

// newLate is a region where an instance takes a minute to start and to end.
func newLate(t *testing.T, options ocisim.Options) *late {
	t.Helper()
	l := &late{t: t, clock: testclock.NewFakeClock(noon), kube: newKube(pool()), recorder: test.NewEventRecorder(), explained: map[types.UID]string{}}
	options.Clock, options.ProvisioningDelay, options.TerminationDelay = l.clock, time.Minute, time.Minute
	l.Region = ocitest.Start(t, options)
	l.restart()
	return l
}

// restart forgets what the process knew.
func (l *late) restart() {
	l.inv = inventory.NewProvider(l.Client, inventory.OneCompartment(l.World.CompartmentID), l.World.ClusterID, l.clock)
	l.unavailable = capacity.NewUnavailable(l.clock)
	l.watch = NewLaunchWatchController(l.kube, l.recorder, l.inv, l.Client, l.unavailable, l.clock).
		Explaining(func(claim types.UID, why string) { l.explained[claim] = why }).Noting(l)
}

// start launches an instance for a NodeClaim, as Create does, and records it.
func (l *late) start(name string) string {
	l.t.Helper()
	c := claim(name, "uid-"+name, "")
	c.CreationTimestamp = metav1.NewTime(l.clock.Now())
	raw, workRequest := l.Launch(name, inventory.OwnerOf(c).Tags(l.World.ClusterID))
	i, ours := inventory.FromSDK(raw, l.World.ClusterID)
	require.True(l.t, ours)
	i.WorkRequestID = workRequest
	l.inv.NoteLaunched(i)
	c.Status.ProviderID = i.ID
	c.Annotations = map[string]string{v1alpha1.AnnotationSubnetID: "subnet-of-" + name}
	require.NoError(l.t, l.kube.Create(l.t.Context(), c))
	return i.ID
}

// pass lets time go by in steps of two seconds, with a look at each.
func (l *late) pass(d time.Duration) {
	l.t.Helper()
	for end := l.clock.Now().Add(d); l.clock.Now().Before(end); {
		l.clock.Step(launchWatchInterval)
		_, err := l.watch.Reconcile(l.t.Context())
		require.NoError(l.t, err)
	}
}

func (l *late) calls(operation string) int { return l.Journal().Counts()[operation] }

func (l *late) claims() []string {
	l.t.Helper()
	list := &karpv1.NodeClaimList{}
	require.NoError(l.t, l.kube.List(l.t.Context(), list))
	return lo.Map(list.Items, func(c karpv1.NodeClaim, _ int) string { return c.Name })
}

// reason is why the size that this test launches is unavailable in the zone where it does.
func (l *late) reason() capacity.Reason {
	reason, _ := l.unavailable.IsUnavailable(capacity.Offering{
		Shape: "VM.Standard.E5.Flex", OCPUs: 2, MemoryGB: 16, Zone: oci.Zone(l.World.ADs[0]), CapacityType: karpv1.CapacityTypeOnDemand,
	})
	return reason
}

func (l *late) messages() []string {
	return lo.Map(l.recorder.Events(), func(e events.Event, _ int) string { return e.Reason + ": " + e.Message })
}

func TestALaunchThatFailsLateIsGivenUpWithItsReason(t *testing.T) {
	later := func(code, message string) ocisim.Fault {
		return ocisim.Fault{Kind: ocisim.OutOfHostCapacityLater, Code: code, Message: message}
	}
	for _, tc := range []struct {
		says    string
		fault   ocisim.Fault
		want    capacity.Reason
		text    string
		subnets exhausted
	}{
		{"without a host", ocisim.Fault{Kind: ocisim.OutOfHostCapacityLater}, capacity.ReasonOutOfHostCapacity, "Out of host capacity.", nil},
		{"without a host, as a code", later("OutOfHostCapacity", "no host"), capacity.ReasonOutOfHostCapacity, "no host", nil},
		{"against a limit", later("LimitExceeded", "The following service limits were exceeded: standard-e5-core-count."), capacity.ReasonLimitExceeded, "standard-e5-core-count", nil},
		{"against a quota", later("QuotaExceeded", "The following compartment quotas were exceeded: standard-e5-core-count."), capacity.ReasonQuotaExceeded, "standard-e5-core-count", nil},
		{"without an address", later("LimitExceeded", "There are no free private IP addresses in subnet x"), "", "no free private IP", exhausted{"subnet-of-a"}},
		{"since there were too many requests", later("TooManyRequests", "Too many requests"), "", "Too many requests", nil},
		{"for a reason that says nothing of capacity", later("InternalError", "Boot volume could not be made."), capacity.ReasonEndedEarly, "Boot volume could not be made.", nil},
		{"for something that it names and that is gone", later("NotAuthorizedOrNotFound", "image not found"), capacity.ReasonEndedEarly, "image not found", nil},
		{"for a wrong parameter", later("InvalidParameter", "kmsKeyId"), capacity.ReasonEndedEarly, "kmsKeyId", nil},
		{"for a state", later("IncorrectState", "The volume is busy."), capacity.ReasonEndedEarly, "The volume is busy.", nil},
	} {
		t.Run(tc.says, func(t *testing.T) {
			l := newLate(t, ocisim.Options{})
			l.Fail(tc.fault)
			id := l.start("a")
			l.pass(inventory.BusyInterval + 4*time.Second)
			require.Empty(t, l.claims())
			require.Equal(t, tc.want, l.reason(), "the next NodeClaim goes elsewhere, unless the offering has nothing to do with it")
			require.Equal(t, tc.subnets, l.exhausted)
			require.Len(t, l.messages(), 1)
			require.Contains(t, l.messages()[0], "LaunchFailedLate: Instance "+id)
			require.Contains(t, l.messages()[0], tc.text)
		})
	}
}

func TestOfSeveralErrorsOfAWorkRequestTheOneThatSpeaksOfCapacityCounts(t *testing.T) {
	failure := func(code, message string) workrequests.WorkRequestError {
		return workrequests.WorkRequestError{Code: &code, Message: &message}
	}
	rolledBack, full := failure("InternalError", "The launch was rolled back."), failure("InternalError", "Out of host capacity.")
	require.Equal(t, oci.ClassCapacity, oci.ClassOf(causeOf([]workrequests.WorkRequestError{rolledBack, full})))
	require.ErrorContains(t, causeOf([]workrequests.WorkRequestError{rolledBack, failure("IncorrectState", "x")}), "rolled back")
	require.Equal(t, oci.ClassTransient, oci.ClassOf(causeOf([]workrequests.WorkRequestError{{}})), "an error that says nothing")
	require.NoError(t, causeOf(nil))
}

func TestAnOnDemandLaunchThatCameIntoTheDefaultReservationIsAvoidedAsItWasBought(t *testing.T) {
	l := newLate(t, ocisim.Options{})
	c := claim("a", "uid-a", "")
	c.Labels[karpv1.CapacityTypeLabelKey] = karpv1.CapacityTypeOnDemand
	require.NoError(t, l.kube.Create(t.Context(), c))
	require.NoError(t, l.watch.giveUp(t.Context(), c, inventory.Instance{ID: "i", Shape: "VM.Standard.E5.Flex", OCPUs: 2, MemoryGB: 16,
		AvailabilityDomain: l.World.ADs[0], CapacityType: karpv1.CapacityTypeReserved, CapacityReservationID: "ocid1.capacityreservation.default"}))
	require.Equal(t, capacity.ReasonEndedEarly, l.reason())
}

func TestWorkRequestsOfManyLaunchesAreFollowedWithOneList(t *testing.T) {
	l := newLate(t, ocisim.Options{ListLag: time.Hour}) // so that nothing but the work requests can tell
	l.Fail(ocisim.Fault{Kind: ocisim.OutOfHostCapacityLater, Skip: 3, Times: 2})
	for i := range 8 {
		l.start(fmt.Sprint("n", i))
	}
	l.pass(8 * time.Second)
	require.Zero(t, l.calls("ListWorkRequests"), "a young launch is given time")
	l.pass(4 * time.Second)
	require.Equal(t, 1, l.calls("ListWorkRequests"))
	require.Zero(t, l.calls("GetWorkRequest"))
	require.Equal(t, 2, l.calls("ListWorkRequestErrors"), "one for each that failed")
	require.Equal(t, []string{"n0", "n1", "n2", "n5", "n6", "n7"}, l.claims())
	require.Equal(t, capacity.ReasonOutOfHostCapacity, l.reason())
	l.pass(48 * time.Second)
	require.LessOrEqual(t, l.calls("ListWorkRequests"), 5, "every 15 s")
	require.Len(t, l.claims(), 6)
	l.clock.Step(time.Hour) // the lists show the instances now
	l.pass(2 * time.Second)
	before := l.calls("ListWorkRequests")
	l.pass(time.Minute)
	require.Equal(t, before, l.calls("ListWorkRequests"), "nothing is asked once the launches are done")
}

func TestALaunchOfAnEarlierProcessTellsItsReasonToo(t *testing.T) {
	l := newLate(t, ocisim.Options{})
	l.Fail(ocisim.Fault{Kind: ocisim.OutOfHostCapacityLater})
	l.start("a")
	l.restart()
	l.pass(14 * time.Second)
	require.Empty(t, l.claims())
	require.Equal(t, capacity.ReasonOutOfHostCapacity, l.reason())
	require.Contains(t, l.messages()[0], "Out of host capacity.")
}

func TestAnInstanceThatEndsEarlyWithoutAReasonIsGivenUpAndItsOfferingAvoided(t *testing.T) {
	l := newLate(t, ocisim.Options{})
	id := l.start("a")
	require.NoError(t, l.TerminateInstance(id))
	l.pass(14 * time.Second)
	require.Empty(t, l.claims())
	require.Equal(t, capacity.ReasonEndedEarly, l.reason())
	require.Contains(t, l.messages()[0], "OCI does not say why")
	l.clock.Step(endedEarlyFor)
	require.Empty(t, l.reason(), "for some minutes")
}

func TestWithoutRightsToWorkRequestsTheListStillTells(t *testing.T) {
	l := newLate(t, ocisim.Options{LateFailureDelay: 40 * time.Second})
	l.Fail(ocisim.Fault{Operation: "ListWorkRequest*", Kind: ocisim.ErrorAnswer, Status: 404, Code: "NotAuthorizedOrNotFound", Message: "no"})
	l.Fail(ocisim.Fault{Kind: ocisim.OutOfHostCapacityLater})
	l.start("a")
	l.pass(38 * time.Second)
	require.Equal(t, 1, l.calls("ListWorkRequests"), "it is not asked again for an hour")
	require.Len(t, l.claims(), 1)
	l.pass(20 * time.Second)
	require.Empty(t, l.claims())
	require.Equal(t, capacity.ReasonEndedEarly, l.reason())
}

func TestANodeThatRegisteredIsNotALaunchThatFailed(t *testing.T) {
	l := newLate(t, ocisim.Options{})
	id := l.start("a")
	c := &karpv1.NodeClaim{}
	require.NoError(t, l.kube.Get(t.Context(), client.ObjectKey{Name: "a"}, c))
	c.StatusConditions().SetTrue(karpv1.ConditionTypeRegistered)
	require.NoError(t, l.kube.Status().Update(t.Context(), c))
	require.NoError(t, l.TerminateInstance(id))
	l.pass(30 * time.Second)
	require.Len(t, l.claims(), 1)
	require.Empty(t, l.unavailable.Entries())
	require.Zero(t, l.calls("ListInstances"), "a registered node is not watched")
}

func TestALaunchUnderWayIsLeftAlone(t *testing.T) {
	l := newLate(t, ocisim.Options{})
	l.start("a")
	l.pass(2 * time.Minute)
	require.Len(t, l.claims(), 1)
	require.Empty(t, l.unavailable.Entries())
	require.Empty(t, l.messages())
}

func TestTheConsoleOfAnInstanceThatNeverRegistersIsShownOnce(t *testing.T) {
	l := newLate(t, ocisim.Options{})
	first := l.start("a")
	l.start("b")
	boot := strings.Repeat("[    1.000000] a line of the kernel\r\n", 40_000) // more than the megabyte that is read, were it longer
	require.NoError(t, l.SetConsole(first, boot[:900_000]+"\r\n\x1b[31m[ FAILED ]\x1b[0m cloud-init: no route to 10.0.0.14\r\n\r\n"))
	l.pass(12*time.Minute + 50*time.Second)
	require.Zero(t, l.calls("CaptureConsoleHistory"), "core has not given up yet")
	l.pass(70 * time.Second)
	messages := l.messages()
	require.Len(t, messages, 2)
	shown, _ := lo.Find(messages, func(m string) bool { return strings.Contains(m, first) })
	require.Contains(t, shown, "NodeNotRegistered: ")
	require.Contains(t, shown, "[ FAILED ] cloud-init: no route to 10.0.0.14")
	require.Contains(t, shown, network)
	require.Contains(t, l.explained["uid-b"], network, "what one console shows explains its NodePool's others")
	require.NotContains(t, shown, "\x1b")
	require.Less(t, len(shown), 1024, "an event takes no more")
	require.Equal(t, 1, lo.CountBy(messages, func(m string) bool { return strings.Contains(m, "another NodeClaim of this NodePool") }))
	require.Equal(t, 1, l.calls("CaptureConsoleHistory"), "one look serves a NodePool")
	require.Equal(t, 1, l.calls("GetConsoleHistoryContent"))
	require.Zero(t, l.ConsoleHistories(), "nothing of it stays")
	require.Len(t, l.claims(), 2, "core's own deadline replaces the node")
	l.pass(time.Minute)
	require.Len(t, l.messages(), 2)
}

func TestWithoutRightsToConsolesTheEventSaysSo(t *testing.T) {
	l := newLate(t, ocisim.Options{})
	l.Fail(ocisim.Fault{Operation: "CaptureConsoleHistory", Kind: ocisim.ErrorAnswer, Status: 404, Code: "NotAuthorizedOrNotFound", Message: "no"})
	l.start("a")
	l.start("b")
	l.pass(14 * time.Minute)
	require.Len(t, l.messages(), 2)
	for _, message := range l.messages() {
		require.Contains(t, message, "may not read its console (manage console-histories)")
	}
	require.Equal(t, 1, l.calls("CaptureConsoleHistory"), "it is not asked again")
	require.Equal(t, usualReasons, l.explained["uid-a"])
}

func TestTheTailOfAConsole(t *testing.T) {
	long := strings.Repeat("x", 2000)
	for _, tc := range []struct{ says, text, want string }{
		{"nothing", "", "(nothing)"},
		{"only what can not be seen", "\r\n\x00\x07 \n", "(nothing)"},
		{"whole lines from the end", "first\r\n\r\nsecond\n", "first\nsecond"},
		{"no colours", "\x1b[1;31mred\x1b[0m", "red"},
		{"broken text", "a\xff\xfeb", "a?b"},
		{"one line that is too long", long + "end", strings.Repeat("x", tailBytes-3) + "end"},
		{"a line that is too long is left out before others", long + "\nend", "end"},
	} {
		t.Run(tc.says, func(t *testing.T) { require.Equal(t, tc.want, tail(tc.text)) })
	}
}

func TestAConsoleTellsWhyAnInstanceDoesNotJoin(t *testing.T) {
	for _, c := range []struct{ name, console, want string }{
		{"an image without OKE's programs", "bash: line 3: oke-install.sh: command not found", "carries none of OKE's programs"},
		{"metadata out of reach", "curl: (28) Failed to connect to 169.254.169.254 port 80: Connection timed out", "could not read its metadata"},
		{"another authority", "kubelet: unable to register node: x509: certificate signed by unknown authority", "does not trust the API server"},
		{"no right to join", `kubelet[812]: E1101 Unable to register node with API server: Unauthorized`, "{CLUSTER_JOIN}"},
		{"the agent says it openly", "oke-node-agent: caller lacks CLUSTER_JOIN", "{CLUSTER_JOIN}"},
		{"no way to the API server", "kubelet: unable to register node with API server: dial tcp 10.0.0.14:6443: i/o timeout", "route table"},
		{"names", "curl: (6) Could not resolve host: objectstorage.us-phoenix-1.oraclecloud.com", "DNS resolver"},
		{"a kubelet that does not start", "kubelet: E1101 failed to parse kubelet flag: unknown flag: --nope", "kubeletConfig"},
		{"a full disk", "write /var/lib/containers/x: no space left on device", "bootVolumeSizeInGBs"},
		{"the first cause goes first", "oke-install.sh: command not found\nkubelet: dial tcp 10.0.0.14:6443: i/o timeout", "carries none of OKE's programs"},
		{"a container runtime that restarts is no cause", "dial unix /run/crio/crio.sock: connect: connection refused", ""},
		{"a boot that went well", "[    0.000000] Linux version 5.15.0\nnode login: ", ""},
		{"nothing", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := reasonIn(c.console)
			require.Contains(t, got, c.want)
			require.Equal(t, c.want == "", got == "", got)
			require.Less(t, len(got), 260, "an event has room for the console as well")
		})
	}
}
