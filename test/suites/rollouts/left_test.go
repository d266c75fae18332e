package rollouts_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/karpenter/pkg/controllers/node/health"
	coreoptions "sigs.k8s.io/karpenter/pkg/operator/options"
	"sigs.k8s.io/yaml"

	"github.com/karpenter-oke/karpenter-oke/pkg/controllers/nodeclaim"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instance"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/inventory"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

// recorded is a compartment with the instances of a recording.
type recorded struct {
	instance.Provider
	instances  []core.Instance
	terminated []string
}

func (r *recorded) ListInstances(context.Context, string) ([]core.Instance, error) {
	return r.instances, nil
}

func (r *recorded) Terminate(_ context.Context, id string) error {
	r.terminated = append(r.terminated, id)
	return nil
}

func (r *recorded) ReleaseVolumes(context.Context, []inventory.Instance) error { return nil }

func instancesOf(t *testing.T, version string) *recorded {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", version, "instances.yaml"))
	require.NoError(t, err)
	var list []ocisim.Instance
	require.NoError(t, yaml.Unmarshal(text, &list))
	require.NotEmpty(t, list)
	return &recorded{instances: lo.Map(list, func(i ocisim.Instance, _ int) core.Instance {
		return core.Instance{
			Id: &i.ID, DisplayName: &i.DisplayName, AvailabilityDomain: &i.AD, Shape: &i.Shape, FreeformTags: i.FreeformTags,
			LifecycleState: core.InstanceLifecycleStateEnum(i.State), TimeCreated: &common.SDKTime{Time: i.Created},
		}
	})}
}

func TestInstancesOfAnEarlierReleaseAreNoOrphans(t *testing.T) {
	for _, version := range recordings(t) {
		t.Run(version, func(t *testing.T) {
			f, left := load(t, version), instancesOf(t, version)
			orphans := func() []string {
				left.terminated = nil
				inv := inventory.NewProvider(left, inventory.OneCompartment("compartment"), f.region.World.ClusterID, f.clock)
				_, err := nodeclaim.NewOrphanController(f.kube, inv, left, f.clock).Reconcile(t.Context())
				require.NoError(t, err)
				return left.terminated
			}
			require.Empty(t, orphans())
			gone := f.claims()[0]
			gone.Finalizers = nil
			require.NoError(t, f.kube.Update(t.Context(), &gone))
			require.NoError(t, f.kube.Delete(t.Context(), &gone))
			require.Equal(t, []string{gone.Status.ProviderID}, orphans(), "and one without a NodeClaim is")
		})
	}
}

func TestHealthyNodesOfAnEarlierReleaseAreNotRepaired(t *testing.T) {
	options := &coreoptions.Options{}
	options.FeatureGates.NodeRepair = true
	for _, version := range recordings(t) {
		t.Run(version, func(t *testing.T) {
			matcher, err := health.NewRepairPolicyMatcher(coreoptions.ToContext(t.Context(), options), load(t, version).provider)
			require.NoError(t, err)
			nodes := read[corev1.Node](t, version, "nodes")
			require.NotEmpty(t, nodes)
			for _, node := range nodes {
				require.Empty(t, matcher.Match(node), node.Name)
			}
		})
	}
}
