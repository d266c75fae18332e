package instance

import (
	"errors"
	"fmt"
	"time"

	"sigs.k8s.io/karpenter/pkg/cloudprovider"

	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
)

// noSubnetError says that a node class has no subnet for a zone; another zone may have one.
type noSubnetError struct{ nodeClass, zone string }

func (e *noSubnetError) Error() string {
	return fmt.Sprintf("OciNodeClass %s selects no subnet in zone %s that had a free address of late", e.nodeClass, e.zone)
}

// noPodAddressesError says that the pod subnets of a node class have too few addresses for a node; a smaller one may do with them.
type noPodAddressesError struct {
	nodeClass   string
	vnics, each int
}

func (e *noPodAddressesError) Error() string {
	return fmt.Sprintf("the pod subnets of OciNodeClass %s have not the %d addresses left that the pods of this node take in advance (%d for each VNIC), "+
		"counting launches of the last minutes; add a pod subnet, or lower podNetworking.ipCount or kubelet.maxPods", e.nodeClass, e.vnics*e.each, e.each)
}

// notRecordedError says that a launch was not sent because it could not be written down before.
type notRecordedError struct {
	nodeClaim string
	cause     error
}

func (e *notRecordedError) Error() string {
	return fmt.Sprintf("writing the launch of NodeClaim %s down before OCI is asked: %s", e.nodeClaim, e.cause)
}

func (e *notRecordedError) Unwrap() error { return e.cause }

// tryAnother says whether a failed launch may work with another offering.
func tryAnother(err error) bool {
	var noSubnet *noSubnetError
	var noPodAddresses *noPodAddressesError
	if errors.As(err, &noSubnet) || errors.As(err, &noPodAddresses) {
		return true
	}
	switch oci.ClassOf(err) {
	case oci.ClassCapacity, oci.ClassLimit, oci.ClassAddresses:
		return true
	default:
		return false
	}
}

// ReasonUnfinished is the reason of a NodeClaim's Launched condition, and of the event, while it is not known what became of a launch that an
// earlier process sent, or whose token OCI refuses.
const ReasonUnfinished = "EarlierLaunchUnknown"

// GivenUpError says that a NodeClaim was deleted because a launch of unknown outcome that was sent for it can not be repeated and no list shows its
// instance.
type GivenUpError struct {
	NodeClaim string
	Attempt   int
	At        time.Time // when the launch was sent
}

func (e *GivenUpError) Error() string {
	return fmt.Sprintf("what became of attempt %d to launch NodeClaim %s, sent at %s, is not known; it can not be repeated as it was, "+
		"and OCI lists no instance, so another NodeClaim takes its place",
		e.Attempt, e.NodeClaim, e.At.UTC().Format(time.RFC3339))
}

// Reasons of the Launched condition of a NodeClaim.
const (
	reasonThrottled     = "OCIThrottled"
	reasonUnavailable   = "OCIUnavailable"
	reasonNotAuthorized = "OCINotAuthorized"
	reasonRejected      = "OCIRejectedLaunch"
	reasonInvalid       = "LaunchInvalid"
	reasonNotRecorded   = "LaunchNotRecorded"
)

// createError gives a failed launch to Karpenter core in the form that reaches the NodeClaim's condition. Core tries again.
func createError(err error) error {
	if err == nil {
		return nil
	}
	var notRecorded *notRecordedError
	if errors.As(err, &notRecorded) {
		return cloudprovider.NewCreateError(err, reasonNotRecorded, "nothing was launched; it is tried again: "+err.Error())
	}
	switch oci.ClassOf(err) {
	case oci.ClassThrottled:
		return cloudprovider.NewCreateError(err, reasonThrottled, "OCI is limiting requests; the launch is tried again")
	case oci.ClassTransient:
		return cloudprovider.NewCreateError(err, reasonUnavailable, "OCI did not answer; the launch is tried again: "+err.Error())
	case oci.ClassNotAuthorized, oci.ClassNotFound:
		return cloudprovider.NewCreateError(err, reasonNotAuthorized, "the controller may not launch instances here, or something that the launch names is gone: "+err.Error())
	case oci.ClassConfig, oci.ClassConflict:
		return cloudprovider.NewCreateError(err, reasonRejected, err.Error())
	default:
		return cloudprovider.NewCreateError(err, reasonInvalid, err.Error())
	}
}
