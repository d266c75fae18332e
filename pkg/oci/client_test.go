package oci_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
	"github.com/karpenter-oke/karpenter-oke/test/ocitest"
)

// launchDetails is a small launch with any plain image for x86.
func launchDetails(t *testing.T, r *ocitest.Region, name string) core.LaunchInstanceDetails {
	t.Helper()
	images, err := r.Client.ListImages(t.Context(), r.World.ImageCompartmentID)
	require.NoError(t, err)
	for _, image := range images {
		if n := oci.Value(image.DisplayName); !strings.Contains(n, "aarch64") && !strings.Contains(n, "GPU") {
			return core.LaunchInstanceDetails{
				AvailabilityDomain: &r.World.ADs[0], CompartmentId: &r.World.CompartmentID, Shape: common.String("VM.Standard2.1"), DisplayName: &name,
				CreateVnicDetails: &core.CreateVnicDetails{SubnetId: &r.World.NodeSubnetIDs[0]},
				SourceDetails:     core.InstanceSourceViaImageDetails{ImageId: image.Id},
			}
		}
	}
	require.Fail(t, "the simulator has no plain image")
	return core.LaunchInstanceDetails{}
}

func TestListsFollowEveryPage(t *testing.T) {
	r := ocitest.Start(t, ocisim.Options{PageSize: 1})
	details := launchDetails(t, r, "n")
	for i := range 5 {
		_, _, err := r.Client.LaunchInstance(t.Context(), details, fmt.Sprint("token-", i))
		require.NoError(t, err)
	}
	instances, err := r.Client.ListInstances(t.Context(), r.World.CompartmentID)
	require.NoError(t, err)
	require.Len(t, instances, 5)
	require.Equal(t, 5, r.Journal().Counts()["ListInstances"])
}

func TestAPageThatFailsFailsTheList(t *testing.T) {
	r := ocitest.Start(t, ocisim.Options{PageSize: 1})
	details := launchDetails(t, r, "n")
	for i := range 3 {
		_, _, err := r.Client.LaunchInstance(t.Context(), details, fmt.Sprint("token-", i))
		require.NoError(t, err)
	}
	r.Fail(ocisim.Fault{Operation: "ListInstances", Kind: ocisim.ErrorAnswer, Skip: 2, Status: 400, Code: "InvalidParameter", Message: "page"})
	instances, err := r.Client.ListInstances(t.Context(), r.World.CompartmentID)
	require.Equal(t, oci.ClassConfig, oci.ClassOf(err))
	require.Nil(t, instances, "a short list would look like lost instances")
}

func TestATransientErrorIsTriedAgain(t *testing.T) {
	r := ocitest.Start(t, ocisim.Options{})
	r.Fail(ocisim.Fault{Operation: "GetCluster", Kind: ocisim.ErrorAnswer, Times: 2, Status: 503, Code: "ServiceUnavailable", Message: "x"})
	cluster, err := r.Client.GetCluster(t.Context(), r.World.ClusterID)
	require.NoError(t, err)
	require.Equal(t, r.World.ClusterID, oci.Value(cluster.Id))
	require.Equal(t, 3, r.Journal().Counts()["GetCluster"])
}

func TestThrottlingIsWaitedOut(t *testing.T) {
	r := ocitest.Start(t, ocisim.Options{})
	r.Fail(ocisim.Fault{Operation: "GetCluster", Kind: ocisim.TooManyRequests, Times: 1, Delay: time.Second})
	start := time.Now()
	_, err := r.Client.GetCluster(t.Context(), r.World.ClusterID)
	require.NoError(t, err)
	require.GreaterOrEqual(t, time.Since(start), time.Second, "Retry-After was one second")
}

func TestALongThrottlingIsTheCallersToWaitOut(t *testing.T) {
	r := ocitest.Start(t, ocisim.Options{})
	r.Fail(ocisim.Fault{Operation: "GetCluster", Kind: ocisim.TooManyRequests, Delay: time.Minute})
	_, err := r.Client.GetCluster(t.Context(), r.World.ClusterID)
	require.Equal(t, oci.ClassThrottled, oci.ClassOf(err))
	require.Equal(t, 1, r.Journal().Counts()["GetCluster"])
}

func TestALackOfCapacityIsNotTriedAgain(t *testing.T) {
	r := ocitest.Start(t, ocisim.Options{})
	r.Fail(ocisim.Fault{Kind: ocisim.OutOfHostCapacity})
	_, _, err := r.Client.LaunchInstance(t.Context(), launchDetails(t, r, "n"), "token")
	require.Equal(t, oci.ClassCapacity, oci.ClassOf(err))
	require.Equal(t, 1, r.Journal().Counts()["LaunchInstance"])
}

func TestALaunchWhoseAnswerWasLostIsRepeatedWithItsToken(t *testing.T) {
	r := ocitest.Start(t, ocisim.Options{})
	r.Fail(ocisim.Fault{Operation: "LaunchInstance", Kind: ocisim.CutAfter, Times: 1})
	instance, _, err := r.Client.LaunchInstance(t.Context(), launchDetails(t, r, "n"), "token")
	require.NoError(t, err)
	require.Len(t, r.Instances(), 1)
	require.Equal(t, r.Instances()[0].ID, oci.Value(instance.Id))
}

func TestAConflictAfterALostAnswerMayHaveDoneWhatWasAskedFor(t *testing.T) {
	r := ocitest.Start(t, ocisim.Options{})
	busy := ocisim.Fault{Operation: "LaunchInstance", Kind: ocisim.ErrorAnswer, Status: 409, Code: "IncorrectState", Message: "busy", Times: 1}
	r.Fail(busy)
	_, _, err := r.Client.LaunchInstance(t.Context(), launchDetails(t, r, "n"), "token")
	require.Equal(t, oci.ClassConflict, oci.ClassOf(err))
	require.False(t, oci.MayBeDone(err), "at the first try it is a refusal")

	r.Fail(ocisim.Fault{Operation: "LaunchInstance", Kind: ocisim.CutAfter, Times: 1})
	r.Fail(busy)
	_, _, err = r.Client.LaunchInstance(t.Context(), launchDetails(t, r, "n"), "token")
	require.Equal(t, oci.ClassConflict, oci.ClassOf(err))
	require.True(t, oci.MayBeDone(err))
	require.Len(t, r.Instances(), 1, "as it has")
}

func TestAnAddressWhereNothingListensIsATransientError(t *testing.T) {
	r := ocitest.Start(t, ocisim.Options{})
	client := r.NewClient(ocitest.Unserved())
	_, err := client.GetCluster(t.Context(), r.World.ClusterID)
	require.Equal(t, oci.ClassTransient, oci.ClassOf(err))
	require.ErrorContains(t, err, "cannot connect to 127.0.0.1")
}

func TestACancelledCallReturnsAtOnce(t *testing.T) {
	r := ocitest.Start(t, ocisim.Options{})
	r.Fail(ocisim.Fault{Operation: "GetCluster", Kind: ocisim.TooManyRequests, Delay: 9 * time.Second})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := r.Client.GetCluster(ctx, r.World.ClusterID)
	require.Error(t, err)
	require.Less(t, time.Since(start), 5*time.Second)
}

func TestACallThatIsCancelledBetweenTwoTriesIsNotSentAgain(t *testing.T) {
	r := ocitest.Start(t, ocisim.Options{})
	r.Fail(ocisim.Fault{Operation: "GetCluster", Kind: ocisim.TooManyRequests, Delay: 9 * time.Second})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := r.Client.GetCluster(ctx, r.World.ClusterID)
		done <- err
	}()
	require.Eventually(t, func() bool { return r.Journal().Counts()["GetCluster"] == 1 }, time.Minute, 5*time.Millisecond)
	cancel()
	require.Error(t, <-done)
	require.Equal(t, 1, r.Journal().Counts()["GetCluster"], "the pause of nine seconds was not slept through")
	require.False(t, r.Client.Waiting())
}

func TestLaunchesOfNodePoolsTakeTurns(t *testing.T) {
	r := ocitest.Start(t, ocisim.Options{})
	client := r.NewClientWith(oci.Config{Endpoint: r.URL, RateLimits: oci.RateLimits{Launches: 1}})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	const many = 60 // a minute's worth at one a second
	var wg sync.WaitGroup
	for i := range many {
		details := launchDetails(t, r, fmt.Sprint("big-", i))
		wg.Go(func() { _, _, _ = client.LaunchInstance(oci.WithFlow(ctx, "big"), details, fmt.Sprint("big-", i)) })
	}
	_, _, err := client.LaunchInstance(oci.WithFlow(ctx, "small"), launchDetails(t, r, "small"), "small")
	require.NoError(t, err)
	require.Less(t, len(r.Instances()), many, "the other NodePool's node did not wait for all of them")
	cancel()
	wg.Wait()
	require.Less(t, len(r.Instances()), many, "and those that were cancelled while they waited were never sent")
}

func TestAfter429TheClassIsHeldBackAndOthersAreNot(t *testing.T) {
	r := ocitest.Start(t, ocisim.Options{})
	details := launchDetails(t, r, "n")
	r.Fail(ocisim.Fault{Operation: "LaunchInstance", Kind: ocisim.TooManyRequests, Delay: time.Hour, Times: 1})
	_, _, err := r.Client.LaunchInstance(t.Context(), details, "token")
	require.Equal(t, oci.ClassThrottled, oci.ClassOf(err))
	_, _, err = r.Client.LaunchInstance(t.Context(), details, "token")
	require.ErrorContains(t, err, "LaunchInstance was not sent: OCI asked for a pause")
	var failure *oci.Error
	require.ErrorAs(t, err, &failure)
	require.Equal(t, oci.ClassThrottled, failure.Class)
	require.Greater(t, failure.RetryAfter, 30*time.Minute, "the caller is told how long")
	require.Equal(t, 1, r.Journal().Counts()["LaunchInstance"], "the second one was not sent at all")
	_, err = r.Client.ListInstances(t.Context(), r.World.CompartmentID)
	require.NoError(t, err)
	require.Equal(t, oci.ClassNotFound, oci.ClassOf(r.Client.TerminateInstance(t.Context(), "ocid1.instance.oc1.phx.nobodys")), "terminations go on")
}

func TestTerminateLeavesNoVolumes(t *testing.T) {
	r := ocitest.Start(t, ocisim.Options{})
	instance, _, err := r.Client.LaunchInstance(t.Context(), launchDetails(t, r, "n"), "token")
	require.NoError(t, err)
	require.NoError(t, r.Client.TerminateInstance(t.Context(), oci.Value(instance.Id)))
	var query string
	for _, e := range r.Journal().Entries(0) {
		if e.Operation == "TerminateInstance" {
			query = e.Query
		}
	}
	require.Contains(t, query, "preserveBootVolume=false")
	require.Contains(t, query, "preserveDataVolumesCreatedAtLaunch=false", "OCI's default leaks them")
}

func TestAnswersAreCountedPageByPage(t *testing.T) {
	r := ocitest.Start(t, ocisim.Options{PageSize: 1})
	details := launchDetails(t, r, "n")
	answers := &oci.Answers{}
	ctx := oci.WithAnswers(t.Context(), answers)
	for i := range 3 {
		_, _, err := r.Client.LaunchInstance(t.Context(), details, fmt.Sprint("token-", i))
		require.NoError(t, err)
	}
	require.Zero(t, answers.Count(), "calls with another context do not count")
	r.Fail(ocisim.Fault{Operation: "ListInstances", Kind: ocisim.ErrorAnswer, Times: 1, Status: 500, Code: "InternalServerError", Message: "x"})
	_, err := r.Client.ListInstances(ctx, r.World.CompartmentID)
	require.NoError(t, err)
	require.Equal(t, 3, answers.Count(), "a try that failed has no page")
}

func TestTagsAreChangedOnlyWhileNobodyElseChangesThem(t *testing.T) {
	r := ocitest.Start(t, ocisim.Options{})
	launched, _, err := r.Client.LaunchInstance(t.Context(), launchDetails(t, r, "n"), "token")
	require.NoError(t, err)
	id := oci.Value(launched.Id)
	add := func(key string, before func()) error {
		return r.Client.ChangeInstanceTags(t.Context(), id, func(now core.Instance) (map[string]string, map[string]map[string]interface{}) {
			before()
			tags := map[string]string{key: "x"}
			for k, v := range now.FreeformTags {
				tags[k] = v
			}
			return tags, now.DefinedTags
		})
	}
	require.NoError(t, add("first", func() {}))
	err = add("second", func() {
		_, err := r.Client.UpdateInstanceTags(t.Context(), id, map[string]string{"first": "x", "by": "hand"}, nil)
		require.NoError(t, err)
	})
	require.Equal(t, oci.ClassConflict, oci.ClassOf(err))
	require.NoError(t, add("second", func() {}))
	now, err := r.Client.GetInstance(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, map[string]string{"first": "x", "by": "hand", "second": "x"}, now.FreeformTags)
}
