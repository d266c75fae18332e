package environment

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/stretchr/testify/require"
	"k8s.io/utils/ptr"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/test/environment/record"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

func TestArgumentsAreSplitAsAShellWouldWithoutRunningAnything(t *testing.T) {
	cases := []struct {
		name, line string
		want       []string
	}{
		{"nothing", "", nil},
		{"words", "--a 1  --b=2", []string{"--a", "1", "--b=2"}},
		{"quotes keep spaces and emptiness", `--a 'x y' --b "" `, []string{"--a", "x y", "--b", ""}},
		{"variables are empty, not the caller's", "--a=$HOME", []string{"--a="}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := SplitArgs(c.line)
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
	_, err := SplitArgs("'")
	require.ErrorContains(t, err, "quote")
	_, err = SplitArgs("$(touch /tmp/x)")
	require.Error(t, err, "commands are refused")
}

func TestTheSimulatorsArgumentsAreThoseOfItsCommand(t *testing.T) {
	o, listen, err := ParseOCISimArgs([]string{"--listen", "127.0.0.1:9", "--page-size=2", "--provisioning-delay", "0s", "--list-lag", "3s", "--region", "us-ashburn-1"})
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1:9", listen)
	require.Equal(t, 2, o.PageSize)
	require.Equal(t, 3*time.Second, o.ListLag)
	require.Equal(t, "us-ashburn-1", o.Region)
	require.Negative(t, o.ProvisioningDelay, "0 on the command line means none")
	require.Zero(t, o.TerminationDelay, "what is not given keeps its default")
	for _, bad := range [][]string{{"--page-size", "x"}, {"--no-such"}, {"stray"}} {
		_, _, err := ParseOCISimArgs(bad)
		require.ErrorContains(t, err, "the simulator's arguments", bad)
	}
}

func TestOptionsThatCannotWorkAreRefusedByName(t *testing.T) {
	cases := []struct {
		name string
		o    Options
		want string
	}{
		{"a name that is no label", Options{Name: "Bad Name"}, `the name "Bad Name"`},
		{"fewer nodes than none", Options{Name: "x", FixedNodes: ptr.To(-1)}, "-1 fixed nodes"},
		{"more virtual nodes than addresses", Options{Name: "x", VirtualNodes: ptr.To(5000)}, "choose 0 to 200"},
		{"no programs", Options{Name: "x", BinDir: t.TempDir()}, "etcd is missing"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			c.o.Dir = filepath.Join(t.TempDir(), "out")
			_, err := Start(t.Context(), c.o)
			require.ErrorContains(t, err, c.want)
			require.NoDirExists(t, c.o.Dir, "nothing is written before the options are known to work")
		})
	}
}

func TestPortsNamedInTheArgumentsAreKept(t *testing.T) {
	require.Equal(t, "7", flagOr(nil, "metrics-port", 7))
	require.Equal(t, "8", flagOr([]string{"--metrics-port", "8"}, "metrics-port", 7))
	require.Equal(t, "9", flagOr([]string{"-metrics-port=8", "--metrics-port=9"}, "metrics-port", 7))
	require.Equal(t, "7", flagOr([]string{"--metrics-port"}, "metrics-port", 7))
	require.Equal(t, "7", flagOr([]string{"metrics-port", "8"}, "metrics-port", 7))
}

func TestKubernetesVersionsAreComparedByNumber(t *testing.T) {
	require.True(t, newer("v1.36.10", "v1.36.9"))
	require.False(t, newer("v1.36.3", "v1.36.3"))
	require.False(t, newer("v1.9.0", "v1.10.0"))
}

func TestAnInstanceCostsItsParts(t *testing.T) {
	p, err := newPrices(func() billed { return billed{Nodes: 2, OCPUs: 25, MemoryGB: 50} })
	require.NoError(t, err)
	i := ocisim.Instance{State: "RUNNING", Shape: "VM.Standard.E4.Flex", OCPUs: 4, MemoryGB: 16}
	// E4: $0.025 an OCPU-hour (B93113), $0.0015 a GB-hour (B93114).
	require.InDelta(t, 4*0.025+16*0.0015, p.compute(&i), 1e-6)
	i.Baseline = "BASELINE_1_8"
	require.InDelta(t, 4*0.025/8+16*0.0015, p.compute(&i), 1e-6, "of a burstable instance an eighth of the OCPUs")
	i.Baseline, i.Preemptible = "", true
	require.InDelta(t, (4*0.025+16*0.0015)/2, p.compute(&i), 1e-6, "preemptible is half")
	for _, state := range []string{"TERMINATING", "TERMINATED"} {
		i.State = state
		require.Zero(t, p.compute(&i))
	}
	// $0.0255 a GB and $0.0017 a VPU and GB in a month of 744 h.
	require.InDelta(t, 100*(0.0255+10*0.0017)/744, p.volume(ocisim.Volume{SizeGB: 100, VPUsPerGB: 10}), 1e-9)
	require.InDelta(t, 1000*0.0255/744, p.volume(ocisim.Volume{SizeGB: 1000}), 1e-9, "lower cost volumes have no VPUs")
	// Virtual: 25 OCPU and 50 GB at the parts of E4, and $0.015 a node.
	require.InDelta(t, 25*0.025+50*0.0015+2*0.015, p.virtual(), 1e-6)
}

func TestVolumesArePaidForUntilTheyAreGone(t *testing.T) {
	sim, err := ocisim.Start(t.Context(), ocisim.Options{ProvisioningDelay: -1, TerminationDelay: -1}, "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, sim.Close()) }()
	p, err := newPrices(func() billed { return billed{} })
	require.NoError(t, err)
	c := newCloud(sim.Simulator, p)
	clients, err := newOCIClients(sim)
	require.NoError(t, err)
	image, err := nodeImage(t.Context(), clients, sim.World())
	require.NoError(t, err)
	world := sim.World()
	launched, err := clients.compute.LaunchInstance(t.Context(), core.LaunchInstanceRequest{LaunchInstanceDetails: core.LaunchInstanceDetails{
		AvailabilityDomain: &world.ADs[0], CompartmentId: &world.CompartmentID, Shape: ptr.To("VM.Standard2.1"),
		CreateVnicDetails: &core.CreateVnicDetails{SubnetId: &world.NodeSubnetIDs[0]},
		SourceDetails:     core.InstanceSourceViaImageDetails{ImageId: &image, BootVolumeSizeInGBs: ptr.To[int64](60), BootVolumeVpusPerGB: ptr.To[int64](20)},
		LaunchVolumeAttachments: []core.LaunchAttachVolumeDetails{core.LaunchAttachParavirtualizedVolumeDetails{
			LaunchCreateVolumeDetails: core.LaunchCreateVolumeFromAttributes{SizeInGBs: ptr.To[int64](500), VpusPerGB: ptr.To[int64](0)},
		}},
	}})
	require.NoError(t, err)
	boot, data := 60*(0.0255+20*0.0017)/744, 500*0.0255/744
	require.InDelta(t, 0.0638+boot+data, c.Cost()[record.LayerKarpenter], 1e-9)
	_, err = clients.compute.TerminateInstance(t.Context(), core.TerminateInstanceRequest{InstanceId: launched.Id, PreserveDataVolumesCreatedAtLaunch: ptr.To(true)})
	require.NoError(t, err)
	require.InDelta(t, data, c.Cost()[record.LayerKarpenter], 1e-9, "a volume that was kept outlives its instance")
}

func TestOnlyTheControllersRequestsAreCounted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	sim, err := ocisim.Start(ctx, ocisim.Options{}, "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, sim.Close()) }()
	c := newCloud(sim.Simulator, nil)
	own, err := newOCIClients(sim)
	require.NoError(t, err)
	other, err := newOCIClients(sim)
	require.NoError(t, err)
	other.compute.UserAgent = "somebody"
	_, err = nodeImage(ctx, own, sim.World())
	require.NoError(t, err)
	_, err = nodeImage(ctx, other, sim.World())
	require.NoError(t, err)
	counts, failed := c.OCICalls()
	require.Equal(t, map[string]int{"ListImages": 1}, counts)
	require.Zero(t, failed)
	require.Empty(t, c.Calls(), "a read that was answered well changes nothing")
}

// A whole cluster without the controller: fast enough to be started for one test.
func TestAClusterStartsWithItsFixedNodesAndLeavesNothingRunning(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a control plane")
	}
	dir := filepath.Join(t.TempDir(), "cluster")
	e, err := Start(t.Context(), Options{Name: "assembled", Dir: dir, FixedNodes: ptr.To(1), SystemNodes: ptr.To(1), VirtualNodes: ptr.To(1)})
	require.NoError(t, err)
	stop := func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 30*time.Second)
		defer cancel()
		return e.Stop(ctx)
	}
	t.Cleanup(func() { _ = stop() })

	classes := &v1alpha1.OciNodeClassList{}
	require.NoError(t, e.Client().List(t.Context(), classes), "the custom resources are installed")
	<-e.Recorder().Synced()
	recording := e.Recorder().Recording()
	layers := map[record.Layer]int{}
	for _, n := range recording.Nodes {
		layers[n.Layer]++
		if n.Layer == record.LayerFixed {
			require.Contains(t, n.Taints, "workload-type=stateful:NoSchedule")
			require.NotEmpty(t, n.Zone)
		}
	}
	require.Equal(t, map[record.Layer]int{record.LayerFixed: 1, record.LayerSystem: 1, record.LayerVirtual: 1}, layers)
	require.Len(t, recording.Instances, 2)
	for _, i := range recording.Instances {
		require.True(t, i.Fixed)
		require.NotContains(t, i.Tags, v1alpha1.TagClusterID, "a fixed node's instance is not the controller's")
	}
	require.Empty(t, recording.OCICalls, "launching the fixed nodes is not counted as the controller's")
	left, err := e.Leftovers(t.Context())
	require.NoError(t, err)
	require.Equal(t, record.Leftovers{}, left, "what belongs to fixed nodes is not left over")
	require.NoError(t, e.Err())

	api := e.RESTConfig().Host
	require.NoError(t, stop())
	_, err = net.DialTimeout("tcp", api[len("https://"):], time.Second)
	require.Error(t, err, "the API server has ended")
	for _, name := range []string{"oci", "cluster/etcd", "cluster/kubeconfig"} {
		_, err := os.Stat(filepath.Join(dir, name))
		require.ErrorIs(t, err, os.ErrNotExist, name)
	}
	require.DirExists(t, filepath.Join(dir, "cluster", "logs"), "logs stay")
	require.NoError(t, stop(), "stopping again does no harm")
}
