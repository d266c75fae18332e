package inspect

import (
	"context"
	"errors"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/capacity"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instancetype"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/pricing"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/shape"
	"github.com/karpenter-oke/karpenter-oke/pkg/virtualnode"
)

// InstanceTypes lists what core is given for a NodePool, overlays included.
type InstanceTypes interface {
	GetInstanceTypes(ctx context.Context, nodePool *karpv1.NodePool) ([]*cloudprovider.InstanceType, error)
}

// Sizes tells OCI's own numbers for an instance type's name.
type Sizes interface {
	Size(typeName string) (instancetype.Size, bool)
}

// Shapes are the region's shapes.
type Shapes interface {
	Snapshot() *shape.Snapshot
}

// Prices are compute and virtual nodes per hour.
type Prices interface {
	OnDemand(s *shape.Shape, ocpus, memoryGB float64, baseline pricing.Baseline) (perHour float64, known bool)
	Spot(s *shape.Shape, ocpus, memoryGB float64) (perHour float64, known bool)
	VirtualNode() float64
	Currency() string
}

// Marks tell why an offering can not be had.
type Marks interface {
	Why(o capacity.Offering) (capacity.Entry, bool)
}

// Dependencies are what answers are made from. All of them serve memory.
type Dependencies struct {
	// Kube reads the controller's cache.
	Kube          client.Client
	InstanceTypes InstanceTypes
	Sizes         Sizes
	Shapes        Shapes
	Prices        Prices
	Marks         Marks
	Filter        *virtualnode.Filter
	VirtualNode   virtualnode.Config
	// Elected is closed when this process is the leader: the others have launched nothing and know of no missing capacity.
	Elected <-chan struct{}
	Clock   clock.PassiveClock
}

// Inspector makes the answers. It is safe for concurrent use and changes nothing.
type Inspector struct{ Dependencies }

// New makes an inspector.
func New(d Dependencies) *Inspector { return &Inspector{d} }

// unknownName is the error for a name that is not there.
type unknownName struct {
	kind, name string
	known      []string
}

func (e *unknownName) Error() string { return fmt.Sprintf("there is no %s %q", e.kind, e.name) }

// nodePool reads a NodePool; a missing one is an *unknownName.
func (i *Inspector) nodePool(ctx context.Context, name string) (*karpv1.NodePool, error) {
	nodePool := &karpv1.NodePool{}
	err := i.Kube.Get(ctx, client.ObjectKey{Name: name}, nodePool)
	if err == nil {
		return nodePool, nil
	}
	if !apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("reading NodePool %s: %w", name, err)
	}
	all := &karpv1.NodePoolList{}
	if err := i.Kube.List(ctx, all); err != nil {
		return nil, fmt.Errorf("listing NodePools: %w", err)
	}
	names := make([]string, len(all.Items))
	for k := range all.Items {
		names[k] = all.Items[k].Name
	}
	return nil, &unknownName{kind: "NodePool", name: name, known: closest(name, names)}
}

// unready says in words what keeps a NodePool from making nodes; empty when nothing does.
func (i *Inspector) unready(ctx context.Context, nodePool *karpv1.NodePool) ([]string, error) {
	if nodePool.DeletionTimestamp != nil {
		return []string{"the NodePool is being deleted"}, nil
	}
	ref := nodePool.Spec.Template.Spec.NodeClassRef
	if ref == nil {
		return []string{"the NodePool names no OciNodeClass"}, nil
	}
	nodeClass := &v1alpha1.OciNodeClass{}
	if err := i.Kube.Get(ctx, client.ObjectKey{Name: ref.Name}, nodeClass); err != nil {
		if apierrors.IsNotFound(err) {
			return []string{fmt.Sprintf("the OciNodeClass %s does not exist", ref.Name)}, nil
		}
		return nil, fmt.Errorf("reading OciNodeClass %s: %w", ref.Name, err)
	}
	if ready := nodeClass.StatusConditions().Root(); !ready.IsTrue() {
		return []string{fmt.Sprintf("the OciNodeClass %s is not ready: %s", ref.Name, messageOf(ready.Reason, ready.Message))}, nil
	}
	if ready := nodePool.StatusConditions().Root(); !ready.IsTrue() {
		return []string{"the NodePool is not ready: " + messageOf(ready.Reason, ready.Message)}, nil
	}
	return nil, nil
}

func messageOf(reason, message string) string {
	switch {
	case message != "":
		return message
	case reason != "":
		return reason
	}
	return "the controller has not looked at it yet"
}

// daemons are the pods that DaemonSets would put on new nodes, each as its template.
func (i *Inspector) daemons(ctx context.Context) ([]*corev1.Pod, error) {
	sets := &appsv1.DaemonSetList{}
	if err := i.Kube.List(ctx, sets); err != nil {
		return nil, fmt.Errorf("listing DaemonSets: %w", err)
	}
	pods := make([]*corev1.Pod, 0, len(sets.Items))
	for k := range sets.Items {
		template := &sets.Items[k].Spec.Template
		pods = append(pods, &corev1.Pod{ObjectMeta: template.ObjectMeta, Spec: template.Spec})
	}
	return pods, nil
}

// listTypes is the catalogue for a NodePool; a NodePool whose class is not ready has none.
func (i *Inspector) listTypes(ctx context.Context, nodePool *karpv1.NodePool) ([]*cloudprovider.InstanceType, error) {
	list, err := i.InstanceTypes.GetInstanceTypes(ctx, nodePool)
	switch {
	case err == nil:
		return list, nil
	case cloudprovider.IsNodeClassNotReadyError(err), cloudprovider.IsUnevaluatedNodePoolError(err), errors.Is(err, instancetype.ErrNotLoaded):
		return nil, nil
	}
	return nil, fmt.Errorf("listing the instance types of NodePool %s: %w", nodePool.Name, err)
}

// reasonOf says why an offering is not available, and until when.
func (i *Inspector) reasonOf(size instancetype.Size, zone, capacityType string) (string, *time.Time) {
	mark, ok := i.Marks.Why(capacity.Offering{
		Shape: size.ShapeName, OCPUs: size.OCPUs, MemoryGB: size.MemoryGB, Baseline: size.Baseline, Zone: zone, CapacityType: capacityType,
	})
	if ok {
		return string(mark.Reason), &mark.Until
	}
	if snapshot := i.Shapes.Snapshot(); snapshot != nil {
		if s, known := snapshot.Shape(size.ShapeName); known {
			if !s.InZone(zone) {
				return ReasonNotInZone, nil
			}
			return ReasonClassNotInZone, nil
		}
	}
	return ReasonUnknown, nil
}
