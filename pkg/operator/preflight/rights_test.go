package preflight

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
	crmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/karpenter/pkg/test"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
	"github.com/karpenter-oke/karpenter-oke/test/ocitest"
)

// refuse has the region refuse an operation as it does without a right.
func refuse(operation string) ocisim.Fault {
	return ocisim.Fault{Operation: operation, Kind: ocisim.ErrorAnswer, Status: 404, Code: "NotAuthorizedOrNotFound", Message: "Authorization failed or requested resource not found."}
}

func rightsOf(t *testing.T, region *ocitest.Region) []Right {
	t.Helper()
	tenancy, err := region.Client.Tenancy()
	require.NoError(t, err)
	return Rights(region.Client, tenancy, region.World.CompartmentID)
}

// asking are classes that ask for everything.
func asking(context.Context) ([]v1alpha1.OciNodeClass, error) {
	return []v1alpha1.OciNodeClass{
		{Spec: v1alpha1.OciNodeClassSpec{SecurityGroupSelector: []v1alpha1.SecurityGroupSelectorTerm{{Name: "nodes"}}}},
		{Spec: v1alpha1.OciNodeClassSpec{BlockDevices: []v1alpha1.BlockDevice{{SizeInGBs: 50}}}},
	}, nil
}

// plain are classes that ask for nothing special.
func plain(context.Context) ([]v1alpha1.OciNodeClass, error) { return []v1alpha1.OciNodeClass{{}}, nil }

func TestWhatNobodyAskedForIsNotMissing(t *testing.T) {
	region := ocitest.Start(t, ocisim.Options{})
	for _, operation := range []string{"ListVnicAttachments", "ListVolumeAttachments", "ListLimitValues"} {
		region.Fail(refuse(operation))
	}
	rights := rightsOf(t, region)
	require.Len(t, Missing(t.Context(), rights, asking), 2, "limits are read where that is granted")
	require.Empty(t, Missing(t.Context(), rights, plain))
	require.Empty(t, gauged(t, 3), "work requests, limits and instances")
	require.Len(t, Missing(t.Context(), rights, asking), 2, "a class asks again")
}

func TestWithoutTheClassesOnlyWhatIsAlwaysNeededIsMissing(t *testing.T) {
	region := ocitest.Start(t, ocisim.Options{})
	region.Fail(refuse("ListInstances"))
	region.Fail(refuse("ListVolumeAttachments"))
	missing := Missing(t.Context(), rightsOf(t, region), func(context.Context) ([]v1alpha1.OciNodeClass, error) { return nil, errors.New("away") })
	require.Len(t, missing, 1)
	require.Equal(t, rightInstances, missing[0].Resource)
}

func TestEachRightIsAskedForAndNamed(t *testing.T) {
	for operation, want := range map[string]string{
		"ListInstances":         "manage instances in compartment id ",
		"ListVnicAttachments":   "inspect vnic-attachments in compartment id ",
		"ListVolumeAttachments": "inspect volume-attachments in compartment id ",
		"ListWorkRequests":      "inspect work-requests in compartment id ",
		"ListLimitValues":       "inspect limits in tenancy",
	} {
		t.Run(operation, func(t *testing.T) {
			region := ocitest.Start(t, ocisim.Options{})
			rights := rightsOf(t, region)
			require.Empty(t, Missing(t.Context(), rights, asking))
			region.Fail(refuse(operation))
			missing := Missing(t.Context(), rights, asking)
			require.Len(t, missing, 1)
			require.Contains(t, missing[0].Statement, "Allow <the controller> to "+want)
			require.Equal(t, []string{missing[0].Resource}, gauged(t, 5))
		})
	}
}

// gauged are the rights that the metric says are missing.
func gauged(t *testing.T, of int) (missing []string) {
	t.Helper()
	families, err := crmetrics.Registry.Gather()
	require.NoError(t, err)
	all := 0
	for _, family := range families {
		if family.GetName() != "karpenter_oke_oci_right_missing" {
			continue
		}
		for _, m := range family.GetMetric() {
			if all++; m.GetGauge().GetValue() == 1 {
				missing = append(missing, m.GetLabel()[0].GetValue())
			}
		}
	}
	require.Equal(t, of, all, "rights that are needed")
	return missing
}

func TestAControllerThatMayNotSeeInstancesDoesNotStart(t *testing.T) {
	region := ocitest.Start(t, ocisim.Options{})
	region.Fail(refuse("ListInstances"))
	region.Fail(refuse("ListWorkRequests"))
	err := CheckRights(t.Context(), rightsOf(t, region), plain)
	require.ErrorContains(t, err, "the controller lacks rights in OCI, or --compartment-id is wrong; add the policy statements: Allow <the controller> to manage instances in compartment id "+
		region.World.CompartmentID+"; Allow <the controller> to inspect work-requests in compartment id "+region.World.CompartmentID)
}

func TestWhatAControllerCanDoWithoutKeepsItFromNothing(t *testing.T) {
	region := ocitest.Start(t, ocisim.Options{})
	for _, operation := range []string{"ListVnicAttachments", "ListVolumeAttachments", "ListWorkRequests", "ListLimitValues"} {
		region.Fail(refuse(operation))
	}
	require.NoError(t, CheckRights(t.Context(), rightsOf(t, region), asking))
}

func TestACloudThatDoesNotAnswerLacksNoRight(t *testing.T) {
	region := ocitest.Start(t, ocisim.Options{})
	region.Fail(ocisim.Fault{Operation: "ListInstances", Kind: ocisim.ErrorAnswer, Status: 501, Code: "NotImplemented", Message: "no"})
	require.NoError(t, CheckRights(t.Context(), rightsOf(t, region), asking))
}

func TestAMissingRightIsToldOnceAndWhenItIsBack(t *testing.T) {
	region := ocitest.Start(t, ocisim.Options{})
	id, err := region.Faults().Add(refuse("ListWorkRequests"))
	require.NoError(t, err)
	recorder := test.NewEventRecorder()
	reporter := &Reporter{Recorder: recorder, Pod: &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "karpenter", Name: "karpenter-oke-0", UID: "x"}}}
	rights := rightsOf(t, region)
	reporter.Report(t.Context(), rights, asking)
	reporter.Report(t.Context(), rights, asking)
	require.Equal(t, 1, recorder.Calls("OCIRightMissing"))
	require.Contains(t, recorder.Events()[0].Message, "inspect work-requests")
	require.Contains(t, recorder.Events()[0].Message, "launches that fail after OCI accepted them are noticed later")
	region.Faults().Remove(id)
	reporter.Report(t.Context(), rights, asking)
	region.Fail(refuse("ListWorkRequests"))
	reporter.Report(t.Context(), rights, asking)
	require.Equal(t, 2, recorder.Calls("OCIRightMissing"), "it went missing again")
}

func TestTheLastWordsOfAProcessAreAnEventOfItsPod(t *testing.T) {
	t.Setenv("POD_NAME", "karpenter-oke-0")
	require.Nil(t, Pod("karpenter"), "without a UID nobody would find the event")
	t.Setenv("POD_UID", "uid")
	pod := Pod("karpenter")
	kube := fake.NewClientset()
	require.NoError(t, CannotStart(t.Context(), kube.CoreV1(), pod, strings.Repeat("é", 600)))
	events, err := kube.CoreV1().Events("karpenter").List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.Len(t, events.Items, 1)
	event := events.Items[0]
	require.Equal(t, pod.UID, event.InvolvedObject.UID)
	require.Equal(t, "CannotStart", event.Reason)
	require.LessOrEqual(t, len(event.Message), 1024)
	require.True(t, strings.HasSuffix(event.Message, "é..."))
}
