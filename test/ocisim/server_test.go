package ocisim_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/containerengine"
	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/oracle/oci-go-sdk/v65/identity"
	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	testclock "k8s.io/utils/clock/testing"

	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

func startServer(t *testing.T, o ocisim.Options) *ocisim.Server {
	t.Helper()
	server, err := ocisim.Start(t.Context(), o, "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	return server
}

func TestAStartedServerLivesOnTheRealClockAndStopsForGood(t *testing.T) {
	server, err := ocisim.Start(ctx, ocisim.Options{ProvisioningDelay: 20 * time.Millisecond}, "127.0.0.1:0")
	require.NoError(t, err)
	path, err := ocisim.WriteSDKConfig(t.TempDir(), server.World())
	require.NoError(t, err)
	provider, err := common.ConfigurationProviderFromFile(path, "")
	require.NoError(t, err)
	client := lo.Must(core.NewComputeClientWithConfigurationProvider(provider))
	client.Host = server.URL
	r := &region{Simulator: server.Simulator, t: t, world: server.World(), compute: client}
	r.imageID = r.image("v1.36.1")
	events := server.Watch(t.Context())
	r.mustLaunch()
	require.Equal(t, "PROVISIONING", (<-events).Instance.State)
	require.Equal(t, "RUNNING", (<-events).Instance.State)
	require.NoError(t, server.Close())
	require.NoError(t, server.Close(), "closing twice is harmless")
	_, err = net.Dial("tcp", strings.TrimPrefix(server.URL, "http://"))
	require.Error(t, err)
}

func TestAnAddressInUseIsAnError(t *testing.T) {
	server := startServer(t, ocisim.Options{})
	_, err := ocisim.Start(ctx, ocisim.Options{}, strings.TrimPrefix(server.URL, "http://"))
	require.ErrorContains(t, err, "address already in use")
}

func TestOptionsThatCannotWorkAreNamed(t *testing.T) {
	cases := map[string]struct {
		options ocisim.Options
		want    string
	}{
		"a region":             {ocisim.Options{Region: "Mars"}, `region "Mars"`},
		"a version without v":  {ocisim.Options{KubernetesVersion: "1.36.3"}, "1.36.3"},
		"a pod network":        {ocisim.Options{CNI: "calico"}, "calico"},
		"a page size":          {ocisim.Options{PageSize: -1}, "page size -1"},
		"an endpoint":          {ocisim.Options{PrivateEndpoint: "10.0.0.14"}, "10.0.0.14"},
		"a subnet outside":     {ocisim.Options{NodeSubnetCIDRs: []string{"192.168.0.0/24"}}, "192.168.0.0/24"},
		"overlapping subnets":  {ocisim.Options{NodeSubnetCIDRs: []string{"10.0.16.0/20", "10.0.17.0/24"}}, "overlaps"},
		"no subnet":            {ocisim.Options{NodeSubnetCIDRs: []string{}}, "at least one"},
		"TLS without a folder": {ocisim.Options{TLS: &ocisim.TLSOptions{}}, "folder"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := ocisim.New(c.options)
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestSignaturesAreVerifiedWhenAskedFor(t *testing.T) {
	server := startServer(t, ocisim.Options{VerifySignatures: true})
	list := func(provider common.ConfigurationProvider) error {
		client := lo.Must(core.NewComputeClientWithConfigurationProvider(provider))
		client.Host = server.URL
		client.Configuration.RetryPolicy = lo.ToPtr(common.NoRetryPolicy())
		_, err := client.ListInstances(ctx, core.ListInstancesRequest{CompartmentId: lo.ToPtr(server.World().CompartmentID)})
		if err != nil {
			return err
		}
		_, err = client.CreateComputeCapacityReport(ctx, core.CreateComputeCapacityReportRequest{CreateComputeCapacityReportDetails: core.CreateComputeCapacityReportDetails{
			CompartmentId: lo.ToPtr(server.World().TenancyID), AvailabilityDomain: &server.World().ADs[0],
			ShapeAvailabilities: []core.CreateCapacityReportShapeAvailabilityDetails{{InstanceShape: lo.ToPtr("VM.Standard.E5.Flex")}}}})
		return err
	}
	trusted, err := server.ConfigurationProvider()
	require.NoError(t, err)
	require.NoError(t, list(trusted))
	own, err := server.WriteConfig(t.TempDir())
	require.NoError(t, err)
	require.NoError(t, list(lo.Must(common.ConfigurationProviderFromFile(own, ""))))
	stranger, err := ocisim.WriteSDKConfig(t.TempDir(), server.World())
	require.NoError(t, err)
	requireError(t, list(lo.Must(common.ConfigurationProviderFromFile(stranger, ""))), 401, "NotAuthenticated", "not known")

	skewed := startServer(t, ocisim.Options{VerifySignatures: true, Clock: testclock.NewFakeClock(noon)})
	client := lo.Must(core.NewComputeClientWithConfigurationProvider(lo.Must(skewed.ConfigurationProvider())))
	client.Host = skewed.URL
	_, err = client.ListInstances(ctx, core.ListInstancesRequest{CompartmentId: lo.ToPtr(skewed.World().CompartmentID)})
	requireError(t, err, 401, "NotAuthenticated", "five minutes")
}

// The helper process below is the whole client: nothing in it names the simulator.
const asClient = "OCISIM_TEST_CLIENT"

func TestMain(m *testing.M) {
	if os.Getenv(asClient) != "" {
		if err := beClient(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func beClient() error {
	provider := common.DefaultConfigProvider()
	tenancy, err := provider.TenancyOCID()
	if err != nil {
		return err
	}
	who, err := identity.NewIdentityClientWithConfigurationProvider(provider)
	if err != nil {
		return err
	}
	ads, err := who.ListAvailabilityDomains(context.Background(), identity.ListAvailabilityDomainsRequest{CompartmentId: &tenancy})
	if err != nil {
		return err
	}
	compute, err := core.NewComputeClientWithConfigurationProvider(provider)
	if err != nil {
		return err
	}
	shapes, err := compute.ListShapes(context.Background(), core.ListShapesRequest{CompartmentId: &tenancy, AvailabilityDomain: ads.Items[0].Name})
	if err != nil {
		return err
	}
	oke, err := containerengine.NewContainerEngineClientWithConfigurationProvider(provider)
	if err != nil {
		return err
	}
	clusters, err := oke.ListClusters(context.Background(), containerengine.ListClustersRequest{CompartmentId: &tenancy})
	if err != nil {
		return err
	}
	fmt.Println(*ads.Items[0].Name, len(shapes.Items), len(clusters.Items), who.Host)
	return nil
}

func TestTheSDKIsSentHereByEnvironmentAlone(t *testing.T) {
	for _, name := range []string{"us-phoenix-1", "eu-frankfurt-1", "xx-nowhere-1"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			server := startServer(t, ocisim.Options{Region: name, TLS: &ocisim.TLSOptions{Dir: filepath.Join(dir, "ca")}})
			config, err := server.WriteConfig(filepath.Join(dir, "oci"))
			require.NoError(t, err)
			client := exec.Command(os.Args[0])
			client.Env = []string{asClient + "=1", "HOME=" + dir, "OCI_CONFIG_FILE=" + config}
			for key, value := range server.Environment() {
				client.Env = append(client.Env, key+"="+value)
			}
			out, err := client.CombinedOutput()
			require.NoError(t, err, string(out))
			require.Contains(t, string(out), server.World().ADs[0]+" 77 0 https://identity."+name+".oci.oraclecloud.com")
			require.Equal(t, 1, server.Journal().Counts()["ListShapes"])
		})
	}
}

func TestTLSAnswersUnderAnyNameAndTheProxyLeadsNowhereElse(t *testing.T) {
	dir := t.TempDir()
	server := startServer(t, ocisim.Options{TLS: &ocisim.TLSOptions{Dir: dir}})
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(lo.Must(os.ReadFile(server.CAFile))))
	direct := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	status, body := httpDo(t, direct, http.MethodGet, server.URL+"/_sim/world", "")
	require.Equal(t, 200, status)
	require.Contains(t, body, server.World().ClusterID)
	named := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: "iaas.ap-tokyo-1.oraclecloud.com"}}}
	status, _ = httpDo(t, named, http.MethodGet, server.URL+"/_sim/world", "")
	require.Equal(t, 200, status)

	proxied := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, Proxy: func(*http.Request) (*url.URL, error) {
		return url.Parse("http://" + strings.TrimPrefix(server.URL, "https://"))
	}}}
	status, _ = httpDo(t, proxied, http.MethodGet, "https://apexapps.oracle.com/pls/apex/cetools/api/v1/products/", "")
	require.Equal(t, 200, status)
	response, err := proxied.Get("https://example.com/")
	if err == nil {
		_ = response.Body.Close()
	}
	require.ErrorContains(t, err, "Forbidden")

	again := startServer(t, ocisim.Options{TLS: &ocisim.TLSOptions{Dir: dir}})
	status, _ = httpDo(t, direct, http.MethodGet, again.URL+"/_sim/world", "")
	require.Equal(t, 200, status, "the CA is kept")
}

func TestTheAdminEndpointDoesWhatGoCanDo(t *testing.T) {
	r := newRegion(t, ocisim.Options{})
	i := r.mustLaunch()
	r.run()
	post := func(path, body string, want int) map[string]string {
		t.Helper()
		status, text := r.admin(http.MethodPost, path, body)
		require.Equal(t, want, status, text)
		var answer map[string]string
		require.NoError(t, json.Unmarshal([]byte(text), &answer))
		return answer
	}
	id := post("/_sim/faults", `{"kind":"TooManyRequests","operation":"ListInstances","delay":"2s","times":1}`, 200)["id"]
	require.Equal(t, 2*time.Second, r.Faults().List()[0].Delay)
	_, err := r.compute.ListInstances(ctx, core.ListInstancesRequest{CompartmentId: &r.world.CompartmentID})
	requireError(t, err, 429, "TooManyRequests", "")
	_, body := r.admin(http.MethodGet, "/_sim/faults", "")
	require.Contains(t, body, `"delay": "2s"`)
	status, _ := r.admin(http.MethodDelete, "/_sim/faults/"+id, "")
	require.Equal(t, 200, status)
	status, _ = r.admin(http.MethodDelete, "/_sim/faults/"+id, "")
	require.Equal(t, 404, status)
	require.Contains(t, post("/_sim/faults", `{"kind":"OutOfHostCapacity","mach":{}}`, 400)["error"], "mach")
	require.Contains(t, post("/_sim/limits", `{"name":"x","valeu":1}`, 400)["error"], "valeu")

	image := post("/_sim/images", `{"displayName":"Oracle-Linux-8.10-2026.11.01-0-OKE-1.36.3-1900","freeformTags":{"k8s_version":"v1.36.3"}}`, 200)["id"]
	require.Equal(t, image, r.image("v1.36.3"))
	post("/_sim/subnets", `{"name":"tiny","cidr":"10.0.250.0/29"}`, 200)
	post("/_sim/host-capacity", `{"shape":"VM.*","ocpus":2}`, 200)
	_, err = r.launch()
	requireError(t, err, 500, "InternalError", "")
	status, _ = r.admin(http.MethodPatch, "/_sim/cluster", `{"kubernetesVersion":"v1.36.9"}`)
	require.Equal(t, 200, status)
	require.Equal(t, "v1.36.9", r.Cluster().KubernetesVersion)
	require.Equal(t, ocisim.CNINative, r.Cluster().CNI, "what is not named stays")
	post("/_sim/reservations", `{"name":"r","availabilityDomain":"Uocm:PHX-AD-1","shape":"VM.Standard.E5.Flex","ocpus":2,"memoryInGBs":16,"count":3}`, 200)
	post("/_sim/maintenance", `{"instanceId":"`+*i.Id+`","startsAfter":"1h"}`, 200)
	require.Contains(t, post("/_sim/instances/"+*i.Id+"/preempt", "", 400)["error"], "not preemptible")
	post("/_sim/instances/"+*i.Id+"/stop", "", 200)
	require.Equal(t, core.InstanceLifecycleStateStopping, r.get(*i.Id).LifecycleState)
	post("/_sim/instances/"+*i.Id+"/stop", "", 409)

	_, body = r.admin(http.MethodGet, "/_sim/instances?state=STOPPING", "")
	require.Contains(t, body, *i.Id)
	_, body = r.admin(http.MethodGet, "/_sim/journal", "")
	require.Contains(t, body, `"LaunchInstance": 2`)
	status, _ = r.admin(http.MethodDelete, "/_sim/journal", "")
	require.Equal(t, 200, status)
	require.Empty(t, r.Journal().Counts(), "the admin endpoint itself is not journalled")
	_, body = r.admin(http.MethodGet, "/_sim/", "")
	require.Contains(t, body, "/_sim/host-capacity")
}
