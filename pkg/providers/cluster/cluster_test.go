package cluster_test

import (
	"context"
	"testing"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/containerengine"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/util/version"

	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/cluster"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
	"github.com/karpenter-oke/karpenter-oke/test/ocitest"
)

// refreshed reads the cluster of a simulated region.
func refreshed(t *testing.T, r *ocitest.Region, overrides cluster.Overrides) *cluster.Cluster {
	t.Helper()
	p := cluster.NewProvider(r.Client, r.World.ClusterID, overrides)
	require.Nil(t, p.Get(), "nothing is known before the first read")
	require.NoError(t, p.Refresh(t.Context()))
	return p.Get()
}

func TestWhatNodesNeedOfTheClusterIsFoundByItsOCID(t *testing.T) {
	r := ocitest.Start(t, ocisim.Options{KubernetesVersion: "v1.34.1", PrivateEndpoint: "10.0.0.14:6443", CNI: ocisim.CNINative})
	c := refreshed(t, r, cluster.Overrides{DNSIP: "10.96.5.5", CABundle: []byte("ca")})
	require.Equal(t, r.World.ClusterID, c.ID)
	require.Equal(t, r.World.VCNID, c.VCNID)
	require.NotEmpty(t, c.Name)
	require.Equal(t, "1.34.1", c.Version.String())
	require.Equal(t, "10.0.0.14", c.Endpoint, "the private endpoint, without its port")
	require.Equal(t, cluster.VCNNative, c.Pods)
	require.Equal(t, []string{"IPv4"}, c.IPFamilies)
	require.False(t, c.Basic)
	require.Equal(t, "10.96.5.5", c.DNSIP)
	require.Equal(t, []byte("ca"), c.CABundle)
}

func TestWhatIsSetCountsMoreThanWhatIsFound(t *testing.T) {
	r := ocitest.Start(t, ocisim.Options{KubernetesVersion: "v1.34.1", PrivateEndpoint: "10.0.0.14:6443", CNI: ocisim.CNINative})
	c := refreshed(t, r, cluster.Overrides{Endpoint: "api.example", Version: version.MustParseGeneric("1.33.4"), Pods: cluster.Flannel})
	require.Equal(t, "api.example", c.Endpoint)
	require.Equal(t, "1.33.4", c.Version.String())
	require.Equal(t, cluster.Flannel, c.Pods)
}

func TestAnUpgradeOfTheControlPlaneIsSeen(t *testing.T) {
	r := ocitest.Start(t, ocisim.Options{KubernetesVersion: "v1.33.1"})
	p := cluster.NewProvider(r.Client, r.World.ClusterID, cluster.Overrides{})
	require.NoError(t, p.Refresh(t.Context()))
	before := p.Get()
	r.SetCluster(func(c *ocisim.ClusterState) { c.KubernetesVersion, c.Type = "v1.34.1", "BASIC_CLUSTER" })
	require.NoError(t, p.Refresh(t.Context()))
	require.Equal(t, "1.34.1", p.Get().Version.String())
	require.True(t, p.Get().Basic)
	require.Equal(t, "1.33.1", before.Version.String(), "what was given out does not change")

	r.Fail(ocisim.Fault{Operation: "GetCluster", Kind: ocisim.ErrorAnswer, Status: 404, Code: "NotAuthorizedOrNotFound", Message: "no"})
	err := p.Refresh(t.Context())
	require.Equal(t, oci.ClassNotFound, oci.ClassOf(err))
	require.ErrorContains(t, err, r.World.ClusterID)
	require.Equal(t, "1.34.1", p.Get().Version.String(), "the last known state stays")
}

// answer is a GetCluster that answers in one way.
type answer containerengine.Cluster

// GetCluster implements cluster.API.
func (a answer) GetCluster(context.Context, string) (containerengine.Cluster, error) {
	return containerengine.Cluster(a), nil
}

func TestWhateverOCIAnswersOfAClusterIsReadWithoutPanic(t *testing.T) {
	endpoint := &containerengine.ClusterEndpoints{PrivateEndpoint: common.String("10.0.0.14")}
	for says, tc := range map[string]struct {
		answer answer
		want   string // of the error; empty: none
	}{
		"nothing":             {answer{}, `"" is not a version`},
		"an odd version":      {answer{KubernetesVersion: common.String("latest"), Endpoints: endpoint}, `"latest" is not a version`},
		"no endpoints":        {answer{KubernetesVersion: common.String("v1.34.1")}, "set --cluster-endpoint"},
		"no private endpoint": {answer{KubernetesVersion: common.String("v1.34.1"), Endpoints: &containerengine.ClusterEndpoints{}}, "set --cluster-endpoint"},
		"no port":             {answer{KubernetesVersion: common.String("v1.34.1"), Endpoints: endpoint}, ""},
	} {
		t.Run(says, func(t *testing.T) {
			p := cluster.NewProvider(tc.answer, "ocid1.cluster.x", cluster.Overrides{})
			err := p.Refresh(t.Context())
			if tc.want != "" {
				require.ErrorContains(t, err, tc.want)
				require.Nil(t, p.Get())
				return
			}
			require.NoError(t, err)
			require.Equal(t, "10.0.0.14", p.Get().Endpoint)
			require.Equal(t, cluster.Flannel, p.Get().Pods)
		})
	}
}
