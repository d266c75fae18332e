package instance

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	opmetrics "github.com/awslabs/operatorpkg/metrics"
	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/log"
	crmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"

	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/inventory"
)

// Ways to restart an instance.
const (
	// RebootSoft asks the operating system to shut down; OCI cuts the power when that took 15 minutes (InstanceAction SOFTRESET).
	RebootSoft RebootKind = "soft"
	// RebootHard cuts the power at once (InstanceAction RESET).
	RebootHard RebootKind = "hard"
)

// RebootKind is a way to restart an instance.
type RebootKind string

func (k RebootKind) action() core.InstanceActionActionEnum {
	if k == RebootHard {
		return core.InstanceActionActionReset
	}
	return core.InstanceActionActionSoftreset
}

// Reboot implements Provider.
func (p *DefaultProvider) Reboot(ctx context.Context, id, operationID string, kind RebootKind) error {
	instance, err := p.Find(ctx, id)
	if err != nil {
		return err
	}
	if err := rebootable(instance); err != nil {
		return err
	}
	answer, err := p.api.InstanceAction(ctx, id, kind.action(), rebootToken(operationID))
	if err != nil {
		rebootsCounter.Inc(map[string]string{labelKind: string(kind), labelOutcome: rebootOutcome(err)})
		return p.rebootRefused(ctx, id, err)
	}
	rebootsCounter.Inc(map[string]string{labelKind: string(kind), labelOutcome: outcomeAccepted})
	log.FromContext(ctx).Info("rebooting instance", "instance", id, "kind", kind, "state", answer.LifecycleState)
	return nil
}

// rebootable refuses what OCI would, in words for the event that core writes.
func rebootable(i inventory.Instance) error {
	switch {
	case i.Ending():
		return cloudprovider.NewNodeRebootFailedError(fmt.Errorf("instance %s is %s", i.ID, i.State))
	case i.CapacityType == karpv1.CapacityTypeSpot:
		return cloudprovider.NewNodeRebootFailedError(fmt.Errorf("instance %s is preemptible, which OCI does not reboot", i.ID))
	}
	return nil
}

// rebootRefused says whether asking again can help: core asks for five minutes after any error that is no NodeRebootFailedError.
func (p *DefaultProvider) rebootRefused(ctx context.Context, id string, err error) error {
	switch oci.ClassOf(err) {
	case oci.ClassConfig, oci.ClassNotAuthorized:
		return cloudprovider.NewNodeRebootFailedError(err)
	case oci.ClassNotFound:
		// OCI answers the same for an instance that is gone and for a right that is missing.
		if found, findErr := p.look(ctx, id); findErr != nil {
			return findErr
		} else if !found.Gone() {
			return cloudprovider.NewNodeRebootFailedError(fmt.Errorf("the controller may not reboot instances (policy: use instances): %w", err))
		}
		return notFound(id)
	case oci.ClassConflict:
		return p.rebootConflict(ctx, id, err)
	}
	return fmt.Errorf("rebooting instance %s: %w", id, err)
}

// rebootConflict tells an instance that is between two states, which passes, from one that is stopped, which nobody starts.
func (p *DefaultProvider) rebootConflict(ctx context.Context, id string, err error) error {
	found, findErr := p.look(ctx, id)
	if findErr != nil {
		return errors.Join(err, findErr)
	}
	if found.State == core.InstanceLifecycleStateStopped || found.Ending() {
		return cloudprovider.NewNodeRebootFailedError(fmt.Errorf("instance %s is %s: %w", id, found.State, err))
	}
	return fmt.Errorf("instance %s is %s and can not be rebooted yet: %w", id, found.State, err)
}

// rebootToken is the retry token of a reboot: OCI takes 64 characters, and core's operation ids are longer.
func rebootToken(operationID string) string {
	sum := sha256.Sum256([]byte("reboot/" + operationID))
	return hex.EncodeToString(sum[:])
}

const (
	labelKind = "kind"

	outcomeAccepted = "accepted"
	outcomeRefused  = "refused"
	outcomeFailed   = "failed"
)

var rebootsCounter = opmetrics.NewPrometheusCounter(crmetrics.Registry, prometheus.CounterOpts{
	Namespace: metricsNamespace, Subsystem: metricsSubsystem, Name: "reboot_requests_total",
	Help: "Requests to restart an instance in place, by what OCI made of them.",
}, []opmetrics.Label{
	{Name: labelKind, Help: "soft (SOFTRESET) or hard (RESET)."}, {Name: labelOutcome, Help: "accepted, refused or failed (no answer, throttled)."},
}, opmetrics.Alpha)

// rebootOutcome is the metric label of a request that failed.
func rebootOutcome(err error) string {
	switch oci.ClassOf(err) {
	case oci.ClassTransient, oci.ClassThrottled, "":
		return outcomeFailed
	default:
		return outcomeRefused
	}
}
