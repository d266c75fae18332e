package nodeclass

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/oracle/oci-go-sdk/v65/identity"
	"github.com/oracle/oci-go-sdk/v65/keymanagement"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/cluster"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/selection"
)

// keyTimeout bounds the look at one key; a vault's own endpoint may be out of reach of the controller and a launch works all the
// same.
const keyTimeout = 5 * time.Second

// resolveCompartment checks that the compartment exists and that its instances can be listed. The controller's own compartment
// has proved itself when the controller started and does so with every list of instances, so it is read once for its name, and a name
// that may not be read is no fault.
func (c *StatusController) resolveCompartment(ctx context.Context, nodeClass *v1alpha1.OciNodeClass, _ *cluster.Cluster) (string, error) {
	id := nodeClass.CompartmentIDOr(c.CompartmentID)
	own := id == c.CompartmentID
	if known := nodeClass.Status.Compartment; own && known != nil && known.ID == id && known.Name != "" {
		return "", nil
	}
	compartment, err := c.OCI.GetCompartment(ctx, id)
	if _, refused := oci.RefusalOf(err); refused && own {
		nodeClass.Status.Compartment = &v1alpha1.Compartment{ID: id}
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if state := compartment.LifecycleState; state != identity.CompartmentLifecycleStateActive {
		return "", selection.Unresolved("the compartment %s (%s) is %s; name one that is ACTIVE in compartmentId", oci.Value(compartment.Name), id, state)
	}
	if !own {
		if err := c.OCI.ProbeInstances(ctx, id); err != nil {
			return "", err
		}
	}
	nodeClass.Status.Compartment = &v1alpha1.Compartment{ID: id, Name: oci.Value(compartment.Name)}
	return "", nil
}

// usableKeyStates are the lifecycle states in which a key encrypts.
var usableKeyStates = []keymanagement.KeyLifecycleStateEnum{
	keymanagement.KeyLifecycleStateEnabled, keymanagement.KeyLifecycleStateUpdating, keymanagement.KeyLifecycleStateBackupInProgress,
}

// resolveKeys checks the keys that it can read. It is OCI's block storage that uses a key, with rights of its own, so a key that
// the controller can not read is no fault: the condition says that it was not checked.
func (c *StatusController) resolveKeys(ctx context.Context, nodeClass *v1alpha1.OciNodeClass, _ *cluster.Cluster) (string, error) {
	var keys []v1alpha1.KMSKey
	var unchecked []string
	for _, id := range nodeClass.KMSKeyIDs() {
		key, err := c.readKey(ctx, id)
		if err != nil {
			unchecked = append(unchecked, id)
			keys = append(keys, knownKey(nodeClass, id))
			continue
		}
		if !slices.Contains(usableKeyStates, key.LifecycleState) {
			return "", selection.Unresolved("the vault key %s (%s) is %s; enable it or name another in kmsKeyId", oci.Value(key.DisplayName), id, key.LifecycleState)
		}
		keys = append(keys, v1alpha1.KMSKey{ID: id, Name: oci.Value(key.DisplayName)})
	}
	nodeClass.Status.KMSKeys = keys
	if len(unchecked) == 0 {
		return "", nil
	}
	return fmt.Sprintf("not checked, since the controller can not read it: %s. A launch needs the policies: %s; %s. For the check add: %s",
		strings.Join(unchecked, ", "), "Allow service blockstorage to use keys in compartment <of the key>",
		oci.Statement("use", "key-delegate", "<of the key>"), oci.Statement("read", "keys", "<of the key>")), nil
}

func (c *StatusController) readKey(ctx context.Context, id string) (keymanagement.Key, error) {
	ctx, cancel := context.WithTimeout(ctx, keyTimeout)
	defer cancel()
	return c.OCI.GetKey(ctx, id)
}

// knownKey keeps the name that an earlier look gave.
func knownKey(nodeClass *v1alpha1.OciNodeClass, id string) v1alpha1.KMSKey {
	for _, key := range nodeClass.Status.KMSKeys {
		if key.ID == id {
			return key
		}
	}
	return v1alpha1.KMSKey{ID: id}
}

// resolvePlacement finds what the class is placed in or on; nothing asked is nothing done.
func (c *StatusController) resolvePlacement(ctx context.Context, nodeClass *v1alpha1.OciNodeClass, _ *cluster.Cluster) (string, error) {
	p := nodeClass.Spec.Placement
	if p == nil {
		p = &v1alpha1.Placement{}
	}
	compartmentID := nodeClass.CompartmentIDOr(c.CompartmentID)
	clusters, err := c.Placement.ComputeClusters(ctx, p.ComputeClusterSelector, compartmentID)
	if err != nil {
		return "", err
	}
	groups, err := c.Placement.ClusterPlacementGroups(ctx, p.ClusterPlacementGroupSelector, compartmentID)
	if err != nil {
		return "", err
	}
	hosts, err := c.Placement.DedicatedVMHosts(ctx, p.DedicatedVMHostSelector, compartmentID)
	if err != nil {
		return "", err
	}
	if hosts, err = inFaultDomains(hosts, p.FaultDomains); err != nil {
		return "", err
	}
	s := &nodeClass.Status
	s.ComputeClusters, s.ClusterPlacementGroups, s.DedicatedVMHosts = orNil(clusters), orNil(groups), orNil(hosts)
	return "", nil
}

// inFaultDomains keeps the hosts in the fault domains that the class allows; a host does not move.
func inFaultDomains(hosts []v1alpha1.DedicatedVMHost, allowed []string) ([]v1alpha1.DedicatedVMHost, error) {
	if len(hosts) == 0 || len(allowed) == 0 {
		return hosts, nil
	}
	kept := slices.DeleteFunc(slices.Clone(hosts), func(h v1alpha1.DedicatedVMHost) bool { return !slices.Contains(allowed, h.FaultDomain) })
	if len(kept) == 0 {
		return nil, selection.Unresolved("none of the dedicated VM hosts is in %s; change placement.faultDomains or placement.dedicatedVmHostSelector", strings.Join(allowed, " or "))
	}
	return kept, nil
}

// resolveBootstrap checks that nodes of the class can join: the cluster takes nodes of others than OKE, the pod networking is the
// cluster's, and what a node is given at boot fits.
func (c *StatusController) resolveBootstrap(_ context.Context, nodeClass *v1alpha1.OciNodeClass, current *cluster.Cluster) (string, error) {
	if current.Basic {
		return "", selection.Unresolved("the OKE cluster is a basic cluster, which only nodes of OKE's own node pools can join; upgrade it to an enhanced cluster")
	}
	pods := v1alpha1.PodNetworkingType(current.Pods)
	if asked := nodeClass.PodNetworkingType(); asked != v1alpha1.PodNetworkingAuto && asked != pods {
		return "", selection.Unresolved("podNetworking.type is %s and the OKE cluster uses %s; set it to %s or auto", asked, pods, pods)
	}
	if n := nodeClass.Spec.PodNetworking; n != nil && pods == v1alpha1.PodNetworkingFlannel && (len(n.PodSubnetSelector) > 0 || n.PodSecurityGroupSelector != nil || n.IPCount != nil) {
		return "", selection.Unresolved("the OKE cluster uses Flannel, where pods have no addresses of the VCN; remove podSubnetSelector, podSecurityGroupSelector and ipCount from podNetworking")
	}
	nodeClass.Status.PodNetworking = pods
	if c.Bootstrap != nil {
		if err := c.Bootstrap.Check(nodeClass); err != nil {
			return "", &selection.UnresolvedError{Message: err.Error()}
		}
	}
	return "", nil
}
