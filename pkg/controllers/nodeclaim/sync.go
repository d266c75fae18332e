package nodeclaim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/awslabs/operatorpkg/reconciler"
	"github.com/awslabs/operatorpkg/singleton"
	"github.com/oracle/oci-go-sdk/v65/core"
	"k8s.io/klog/v2"
	controllerruntime "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instance"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/inventory"
)

// syncInterval is how often instances are compared with their classes, which costs no call while they agree.
const syncInterval = 30 * time.Second

// SyncAPI is what this controller calls in OCI.
type SyncAPI interface {
	ChangeInstanceTags(ctx context.Context, id string, change func(now core.Instance) (map[string]string, map[string]map[string]interface{})) error
	ListVNICAttachments(ctx context.Context, compartmentID, instanceID string) ([]core.VnicAttachment, error)
	GetVNIC(ctx context.Context, id string) (core.Vnic, error)
	UpdateVNICSecurityGroups(ctx context.Context, id string, groups []string) error
}

// SyncController brings live instances up to date with what their node class can change without a new node: tags and network
// security groups. It also puts ownership tags back that were edited by hand, and stamps NodeClaims of another hash version anew.
type SyncController struct {
	kube      client.Client
	api       SyncAPI
	inventory inventory.Provider
	clusterID string
}

// NewSyncController makes the controller of the cluster with this OCID.
func NewSyncController(kube client.Client, api SyncAPI, inv inventory.Provider, clusterID string) *SyncController {
	return &SyncController{kube: kube, api: api, inventory: inv, clusterID: clusterID}
}

// Name is the controller's name in logs and metrics.
func (c *SyncController) Name() string { return "nodeclaim.sync" }

// Register adds the controller to a manager.
func (c *SyncController) Register(_ context.Context, m manager.Manager) error {
	return controllerruntime.NewControllerManagedBy(m).
		Named(c.Name()).
		WatchesRawSource(singleton.Source()).
		Complete(singleton.AsReconciler(c))
}

// Reconcile compares every NodeClaim with its class; one that fails does not hold up the others.
func (c *SyncController) Reconcile(ctx context.Context) (reconciler.Result, error) {
	claims, classes := &karpv1.NodeClaimList{}, &v1alpha1.OciNodeClassList{}
	if err := errors.Join(c.kube.List(ctx, claims, client.UnsafeDisableDeepCopy), c.kube.List(ctx, classes)); err != nil {
		return reconciler.Result{}, fmt.Errorf("listing NodeClaims and OciNodeClasses: %w", err)
	}
	byName := map[string]*v1alpha1.OciNodeClass{}
	for i := range classes.Items {
		byName[classes.Items[i].Name] = &classes.Items[i]
	}
	snapshot := c.inventory.Current()
	var errs []error
	for i := range claims.Items {
		claim := &claims.Items[i] // the cache's own: to be read only
		found, known := snapshot.Get(claim.Status.ProviderID)
		nodeClass := classOf(claim, byName)
		if nodeClass == nil || !claim.DeletionTimestamp.IsZero() || !known || found.Ending() {
			continue
		}
		if err := c.sync(ctx, claim, claim.DeepCopy(), nodeClass, found); err != nil {
			errs = append(errs, fmt.Errorf("bringing NodeClaim %s up to date: %w", claim.Name, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return reconciler.Result{}, err
	}
	return reconciler.Result{RequeueAfter: syncInterval}, nil
}

func classOf(claim *karpv1.NodeClaim, byName map[string]*v1alpha1.OciNodeClass) *v1alpha1.OciNodeClass {
	if ref := claim.Spec.NodeClassRef; ref != nil && ref.Group == v1alpha1.Group {
		return byName[ref.Name]
	}
	return nil
}

func (c *SyncController) sync(ctx context.Context, stored, claim *karpv1.NodeClaim, nodeClass *v1alpha1.OciNodeClass, found inventory.Instance) error {
	if claim.Annotations == nil {
		claim.Annotations = map[string]string{}
	}
	restamp(claim, nodeClass)
	err := errors.Join(c.syncTags(ctx, claim, nodeClass, found), c.syncSecurityGroups(ctx, claim, nodeClass, found))
	if maps.Equal(stored.Annotations, claim.Annotations) {
		return err
	}
	return errors.Join(err, client.IgnoreNotFound(c.kube.Patch(ctx, claim, client.MergeFrom(stored))))
}

// restamp writes today's hash on a NodeClaim of another hash version: the hashes can not be compared, and a release that hashes
// in another way must not roll a fleet.
func restamp(claim *karpv1.NodeClaim, nodeClass *v1alpha1.OciNodeClass) {
	if claim.Annotations[v1alpha1.AnnotationNodeClassHashVersion] == v1alpha1.HashVersion {
		return
	}
	claim.Annotations[v1alpha1.AnnotationNodeClassHash] = nodeClass.Hash()
	claim.Annotations[v1alpha1.AnnotationNodeClassHashVersion] = v1alpha1.HashVersion
}

// appliedTags are the keys of a class's tags, as AnnotationAppliedTags records them.
type appliedTags struct {
	Freeform []string            `json:"freeform,omitempty"`
	Defined  map[string][]string `json:"defined,omitempty"`
}

// syncTags adds and changes the class's tags on the instance and removes those that the class had and has no more. OCI replaces
// tags as a whole, so all others are sent along, as they are at that moment: the list that told of the difference is older.
func (c *SyncController) syncTags(ctx context.Context, claim *karpv1.NodeClaim, nodeClass *v1alpha1.OciNodeClass, found inventory.Instance) error {
	want := appliedTagsOf(nodeClass)
	written, err := json.Marshal(want)
	if err != nil {
		return fmt.Errorf("encoding the keys of tags: %w", err)
	}
	var applied appliedTags
	if json.Unmarshal([]byte(claim.Annotations[v1alpha1.AnnotationAppliedTags]), &applied) != nil {
		applied = appliedTags{} // written by nobody, or by hand: then nothing is removed
	}
	freeform, defined := c.mergedTags(nodeClass, found, applied)
	if !maps.Equal(freeform, found.FreeformTags) || !equalTags(defined, found.DefinedTags) {
		err := c.api.ChangeInstanceTags(ctx, found.ID, func(now core.Instance) (map[string]string, map[string]map[string]interface{}) {
			is := found
			is.FreeformTags, is.DefinedTags = now.FreeformTags, now.DefinedTags
			freeform, defined = c.mergedTags(nodeClass, is, applied)
			return freeform, defined
		})
		if err != nil {
			return err
		}
		c.inventory.NoteTags(found.ID, freeform, defined)
		log.FromContext(ctx).Info("updated tags", "NodeClaim", klog.KObj(claim), "instance", found.ID)
	}
	claim.Annotations[v1alpha1.AnnotationAppliedTags] = string(written)
	return nil
}

func appliedTagsOf(nodeClass *v1alpha1.OciNodeClass) appliedTags {
	keys := appliedTags{Freeform: slices.Sorted(maps.Keys(nodeClass.FreeformTags())), Defined: map[string][]string{}}
	for namespace, tags := range nodeClass.Spec.DefinedTags {
		keys.Defined[namespace] = slices.Sorted(maps.Keys(tags))
	}
	return keys
}

// mergedTags are the tags that an instance is to have, by those that it has.
func (c *SyncController) mergedTags(nodeClass *v1alpha1.OciNodeClass, found inventory.Instance, applied appliedTags) (map[string]string, map[string]map[string]interface{}) {
	freeform := maps.Clone(found.FreeformTags)
	if freeform == nil {
		freeform = map[string]string{}
	}
	for _, key := range applied.Freeform {
		delete(freeform, key)
	}
	maps.Copy(freeform, nodeClass.FreeformTags())
	makeRoom(freeform)
	defined := map[string]map[string]interface{}{}
	for namespace, tags := range found.DefinedTags {
		defined[namespace] = maps.Clone(tags)
	}
	for namespace, keys := range applied.Defined {
		for _, key := range keys {
			delete(defined[namespace], key)
		}
	}
	for namespace, tags := range instance.DefinedTags(nodeClass) {
		if defined[namespace] == nil {
			defined[namespace] = map[string]interface{}{}
		}
		maps.Copy(defined[namespace], tags)
	}
	if found.TagsEdited {
		freeform = c.withOwnership(freeform, found.Owner)
	}
	return freeform, defined
}

// withOwnership puts the ownership tags back.
func (c *SyncController) withOwnership(freeform map[string]string, owner inventory.Owner) map[string]string {
	for _, key := range v1alpha1.OwnTagsByImportance {
		delete(freeform, key)
	}
	all, _ := v1alpha1.WithOwnership(freeform, owner.Tags(c.clusterID))
	return all
}

// makeRoom gives up ownership tags that the NodeClaim knows as well, the least important first, when a class has come to have
// so many tags of its own that OCI would refuse them all. Cluster and NodeClaim stay.
func makeRoom(freeform map[string]string) {
	for _, key := range slices.Backward(v1alpha1.OwnTagsByImportance[2:]) {
		if len(freeform) <= v1alpha1.MaxFreeformTags {
			return
		}
		delete(freeform, key)
	}
}

// equalTags compares defined tags; a namespace without tags is as good as none.
func equalTags(a, b map[string]map[string]interface{}) bool {
	trim := func(tags map[string]map[string]interface{}) map[string]map[string]interface{} {
		out := maps.Clone(tags)
		maps.DeleteFunc(out, func(_ string, values map[string]interface{}) bool { return len(values) == 0 })
		return out
	}
	ta, tb := trim(a), trim(b)
	return (len(ta) == 0 && len(tb) == 0) || reflect.DeepEqual(ta, tb)
}

// syncSecurityGroups replaces the groups of the node's VNIC when the class resolves to others than were last set.
func (c *SyncController) syncSecurityGroups(ctx context.Context, claim *karpv1.NodeClaim, nodeClass *v1alpha1.OciNodeClass, found inventory.Instance) error {
	want := instance.SecurityGroupIDs(nodeClass)
	is, recorded := claim.Annotations[v1alpha1.AnnotationSecurityGroupIDs]
	// An adopted NodeClaim has no record, and a class that is not resolved says nothing.
	if (recorded && is == strings.Join(want, ",")) || !nodeClass.StatusConditions().Get(v1alpha1.ConditionTypeSecurityGroupsReady).IsTrue() {
		return nil
	}
	attachments, err := c.api.ListVNICAttachments(ctx, found.CompartmentID, found.ID)
	if err != nil {
		return err
	}
	for _, attachment := range attachments {
		vnic, err := c.api.GetVNIC(ctx, oci.Value(attachment.VnicId))
		if err != nil {
			return err
		}
		if !oci.Value(vnic.IsPrimary) {
			continue
		}
		if err := c.api.UpdateVNICSecurityGroups(ctx, oci.Value(vnic.Id), want); err != nil {
			return err
		}
		claim.Annotations[v1alpha1.AnnotationSecurityGroupIDs] = strings.Join(want, ",")
		log.FromContext(ctx).Info("updated network security groups", "NodeClaim", klog.KObj(claim), "instance", found.ID, "was", is, "now", want)
	}
	return nil
}
