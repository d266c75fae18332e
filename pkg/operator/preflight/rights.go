package preflight

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	opmetrics "github.com/awslabs/operatorpkg/metrics"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/samber/lo"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/log"
	crmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/karpenter/pkg/events"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
)

const labelRight = "right"

var rightMissing = opmetrics.NewPrometheusGauge(crmetrics.Registry, prometheus.GaugeOpts{
	Namespace: "karpenter_oke", Subsystem: "oci", Name: "right_missing",
	Help: "1 for each right in OCI that something needs and the controller was refused when it last asked, else 0, by the resource type of the policy statement.",
}, []opmetrics.Label{{Name: labelRight, Help: "Resource type of OCI's policies: instances, vnic-attachments, volume-attachments, work-requests or limits."}}, opmetrics.Alpha)

const (
	rightInstances   = "instances"
	rightAttachments = "vnic-attachments"
	rightVolumes     = "volume-attachments"
	rightRequests    = "work-requests"
	rightLimits      = "limits"
)

// Right is a right that can be asked for without changing anything. Rights to launch, tag and end are learned from the first use: a refused
// launch stands in its OciNodeClass's condition LaunchAuthorized, with the statement that is missing.
type Right struct {
	Resource  string // of the policy statement; the metric's label
	Statement string // Allow ...
	Without   string // what does not work; empty: nothing does
	Probe     func(ctx context.Context) error
	// Asked says whether an OciNodeClass asks for what the right is for; nil: always. A right that nothing asks for is not missing.
	Asked func(v1alpha1.OciNodeClassSpec) bool
	// granted is set for a right that is used where it is granted, and not missing where it never was; it remembers that it was.
	granted *atomic.Bool
}

// OCI is what is asked of the client.
type OCI interface {
	ProbeInstances(ctx context.Context, compartmentID string) error
	ProbeVNICAttachments(ctx context.Context, compartmentID string) error
	ProbeVolumeAttachments(ctx context.Context, compartmentID string) error
	ProbeWorkRequests(ctx context.Context, compartmentID string) error
}

// Tenancy is what is asked for the whole tenancy; nil where the credentials name none.
type Tenancy interface {
	ProbeLimits(ctx context.Context) error
}

// Classes lists the OciNodeClasses. It is called before caches are filled.
type Classes func(ctx context.Context) ([]v1alpha1.OciNodeClass, error)

// Rights are those of a controller that launches in a compartment. The first is the one without which nothing works.
func Rights(client OCI, tenancy Tenancy, compartmentID string) []Right {
	in := func(probe func(context.Context, string) error) func(context.Context) error {
		return func(ctx context.Context) error { return probe(ctx, compartmentID) }
	}
	rights := []Right{
		{Resource: rightInstances, Statement: oci.Statement("manage", "instances", compartmentID), Probe: in(client.ProbeInstances)},
		{Resource: rightAttachments, Statement: oci.Statement("inspect", "vnic-attachments", compartmentID), Probe: in(client.ProbeVNICAttachments),
			Asked:   func(s v1alpha1.OciNodeClassSpec) bool { return len(s.SecurityGroupSelector) > 0 },
			Without: "changes of a class's network security groups do not reach nodes that are there"},
		{Resource: rightVolumes, Statement: oci.Statement("inspect", "volume-attachments", compartmentID), Probe: in(client.ProbeVolumeAttachments),
			Asked:   func(s v1alpha1.OciNodeClassSpec) bool { return len(s.BlockDevices) > 0 },
			Without: "data volumes of nodes that OCI ends by itself are left behind"},
		{Resource: rightRequests, Statement: oci.Statement("inspect", "work-requests", compartmentID), Probe: in(client.ProbeWorkRequests),
			Without: "launches that fail after OCI accepted them are noticed later, and their reason is not known"},
	}
	if tenancy != nil {
		rights = append(rights, Right{Resource: rightLimits, Statement: "Allow <the controller> to inspect limits in tenancy", Probe: tenancy.ProbeLimits,
			Without: "sizes beyond a service limit are found out by launches that fail", granted: &atomic.Bool{}})
	}
	return rights
}

// Missing asks for each right that something needs and returns those that OCI refuses. What can not be told, because OCI does not answer, is not
// missing.
func Missing(ctx context.Context, rights []Right, classes Classes) []Right {
	all, unknown := classes(ctx)
	if unknown != nil {
		log.FromContext(ctx).V(1).Info("what OciNodeClasses ask for can not be told", "error", unknown.Error())
	}
	return lo.Filter(rights, func(r Right, _ int) bool {
		label := map[string]string{labelRight: r.Resource}
		if r.Asked != nil && !lo.ContainsBy(all, func(c v1alpha1.OciNodeClass) bool { return r.Asked(c.Spec) }) {
			if unknown == nil {
				rightMissing.Delete(label)
			}
			return false
		}
		err := r.Probe(ctx)
		missing := oci.ClassOf(err) == oci.ClassNotFound || oci.ClassOf(err) == oci.ClassNotAuthorized
		if err != nil && !missing {
			log.FromContext(ctx).V(1).Info("whether a right is there can not be told", "right", r.Resource, "error", err.Error())
			return false
		}
		if r.granted != nil && missing {
			missing = r.granted.Load()
		} else if r.granted != nil {
			r.granted.Store(true)
		}
		rightMissing.Set(lo.Ternary(missing, 1.0, 0.0), label)
		return missing
	})
}

// CheckRights is an error when something is missing without which nothing works; it names every right that is missing.
func CheckRights(ctx context.Context, rights []Right, classes Classes) error {
	missing := Missing(ctx, rights, classes)
	if !lo.ContainsBy(missing, func(r Right) bool { return r.Without == "" }) {
		return nil
	}
	statements := lo.Map(missing, func(r Right, _ int) string { return r.Statement })
	return errors.New("the controller lacks rights in OCI, or --compartment-id is wrong; add the policy statements: " + strings.Join(statements, "; "))
}

// Reporter tells in the log and as events of the controller's pod which rights are missing, and which are there again.
type Reporter struct {
	Recorder events.Recorder
	Pod      *corev1.Pod // nil outside a cluster: then only the log tells

	told map[string]bool
}

// Report asks for the rights and tells what has changed.
func (r *Reporter) Report(ctx context.Context, rights []Right, classes Classes) {
	missing := lo.SliceToMap(Missing(ctx, rights, classes), func(m Right) (string, bool) { return m.Resource, true })
	for _, right := range rights {
		switch {
		case missing[right.Resource] && !r.told[right.Resource]:
			message := fmt.Sprintf("A right in OCI is missing (%s): %s", right.Statement, lo.CoalesceOrEmpty(right.Without, "nothing can be launched or ended"))
			log.FromContext(ctx).Info(message)
			if r.Pod != nil {
				r.Recorder.Publish(events.Event{InvolvedObject: r.Pod, Type: corev1.EventTypeWarning, Reason: "OCIRightMissing", Message: message, DedupeValues: []string{right.Resource}})
			}
		case !missing[right.Resource] && r.told[right.Resource]:
			log.FromContext(ctx).Info("a right in OCI is there that was missing, or nothing asks for it any more", "right", right.Resource)
		}
	}
	r.told = missing
}
