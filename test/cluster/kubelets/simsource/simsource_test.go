package simsource_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/karpenter-oke/karpenter-oke/test/cluster"
	"github.com/karpenter-oke/karpenter-oke/test/cluster/clustertest"
	"github.com/karpenter-oke/karpenter-oke/test/cluster/kubelets"
	"github.com/karpenter-oke/karpenter-oke/test/cluster/kubelets/simsource"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

func TestAnInstanceLaunchedByTheSDKBecomesANodeAndGoesWithIt(t *testing.T) {
	ctx := t.Context()
	sim, err := ocisim.Start(ctx, ocisim.Options{ProvisioningDelay: 100 * time.Millisecond, TerminationDelay: 100 * time.Millisecond}, "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = sim.Close() })
	plane := clustertest.Plane(t, cluster.Options{})
	fleet, err := kubelets.New(kubelets.Options{Plane: plane, Events: simsource.Events(ctx, sim.Simulator), Endpoint: simsource.Endpoint(sim.World()), BootDelay: 100 * time.Millisecond})
	require.NoError(t, err)
	clustertest.Run(t, "fleet", fleet.Run)

	provider, err := sim.ConfigurationProvider()
	require.NoError(t, err)
	compute, err := core.NewComputeClientWithConfigurationProvider(provider)
	require.NoError(t, err)
	compute.Host = sim.URL
	world := sim.World()
	images, err := compute.ListImages(ctx, core.ListImagesRequest{CompartmentId: &world.ImageCompartmentID, Shape: common.String("VM.Standard.E4.Flex")})
	require.NoError(t, err)
	require.NotEmpty(t, images.Items)
	launched, err := compute.LaunchInstance(ctx, core.LaunchInstanceRequest{LaunchInstanceDetails: core.LaunchInstanceDetails{
		CompartmentId: &world.CompartmentID, AvailabilityDomain: &world.ADs[1], Shape: common.String("VM.Standard.E4.Flex"), DisplayName: common.String("fixed-1"),
		ShapeConfig:       &core.LaunchInstanceShapeConfigDetails{Ocpus: common.Float32(2), MemoryInGBs: common.Float32(16)},
		SourceDetails:     core.InstanceSourceViaImageDetails{ImageId: images.Items[0].Id},
		CreateVnicDetails: &core.CreateVnicDetails{SubnetId: &world.NodeSubnetIDs[0]},
		Metadata: kubelets.ManagedMetadata(kubelets.ManagedNode{Endpoint: simsource.Endpoint(world), CA: plane.CA(), NodePoolID: "ocid1.nodepool.oc1.phx.a",
			Labels: map[string]string{"workload-type": "stateful"}}),
	}})
	require.NoError(t, err)

	waitCtx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	status, err := fleet.WaitFor(waitCtx, *launched.Id, kubelets.PhaseJoined)
	require.NoError(t, err)
	client := clustertest.Client(t, plane)
	clustertest.Eventually(t, 20*time.Second, "the node is initialised", func(ctx context.Context) (bool, string) {
		node, err := client.CoreV1().Nodes().Get(ctx, status.NodeName, metav1.GetOptions{})
		if err != nil {
			return false, err.Error()
		}
		return node.Spec.ProviderID == *launched.Id && node.Labels["topology.kubernetes.io/zone"] == "PHX-AD-2" && node.Status.Capacity.Cpu().Value() == 4, fmt.Sprint(node.Labels)
	})

	_, err = compute.TerminateInstance(ctx, core.TerminateInstanceRequest{InstanceId: launched.Id})
	require.NoError(t, err)
	clustertest.Eventually(t, 30*time.Second, "the node goes with its instance", func(ctx context.Context) (bool, string) {
		_, err := client.CoreV1().Nodes().Get(ctx, status.NodeName, metav1.GetOptions{})
		return apierrors.IsNotFound(err), fmt.Sprint(err)
	})
}
