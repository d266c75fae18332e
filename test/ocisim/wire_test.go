package ocisim_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oracle/oci-go-sdk/v65/containerengine"
	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/oracle/oci-go-sdk/v65/identity"
	"github.com/samber/lo"
	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

func TestListsComeInPagesOfAnySize(t *testing.T) {
	for _, size := range []int{1, 2, 3, 7, 100} {
		r := newRegion(t, ocisim.Options{PageSize: size})
		var want []string
		for range 7 {
			want = append(want, *r.mustLaunch().Id)
			r.clock.Step(time.Millisecond)
		}
		slices.Reverse(want)
		r.Journal().Reset()
		got := lo.Map(r.list(), func(i core.Instance, _ int) string { return *i.Id })
		require.Equal(t, want, got, "newest first, page size %d", size)
		require.Equal(t, (7+size-1)/size, r.Journal().Counts()["ListInstances"])
	}
}

func TestThePageSizeIsTheServersAndTheClientMayAskForLess(t *testing.T) {
	r := newRegion(t, ocisim.Options{PageSize: 10})
	ask := func(limit int) (core.ListShapesResponse, error) {
		return r.compute.ListShapes(ctx, core.ListShapesRequest{CompartmentId: &r.world.CompartmentID, AvailabilityDomain: &r.world.ADs[0], Limit: &limit})
	}
	few, err := ask(4)
	require.NoError(t, err)
	require.Len(t, few.Items, 4)
	many, err := ask(500)
	require.NoError(t, err)
	require.Len(t, many.Items, 10)
	_, err = r.compute.ListShapes(ctx, core.ListShapesRequest{CompartmentId: &r.world.CompartmentID, Page: lo.ToPtr("nonsense")})
	requireError(t, err, 400, "InvalidParameter", "nonsense")
}

func TestAPageStartsBehindTheLastItemEvenWhenItemsCome(t *testing.T) {
	r := newRegion(t, ocisim.Options{PageSize: 2})
	for range 4 {
		r.mustLaunch()
		r.clock.Step(time.Millisecond)
	}
	request := core.ListInstancesRequest{CompartmentId: &r.world.CompartmentID}
	first, err := r.compute.ListInstances(ctx, request)
	require.NoError(t, err)
	r.mustLaunch() // newest first: everything moves by one
	request.Page = first.OpcNextPage
	second, err := r.compute.ListInstances(ctx, request)
	require.NoError(t, err)
	require.Nil(t, second.OpcNextPage)
	ids := lo.Map(append(first.Items, second.Items...), func(i core.Instance, _ int) string { return *i.Id })
	require.Len(t, lo.Uniq(ids), 4, "nothing twice, nothing missed")
}

func TestListInstancesFilters(t *testing.T) {
	r := newRegion(t, ocisim.Options{})
	a := r.mustLaunch(func(d *core.LaunchInstanceDetails) { d.DisplayName = lo.ToPtr("a") })
	r.run()
	b := r.mustLaunch(func(d *core.LaunchInstanceDetails) {
		d.DisplayName, d.AvailabilityDomain = lo.ToPtr("b"), &r.world.ADs[2]
	})
	ids := func(change func(*core.ListInstancesRequest)) []string {
		return lo.Map(r.list(change), func(i core.Instance, _ int) string { return *i.Id })
	}
	require.Equal(t, []string{*b.Id}, ids(func(q *core.ListInstancesRequest) { q.AvailabilityDomain = &r.world.ADs[2] }))
	require.Equal(t, []string{*a.Id}, ids(func(q *core.ListInstancesRequest) { q.DisplayName = lo.ToPtr("a") }))
	require.Equal(t, []string{*a.Id}, ids(func(q *core.ListInstancesRequest) { q.LifecycleState = core.InstanceLifecycleStateRunning }))
	require.Equal(t, []string{*a.Id, *b.Id}, ids(func(q *core.ListInstancesRequest) { q.SortOrder = core.ListInstancesSortOrderAsc }))
	require.Empty(t, ids(func(q *core.ListInstancesRequest) { q.CompartmentId = &r.world.TenancyID }))
}

func TestShapesAreListedForEachAD(t *testing.T) {
	r := newRegion(t, ocisim.Options{PageSize: 1000})
	require.NoError(t, r.SetShapeOffered("BM.GPU.H100.8", r.world.ADs[1], false))
	r.fault(ocisim.Fault{Kind: ocisim.ShapeNotFound, Match: ocisim.Match{Shape: "VM.Standard.A1.Flex", AvailabilityDomain: "PHX-AD-3"}})
	names := func(ad *string, image *string) []string {
		answer, err := r.compute.ListShapes(ctx, core.ListShapesRequest{CompartmentId: &r.world.CompartmentID, AvailabilityDomain: ad, ImageId: image})
		require.NoError(t, err)
		return lo.Map(answer.Items, func(s core.Shape, _ int) string { return *s.Shape })
	}
	require.Len(t, names(&r.world.ADs[0], nil), 77)
	require.NotContains(t, names(&r.world.ADs[1], nil), "BM.GPU.H100.8")
	require.NotContains(t, names(&r.world.ADs[2], nil), "VM.Standard.A1.Flex")
	require.Len(t, names(nil, nil), 3*77-2, "without an AD a shape repeats")
	fits := names(&r.world.ADs[0], &r.imageID)
	require.Contains(t, fits, "VM.Standard.E5.Flex")
	require.NotContains(t, fits, "VM.Standard.A1.Flex")
	require.NotContains(t, fits, "VM.GPU.A10.1")
}

func TestImagesOfACompartmentComeWithThePlatformImages(t *testing.T) {
	r := newRegion(t, ocisim.Options{})
	answer, err := r.compute.ListImages(ctx, core.ListImagesRequest{CompartmentId: &r.world.ImageCompartmentID})
	require.NoError(t, err)
	platform, oke := lo.FilterReject(answer.Items, func(i core.Image, _ int) bool { return i.CompartmentId == nil })
	require.Len(t, platform, 7)
	require.Len(t, oke, 29)
	require.Equal(t, "Oracle-Linux-8.10-aarch64-2026.08.14-0-OKE-1.36.4-1820", *answer.Items[0].DisplayName, "newest first")
	require.True(t, strings.HasPrefix(*answer.Items[0].Id, "ocid1.image.oc1.phx."))
	published, err := r.PublishImage(ocisim.ImageSpec{DisplayName: "Oracle-Linux-8.10-2026.11.01-0-OKE-1.36.3-1900", FreeformTags: map[string]string{"k8s_version": "v1.36.3"}})
	require.NoError(t, err)
	require.Equal(t, published, r.image("v1.36.3"))
	require.NoError(t, r.WithdrawImage(published))
	_, err = r.compute.GetImage(ctx, core.GetImageRequest{ImageId: &published})
	requireError(t, err, 404, "NotAuthorizedOrNotFound", published)
}

func TestIdentityKnowsTheRegion(t *testing.T) {
	r := newRegion(t, ocisim.Options{Region: "eu-frankfurt-1"})
	ads, err := r.who.ListAvailabilityDomains(ctx, identity.ListAvailabilityDomainsRequest{CompartmentId: &r.world.TenancyID})
	require.NoError(t, err)
	require.Equal(t, []string{"Uocm:FRA-AD-1", "Uocm:FRA-AD-2", "Uocm:FRA-AD-3"}, lo.Map(ads.Items, func(a identity.AvailabilityDomain, _ int) string { return *a.Name }))
	fds, err := r.who.ListFaultDomains(ctx, identity.ListFaultDomainsRequest{CompartmentId: &r.world.TenancyID, AvailabilityDomain: ads.Items[1].Name})
	require.NoError(t, err)
	require.Len(t, fds.Items, 3)
	children, err := r.who.ListCompartments(ctx, identity.ListCompartmentsRequest{CompartmentId: &r.world.TenancyID})
	require.NoError(t, err)
	require.Len(t, children.Items, 3)
	_, err = r.who.GetCompartment(ctx, identity.GetCompartmentRequest{CompartmentId: lo.ToPtr("ocid1.compartment.oc1..nope")})
	requireError(t, err, 404, "NotAuthorizedOrNotFound", "nope")
	subscriptions, err := r.who.ListRegionSubscriptions(ctx, identity.ListRegionSubscriptionsRequest{TenancyId: &r.world.TenancyID})
	require.NoError(t, err)
	require.Equal(t, "eu-frankfurt-1", *subscriptions.Items[0].RegionName)
	require.Contains(t, r.world.ClusterID, ".oc1.eu-frankfurt-1.")
}

func TestTheNetworkIsLaidOut(t *testing.T) {
	r := newRegion(t, ocisim.Options{})
	subnets, err := r.network.ListSubnets(ctx, core.ListSubnetsRequest{CompartmentId: &r.world.CompartmentID, VcnId: &r.world.VCNID})
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"endpoint", "virtual-pods", "nodes-1", "nodes-2", "pods-1"}, lo.Map(subnets.Items, func(s core.Subnet, _ int) string { return *s.DisplayName }))
	vcn, err := r.network.GetVcn(ctx, core.GetVcnRequest{VcnId: &r.world.VCNID})
	require.NoError(t, err)
	require.Equal(t, []string{"10.0.0.0/16"}, vcn.CidrBlocks)
	groups, err := r.network.ListNetworkSecurityGroups(ctx, core.ListNetworkSecurityGroupsRequest{CompartmentId: &r.world.CompartmentID, DisplayName: lo.ToPtr("nodes")})
	require.NoError(t, err)
	require.Equal(t, r.world.NSGIDs[0], *groups.Items[0].Id)
}

func TestTheClusterCanBeReadAndChanged(t *testing.T) {
	r := newRegion(t, ocisim.Options{})
	get := func() containerengine.Cluster {
		answer, err := r.oke.GetCluster(ctx, containerengine.GetClusterRequest{ClusterId: &r.world.ClusterID})
		require.NoError(t, err)
		return answer.Cluster
	}
	cluster := get()
	require.Equal(t, "v1.36.3", *cluster.KubernetesVersion)
	require.Equal(t, "10.0.0.14:6443", *cluster.Endpoints.PrivateEndpoint)
	require.Equal(t, "10.96.0.0/16", *cluster.Options.KubernetesNetworkConfig.ServicesCidr)
	require.IsType(t, containerengine.OciVcnIpNativeClusterPodNetworkOptionDetails{}, cluster.ClusterPodNetworkOptions[0])
	r.SetCluster(func(c *ocisim.ClusterState) { c.KubernetesVersion, c.CNI = "v1.36.4", ocisim.CNIFlannel })
	cluster = get()
	require.Equal(t, "v1.36.4", *cluster.KubernetesVersion)
	require.IsType(t, containerengine.FlannelOverlayClusterPodNetworkOptionDetails{}, cluster.ClusterPodNetworkOptions[0])
	listed, err := r.oke.ListClusters(ctx, containerengine.ListClustersRequest{CompartmentId: &r.world.CompartmentID, LifecycleState: []containerengine.ClusterLifecycleStateEnum{"CREATING", "ACTIVE"}})
	require.NoError(t, err)
	require.Len(t, listed.Items, 1)
}

func TestNodePoolOptionsAreNarrowed(t *testing.T) {
	r := newRegion(t, ocisim.Options{})
	options := func(q containerengine.GetNodePoolOptionsRequest) containerengine.NodePoolOptions {
		q.NodePoolOptionId, q.CompartmentId = &r.world.ClusterID, &r.world.CompartmentID
		answer, err := r.oke.GetNodePoolOptions(ctx, q)
		require.NoError(t, err)
		return answer.NodePoolOptions
	}
	arm := options(containerengine.GetNodePoolOptionsRequest{NodePoolOsType: "OL8", NodePoolOsArch: "AARCH64", NodePoolK8sVersion: lo.ToPtr("v1.36.1")})
	require.Equal(t, []string{"Oracle-Linux-8.10-aarch64-2026.08.14-0-OKE-1.36.1-1699"}, arm.Images, "the newest build alone")
	every := options(containerengine.GetNodePoolOptionsRequest{NodePoolOsType: "OL8", NodePoolOsArch: "AARCH64", NodePoolK8sVersion: lo.ToPtr("v1.36.1"), ShouldListAllPatchVersions: lo.ToPtr(true)})
	require.Len(t, every.Images, 2)
	source, isImage := arm.Sources[0].(containerengine.NodeSourceViaImageOption)
	require.True(t, isImage)
	require.Equal(t, arm.Images[0], *source.SourceName)
	require.Len(t, options(containerengine.GetNodePoolOptionsRequest{}).Shapes, 77)
}

func TestVirtualNodesAreListed(t *testing.T) {
	r := newRegion(t, ocisim.Options{})
	require.NoError(t, r.SetVirtualNodes(3))
	pools, err := r.oke.ListVirtualNodePools(ctx, containerengine.ListVirtualNodePoolsRequest{CompartmentId: &r.world.CompartmentID, ClusterId: &r.world.ClusterID})
	require.NoError(t, err)
	require.Equal(t, 3, *pools.Items[0].Size)
	nodes, err := r.oke.ListVirtualNodes(ctx, containerengine.ListVirtualNodesRequest{VirtualNodePoolId: pools.Items[0].Id})
	require.NoError(t, err)
	require.Len(t, lo.UniqBy(nodes.Items, func(n containerengine.VirtualNodeSummary) string { return *n.AvailabilityDomain }), 3)
}

func TestEveryRequestIsJournalled(t *testing.T) {
	r := newRegion(t, ocisim.Options{JournalSize: 10})
	_, err := r.compute.LaunchInstance(ctx, core.LaunchInstanceRequest{OpcRetryToken: lo.ToPtr("tok"), LaunchInstanceDetails: r.launchDetails()})
	require.NoError(t, err)
	r.fault(ocisim.Fault{Kind: ocisim.OutOfHostCapacity, Times: 1})
	_, err = r.launch()
	require.Error(t, err)
	r.list()
	require.Equal(t, map[string]int{"LaunchInstance": 2, "ListInstances": 1}, r.Journal().Counts())
	require.Equal(t, map[string]int{"LaunchInstance": 1}, r.Journal().Errors())
	entries := r.Journal().Entries(0)
	require.Len(t, entries, 3)
	require.Equal(t, "tok", entries[0].RetryToken)
	require.Equal(t, 200, entries[0].Status)
	require.Contains(t, entries[0].UserAgent, "Oracle-GoSDK")
	require.Equal(t, 500, entries[1].Status)
	require.Equal(t, "InternalError", entries[1].Code)
	require.Len(t, r.Journal().Entries(entries[1].Seq), 1)
	for range 30 {
		r.list()
	}
	require.LessOrEqual(t, len(r.Journal().Entries(0)), 10, "the memory is bounded")
	require.Equal(t, 31, r.Journal().Counts()["ListInstances"], "the counts are not")
	last := r.Journal().Entries(0)
	r.Journal().Reset()
	require.Empty(t, r.Journal().Counts())
	r.list()
	require.Equal(t, last[len(last)-1].Seq+1, r.Journal().Entries(0)[0].Seq)
}

func TestRequestsWithoutSignatureOrOperationAreRefused(t *testing.T) {
	r := newRegion(t, ocisim.Options{})
	status, body := r.admin(http.MethodGet, "/20160918/instances?compartmentId="+r.world.CompartmentID, "")
	require.Equal(t, 401, status)
	var failure struct{ Code, Message string }
	require.NoError(t, json.Unmarshal([]byte(body), &failure))
	require.Equal(t, "NotAuthenticated", failure.Code)
	status, body = r.admin(http.MethodGet, "/20160918/spaceships", "")
	require.Equal(t, 404, status)
	require.Contains(t, body, "NotAuthorizedOrNotFound")
	require.Equal(t, 1, r.Journal().Counts()["Unknown"])
	_, err := r.compute.ListInstances(ctx, core.ListInstancesRequest{CompartmentId: lo.ToPtr("ocid1.compartment.oc1..unknown")})
	requireError(t, err, 404, "NotAuthorizedOrNotFound", "unknown")
}

func TestThePriceListNeedsNoSignature(t *testing.T) {
	r := newRegion(t, ocisim.Options{})
	status, body := r.admin(http.MethodGet, "/pls/apex/cetools/api/v1/products/?currencyCode=USD", "")
	require.Equal(t, 200, status)
	var list struct{ Items []struct{ PartNumber string } }
	require.NoError(t, json.Unmarshal([]byte(body), &list))
	require.Len(t, list.Items, 514)
	_, body = r.admin(http.MethodGet, "/pls/apex/cetools/api/v1/products/?partNumber=B97384", "")
	require.NoError(t, json.Unmarshal([]byte(body), &list))
	require.Len(t, list.Items, 1)
	require.Equal(t, 2, r.Journal().Counts()["ListProducts"])
}

func TestAMaintenanceShowsInAllItsPlaces(t *testing.T) {
	r := newRegion(t, ocisim.Options{})
	i := r.mustLaunch()
	r.run()
	id, err := r.ScheduleMaintenance(ocisim.MaintenanceSpec{InstanceID: *i.Id, StartsAfter: time.Hour})
	require.NoError(t, err)
	events, err := r.compute.ListInstanceMaintenanceEvents(ctx, core.ListInstanceMaintenanceEventsRequest{CompartmentId: &r.world.CompartmentID, InstanceId: i.Id})
	require.NoError(t, err)
	require.Equal(t, id, *events.Items[0].Id)
	require.Equal(t, r.clock.Now().Add(time.Hour), r.get(*i.Id).TimeMaintenanceRebootDue.Time)
	_, err = r.ScheduleMaintenance(ocisim.MaintenanceSpec{InstanceID: *i.Id, Action: "EXPLODE"})
	require.ErrorContains(t, err, "EXPLODE")
}
