// Package cloudprovider adapts the providers to Karpenter core's CloudProvider interface. It holds no state and makes no
// decision that a provider could make.
package cloudprovider

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/awslabs/operatorpkg/status"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	"sigs.k8s.io/karpenter/pkg/events"
	"sigs.k8s.io/karpenter/pkg/operator/options"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instance"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instancetype"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/inventory"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/maintenance"
)

// Name is the cloud provider's name in metrics.
const Name = "oci"

// Launches is told the outcome of every launch.
type Launches interface {
	Record(nodeClass *v1alpha1.OciNodeClass, err error)
}

// Registrations knows whether the instances of classes become nodes; package registration does.
type Registrations interface {
	// Admit returns an error when nothing may be launched for the NodeClaim now.
	Admit(nodeClass *v1alpha1.OciNodeClass, nodeClaim *karpv1.NodeClaim) error
	// Ended is told that nothing was launched for a NodeClaim that was admitted.
	Ended(nodeClass *v1alpha1.OciNodeClass, nodeClaim types.UID)
	// MayReplace says whether a node may be replaced by one of another image now.
	MayReplace(nodeClass *v1alpha1.OciNodeClass, nodeClaim types.UID, imageID string) bool
}

// Holds keeps classes from being deleted; package nodeclass does.
type Holds interface {
	// Hold returns an error when the class can not be held, so that nothing may be launched from it; else it is held until launched is called.
	Hold(ctx context.Context, nodeClass *v1alpha1.OciNodeClass) (launched func(), err error)
}

// Overlays changes instance types as NodeOverlays say; core's store of them does.
type Overlays interface {
	ApplyAll(nodePool string, types []*cloudprovider.InstanceType) ([]*cloudprovider.InstanceType, error)
}

// Dependencies are what the adapter works with.
type Dependencies struct {
	Kube          client.Reader // NodeClasses and NodePools
	Recorder      events.Recorder
	Launches      Launches
	InstanceTypes instancetype.Provider
	Instances     instance.Provider
	Inventory     inventory.Provider
	Maintenance   maintenance.Policy
	// Registrations may be nil: then every class is believed to become nodes.
	Registrations Registrations
	// Holds may be nil: then classes may go while nodes of theirs are there.
	Holds Holds
	// Overlays are used at launches where the feature gate NodeOverlay is on; elsewhere core applies them itself. May be nil.
	Overlays Overlays
}

// CloudProvider is Karpenter core's view of Oracle Cloud.
type CloudProvider struct {
	kube          client.Reader
	recorder      events.Recorder
	launches      Launches
	instanceTypes instancetype.Provider
	instances     instance.Provider
	inventory     inventory.Provider
	maintenance   maintenance.Policy
	registrations Registrations
	holds         Holds
	overlays      Overlays
}

var _ cloudprovider.CloudProvider = (*CloudProvider)(nil)

// New makes the adapter.
func New(d Dependencies) *CloudProvider {
	return &CloudProvider{
		kube: d.Kube, recorder: d.Recorder, launches: d.Launches, instanceTypes: d.InstanceTypes, instances: d.Instances, inventory: d.Inventory,
		maintenance: d.Maintenance, registrations: d.Registrations, holds: d.Holds, overlays: d.Overlays,
	}
}

// Create implements core's CloudProvider: it launches one instance and returns as soon as OCI has named it.
func (c *CloudProvider) Create(ctx context.Context, nodeClaim *karpv1.NodeClaim) (*karpv1.NodeClaim, error) {
	nodeClass, err := c.nodeClass(ctx, nodeClaim.Spec.NodeClassRef)
	if err != nil {
		return nil, err
	}
	if err := launchable(nodeClass); err != nil {
		return nil, cloudprovider.NewNodeClassNotReadyError(err)
	}
	nodePool, err := c.nodePool(ctx, nodeClaim.Labels[karpv1.NodePoolLabelKey])
	if err != nil {
		return nil, err
	}
	instanceTypes, err := c.instanceTypes.List(ctx, nodeClass, nodePool)
	if err != nil {
		return nil, fmt.Errorf("listing instance types: %w", err)
	}
	if instanceTypes, err = c.overlaid(ctx, nodePool, instanceTypes); err != nil {
		return nil, err
	}
	launched, err := c.launch(ctx, instance.Request{NodeClass: nodeClass, NodeClaim: nodeClaim, NodePool: nodePool, Types: instanceTypes})
	if err != nil {
		return nil, err
	}
	created := c.toNodeClaim(launched.Instance, launched.Candidate, nodeClass)
	maps.Copy(created.Annotations, launchRecord(nodeClass, launched))
	return created, nil
}

// launch asks OCI for an instance, once the class is held and its instances are believed to become nodes, and notes what came of it.
func (c *CloudProvider) launch(ctx context.Context, r instance.Request) (instance.Launched, error) {
	if c.holds != nil {
		done, err := c.holds.Hold(ctx, r.NodeClass)
		if err != nil {
			return instance.Launched{}, err
		}
		defer done()
	}
	if c.registrations != nil {
		if err := c.registrations.Admit(r.NodeClass, r.NodeClaim); err != nil {
			return instance.Launched{}, cloudprovider.NewNodeClassNotReadyError(err)
		}
	}
	// The launches of NodePools take turns at OCI's rate limit.
	launched, err := c.instances.Launch(oci.WithFlow(ctx, r.NodeClaim.Labels[karpv1.NodePoolLabelKey]), r)
	c.launches.Record(r.NodeClass, err)
	if err != nil {
		if c.registrations != nil {
			c.registrations.Ended(r.NodeClass, r.NodeClaim.UID)
		}
		c.tellGivenUp(r.NodeClaim, err)
	}
	return launched, err
}

// tellGivenUp publishes why a NodeClaim was deleted instead of launched.
func (c *CloudProvider) tellGivenUp(nodeClaim *karpv1.NodeClaim, err error) {
	var givenUp *instance.GivenUpError
	if errors.As(err, &givenUp) {
		c.recorder.Publish(events.Event{
			InvolvedObject: nodeClaim, Type: corev1.EventTypeWarning, Reason: instance.ReasonUnfinished, Message: givenUp.Error(), DedupeValues: []string{string(nodeClaim.UID)},
		})
	}
}

// overlaid are the types with the prices and resources that core has scheduled with. Without them a launch would choose by other prices, and
// would find no type for pods that ask for a resource which only an overlay adds.
func (c *CloudProvider) overlaid(ctx context.Context, nodePool *karpv1.NodePool, types []*cloudprovider.InstanceType) ([]*cloudprovider.InstanceType, error) {
	if c.overlays == nil || nodePool == nil || !options.FromContext(ctx).FeatureGates.NodeOverlay {
		return types, nil
	}
	changed, err := c.overlays.ApplyAll(nodePool.Name, types)
	if err != nil {
		return nil, fmt.Errorf("applying NodeOverlays: %w", err)
	}
	return changed, nil
}

// Delete implements core's CloudProvider.
func (c *CloudProvider) Delete(ctx context.Context, nodeClaim *karpv1.NodeClaim) error {
	return c.instances.Terminate(ctx, nodeClaim.Status.ProviderID)
}

// Get implements core's CloudProvider. Core drops a Node without draining it when this says not found, so an instance that is
// merely unknown here is looked for in a fresh list and then by its OCID first.
func (c *CloudProvider) Get(ctx context.Context, providerID string) (*karpv1.NodeClaim, error) {
	found, err := c.instances.Find(ctx, providerID)
	if err != nil {
		return nil, err
	}
	return c.toNodeClaim(found, instance.Candidate{}, c.nodeClassOrNil(ctx, found.Owner.NodeClass)), nil
}

// List implements core's CloudProvider: this cluster's instances that are not gone. Core collects NodeClaims without an instance by it every
// two minutes; what this process launched since the list is in it.
func (c *CloudProvider) List(ctx context.Context) ([]*karpv1.NodeClaim, error) {
	snapshot, err := c.inventory.Fresh(ctx, inventory.StaleAge)
	if err != nil {
		return nil, err
	}
	if unread := snapshot.Unread(); len(unread) > 0 { // what is not there would be collected
		return nil, fmt.Errorf("OCI refuses to list the instances of compartment %s", strings.Join(unread, " and "))
	}
	var out []*karpv1.NodeClaim
	for _, i := range snapshot.All() {
		if !i.Gone() {
			out = append(out, c.toNodeClaim(i, instance.Candidate{}, c.nodeClassOrNil(ctx, i.Owner.NodeClass)))
		}
	}
	return out, nil
}

// GetInstanceTypes implements core's CloudProvider. A NodePool whose node class is not ready has none.
func (c *CloudProvider) GetInstanceTypes(ctx context.Context, nodePool *karpv1.NodePool) ([]*cloudprovider.InstanceType, error) {
	nodeClass, err := c.nodeClass(ctx, nodePool.Spec.Template.Spec.NodeClassRef)
	if err != nil {
		if cloudprovider.IsNodeClassNotReadyError(err) {
			return nil, nil
		}
		return nil, err
	}
	return c.instanceTypes.List(ctx, nodeClass, nodePool)
}

// Name implements core's CloudProvider.
func (c *CloudProvider) Name() string { return Name }

// GetSupportedNodeClasses implements core's CloudProvider. Core reads into what it is given, so it is new each time.
func (c *CloudProvider) GetSupportedNodeClasses() []status.Object {
	return []status.Object{&v1alpha1.OciNodeClass{}}
}

// nodeClass reads the class of a reference; a missing or deleted one is Karpenter's NodeClassNotReadyError.
func (c *CloudProvider) nodeClass(ctx context.Context, ref *karpv1.NodeClassReference) (*v1alpha1.OciNodeClass, error) {
	if ref == nil {
		return nil, cloudprovider.NewNodeClassNotReadyError(errors.New("no nodeClassRef"))
	}
	nodeClass := &v1alpha1.OciNodeClass{}
	if err := c.kube.Get(ctx, types.NamespacedName{Name: ref.Name}, nodeClass); err != nil {
		if apierrors.IsNotFound(err) {
			return nil, cloudprovider.NewNodeClassNotReadyError(fmt.Errorf("OciNodeClass %s does not exist", ref.Name))
		}
		return nil, fmt.Errorf("reading OciNodeClass %s: %w", ref.Name, err)
	}
	return nodeClass, nil
}

func (c *CloudProvider) nodeClassOrNil(ctx context.Context, name string) *v1alpha1.OciNodeClass {
	nodeClass, err := c.nodeClass(ctx, &karpv1.NodeClassReference{Name: name})
	if err != nil {
		return nil
	}
	return nodeClass
}

// nodePool reads the NodePool of a NodeClaim; nil for a NodeClaim without one.
func (c *CloudProvider) nodePool(ctx context.Context, name string) (*karpv1.NodePool, error) {
	if name == "" {
		return nil, nil
	}
	nodePool := &karpv1.NodePool{}
	if err := c.kube.Get(ctx, types.NamespacedName{Name: name}, nodePool); err != nil {
		if apierrors.IsNotFound(err) {
			return nil, nil
		}
		return nil, fmt.Errorf("reading NodePool %s: %w", name, err)
	}
	return nodePool, nil
}

func launchable(nodeClass *v1alpha1.OciNodeClass) error {
	if !nodeClass.DeletionTimestamp.IsZero() {
		return fmt.Errorf("OciNodeClass %s is being deleted", nodeClass.Name)
	}
	ready := nodeClass.StatusConditions().Get(status.ConditionReady)
	if ready.IsTrue() {
		return nil
	}
	return fmt.Errorf("OciNodeClass %s is not ready: %s", nodeClass.Name, ready.Message)
}
