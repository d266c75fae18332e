package preflight

import (
	"context"
	"fmt"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	coordinationclient "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

const (
	// SoleNamespace and SoleLease name the one Lease that says which installation serves a cluster. Leader election is among the replicas of one
	// installation; this is among installations, which have Leases of their own in namespaces of their own.
	SoleNamespace, SoleLease = "kube-system", "karpenter-oke"
	// soleRenew is how often the working process renews it; after soleExpiry without that, another installation may take over.
	soleRenew, soleExpiry = 15 * time.Second, 90 * time.Second
	soleTimeout           = 10 * time.Second
)

// Sole keeps a second installation from serving the same cluster: two controllers would buy nodes twice and end each other's.
type Sole struct {
	Leases coordinationclient.LeaseInterface // of SoleNamespace
	// Identity is the installation: equal for all of its replicas, and for a process that comes after one that was killed.
	Identity string
	Clock    clock.Clock
}

// Check is an error when another installation works. It writes nothing. When the Lease can not be read, that is said and does no harm.
func (s *Sole) Check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, soleTimeout)
	defer cancel()
	lease, err := s.Leases.Get(ctx, SoleLease, metav1.GetOptions{})
	if err != nil {
		if !apierrors.IsNotFound(err) {
			log.FromContext(ctx).Info("whether another controller serves this cluster can not be told", "lease", SoleNamespace+"/"+SoleLease, "error", err.Error())
		}
		return nil
	}
	return s.taken(lease)
}

// taken is an error when another installation holds the Lease.
func (s *Sole) taken(lease *coordinationv1.Lease) error {
	holder := ptr.Deref(lease.Spec.HolderIdentity, "")
	renewed := ptr.Deref(lease.Spec.RenewTime, metav1.MicroTime{})
	if holder == "" || holder == s.Identity || s.Clock.Since(renewed.Time) > soleExpiry {
		return nil
	}
	return fmt.Errorf("another karpenter-oke serves this cluster, %s, and two would end each other's nodes: uninstall one of them (this is %s; the other last renewed the Lease %s/%s at %s)",
		holder, s.Identity, SoleNamespace, SoleLease, renewed.UTC().Format(time.RFC3339))
}

// NeedLeaderElection says that only the working replica holds the Lease.
func (s *Sole) NeedLeaderElection() bool { return true }

// Start holds the Lease until ctx ends, and gives it back then. It returns an error, which ends the process, when another installation has it.
func (s *Sole) Start(ctx context.Context) error {
	failing := false
	for {
		taken, err := s.renew(ctx, s.Identity)
		if taken != nil {
			return taken
		}
		if err != nil && !failing && ctx.Err() == nil {
			log.FromContext(ctx).Info("the Lease that keeps a second installation away is not renewed", "lease", SoleNamespace+"/"+SoleLease, "error", err.Error())
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			// A failure costs the next installation a minute, no more.
			_, _ = s.renew(context.WithoutCancel(ctx), "")
			return nil
		case <-s.Clock.After(soleRenew):
		}
	}
}

// renew writes the Lease, unless another installation has it: then taken says so.
func (s *Sole) renew(ctx context.Context, holder string) (taken, err error) {
	ctx, cancel := context.WithTimeout(ctx, soleTimeout)
	defer cancel()
	spec := coordinationv1.LeaseSpec{
		HolderIdentity: &holder, LeaseDurationSeconds: ptr.To(int32(soleExpiry.Seconds())), RenewTime: ptr.To(metav1.NewMicroTime(s.Clock.Now())),
	}
	lease, err := s.Leases.Get(ctx, SoleLease, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		_, err = s.Leases.Create(ctx, &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: SoleLease}, Spec: spec}, metav1.CreateOptions{})
		return nil, err
	}
	if err != nil {
		return nil, err
	}
	if taken := s.taken(lease); taken != nil {
		return taken, nil
	}
	lease.Spec = spec
	_, err = s.Leases.Update(ctx, lease, metav1.UpdateOptions{}) // refused when somebody else wrote meanwhile
	return nil, err
}
