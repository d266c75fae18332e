package instance

import (
	"errors"
	"fmt"

	"sigs.k8s.io/karpenter/pkg/cloudprovider"

	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
)

// noSubnetError says that a node class has no subnet for a zone; another zone may have one.
type noSubnetError struct{ nodeClass, zone string }

func (e *noSubnetError) Error() string {
	return fmt.Sprintf("OciNodeClass %s selects no subnet in zone %s that had a free address of late", e.nodeClass, e.zone)
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
	if errors.As(err, &noSubnet) {
		return true
	}
	switch oci.ClassOf(err) {
	case oci.ClassCapacity, oci.ClassLimit, oci.ClassAddresses:
		return true
	default:
		return false
	}
}

// Reasons of the Launched condition of a NodeClaim.
const (
	reasonThrottled     = "OCIThrottled"
	reasonUnavailable   = "OCIUnavailable"
	reasonNotAuthorized = "OCINotAuthorized"
	reasonRejected      = "OCIRejectedLaunch"
	reasonInvalid       = "LaunchInvalid"
	reasonUnfinished    = "EarlierLaunchUnknown"
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
