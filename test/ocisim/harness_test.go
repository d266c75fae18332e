package ocisim_test

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/containerengine"
	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/oracle/oci-go-sdk/v65/identity"
	"github.com/oracle/oci-go-sdk/v65/limits"
	"github.com/oracle/oci-go-sdk/v65/workrequests"
	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	testclock "k8s.io/utils/clock/testing"

	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

// region is a simulator behind HTTP on a clock that only moves when told, with SDK clients that have no retries.
type region struct {
	*ocisim.Simulator
	t       *testing.T
	url     string
	world   ocisim.World
	clock   *testclock.FakeClock
	compute core.ComputeClient
	network core.VirtualNetworkClient
	storage core.BlockstorageClient
	who     identity.IdentityClient
	oke     containerengine.ContainerEngineClient
	limits  limits.LimitsClient
	work    workrequests.WorkRequestClient
	imageID string // what launchDetails boots: the newest OKE image for amd64 of v1.36.1
}

// anyKey is one credential for all regions of the tests: making an RSA key takes long, and only the signature's form is checked.
var anyKey = sync.OnceValues(func() (common.ConfigurationProvider, error) {
	return lo.Must(ocisim.New(ocisim.Options{})).ConfigurationProvider()
})

var noon = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

func newRegion(t *testing.T, o ocisim.Options) *region {
	t.Helper()
	r := &region{t: t, clock: testclock.NewFakeClock(noon)}
	o.Clock = r.clock
	sim, err := ocisim.New(o)
	require.NoError(t, err)
	r.Simulator, r.world = sim, sim.World()
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	r.url = server.URL
	provider, err := anyKey()
	require.NoError(t, err)
	r.compute = lo.Must(core.NewComputeClientWithConfigurationProvider(provider))
	r.network = lo.Must(core.NewVirtualNetworkClientWithConfigurationProvider(provider))
	r.storage = lo.Must(core.NewBlockstorageClientWithConfigurationProvider(provider))
	r.who = lo.Must(identity.NewIdentityClientWithConfigurationProvider(provider))
	r.oke = lo.Must(containerengine.NewContainerEngineClientWithConfigurationProvider(provider))
	r.limits = lo.Must(limits.NewLimitsClientWithConfigurationProvider(provider))
	r.work = lo.Must(workrequests.NewWorkRequestClientWithConfigurationProvider(provider))
	for _, client := range []*common.BaseClient{&r.compute.BaseClient, &r.network.BaseClient, &r.storage.BaseClient, &r.who.BaseClient, &r.oke.BaseClient, &r.limits.BaseClient, &r.work.BaseClient} {
		client.Host = server.URL
		client.Configuration.RetryPolicy = lo.ToPtr(common.NoRetryPolicy())
	}
	r.imageID = r.image("v1.36.1")
	sim.Journal().Reset()
	return r
}

// image is the newest OKE image for amd64 of a version.
func (r *region) image(version string) string {
	r.t.Helper()
	request := core.ListImagesRequest{CompartmentId: &r.world.ImageCompartmentID, Shape: lo.ToPtr("VM.Standard.E5.Flex")}
	var images []core.Image
	for more := true; more; more = request.Page != nil {
		answer, err := r.compute.ListImages(context.Background(), request)
		require.NoError(r.t, err)
		images, request.Page = append(images, answer.Items...), answer.OpcNextPage
	}
	image, found := lo.Find(images, func(i core.Image) bool { return i.FreeformTags["k8s_version"] == version })
	require.True(r.t, found, "no image for %s", version)
	return *image.Id
}

// launchDetails is a launch that works: 2 OCPUs and 16 GB of E5 in the first AD.
func (r *region) launchDetails(change ...func(*core.LaunchInstanceDetails)) core.LaunchInstanceDetails {
	d := core.LaunchInstanceDetails{
		AvailabilityDomain: &r.world.ADs[0], CompartmentId: &r.world.CompartmentID, DisplayName: lo.ToPtr("node-1"), Shape: lo.ToPtr("VM.Standard.E5.Flex"),
		ShapeConfig:       &core.LaunchInstanceShapeConfigDetails{Ocpus: lo.ToPtr(float32(2)), MemoryInGBs: lo.ToPtr(float32(16))},
		SourceDetails:     core.InstanceSourceViaImageDetails{ImageId: &r.imageID, BootVolumeSizeInGBs: lo.ToPtr(int64(60))},
		CreateVnicDetails: &core.CreateVnicDetails{SubnetId: &r.world.NodeSubnetIDs[0], NsgIds: r.world.NSGIDs[:1]},
		Metadata:          map[string]string{"user_data": base64.StdEncoding.EncodeToString([]byte("#!/bin/bash\ntrue\n"))},
		FreeformTags:      map[string]string{"owner": "test"},
	}
	for _, c := range change {
		c(&d)
	}
	return d
}

func (r *region) launch(change ...func(*core.LaunchInstanceDetails)) (core.LaunchInstanceResponse, error) {
	return r.compute.LaunchInstance(context.Background(), core.LaunchInstanceRequest{LaunchInstanceDetails: r.launchDetails(change...)})
}

func (r *region) mustLaunch(change ...func(*core.LaunchInstanceDetails)) core.Instance {
	r.t.Helper()
	answer, err := r.launch(change...)
	require.NoError(r.t, err)
	return answer.Instance
}

func (r *region) get(id string) core.Instance {
	r.t.Helper()
	answer, err := r.compute.GetInstance(context.Background(), core.GetInstanceRequest{InstanceId: &id})
	require.NoError(r.t, err)
	return answer.Instance
}

func (r *region) list(change ...func(*core.ListInstancesRequest)) []core.Instance {
	r.t.Helper()
	request := core.ListInstancesRequest{CompartmentId: &r.world.CompartmentID}
	for _, c := range change {
		c(&request)
	}
	var all []core.Instance
	for {
		answer, err := r.compute.ListInstances(context.Background(), request)
		require.NoError(r.t, err)
		all = append(all, answer.Items...)
		if answer.OpcNextPage == nil {
			return all
		}
		request.Page = answer.OpcNextPage
	}
}

// run steps past the provisioning delay.
func (r *region) run() { r.clock.Step(2 * time.Second) }

// requireError checks status, code and a part of the message of a service error.
func requireError(t *testing.T, err error, status int, code, message string) {
	t.Helper()
	failure, isService := common.IsServiceError(err)
	require.True(t, isService, "want a service error, got %v", err)
	require.Equal(t, status, failure.GetHTTPStatusCode(), failure.GetMessage())
	require.Equal(t, code, failure.GetCode())
	require.Contains(t, failure.GetMessage(), message)
	require.NotEmpty(t, failure.GetOpcRequestID())
}

// admin sends a request to the admin endpoint and returns the status and body.
func (r *region) admin(method, path, body string) (int, string) {
	r.t.Helper()
	return httpDo(r.t, http.DefaultClient, method, r.url+path, body)
}
