package ocisim_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/samber/lo"
	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

// Everything at once, on the real clock: what the race detector is for.
func TestManyClientsAtOnceLeaveAConsistentRegion(t *testing.T) {
	server := startServer(t, ocisim.Options{ProvisioningDelay: 5 * time.Millisecond, TerminationDelay: 5 * time.Millisecond, PageSize: 7})
	client := lo.Must(core.NewComputeClientWithConfigurationProvider(lo.Must(anyKey())))
	client.Host = server.URL
	r := &region{Simulator: server.Simulator, t: t, url: server.URL, world: server.World(), compute: client}
	r.imageID = r.image("v1.36.1")
	watching, stop := context.WithCancel(ctx)
	defer stop()
	events := r.Watch(watching)

	const clients, each = 8, 6
	var group sync.WaitGroup
	for n := range clients {
		group.Add(1)
		go func() {
			defer group.Done()
			for m := range each {
				launched, err := client.LaunchInstance(ctx, core.LaunchInstanceRequest{OpcRetryToken: lo.ToPtr(fmt.Sprint(n, "-", m)), LaunchInstanceDetails: r.launchDetails()})
				if err != nil {
					t.Errorf("launching: %v", err)
					return
				}
				_, _ = r.Faults().Add(ocisim.Fault{Kind: ocisim.SlowProvisioning, Delay: time.Millisecond, Times: 1})
				r.Instances()
				_, _ = client.ListInstances(ctx, core.ListInstancesRequest{CompartmentId: &r.world.CompartmentID})
				_, _ = client.UpdateInstance(ctx, core.UpdateInstanceRequest{InstanceId: launched.Id, UpdateInstanceDetails: core.UpdateInstanceDetails{FreeformTags: map[string]string{"m": fmt.Sprint(m)}}})
				if _, err := client.TerminateInstance(ctx, core.TerminateInstanceRequest{InstanceId: launched.Id}); err != nil {
					t.Errorf("terminating: %v", err)
				}
			}
		}()
	}
	group.Wait()
	states := map[string]string{}
	for ended := 0; ended < clients*each; {
		select {
		case e := <-events:
			require.Equal(t, states[e.Instance.ID], e.Previous, "no change of an instance is missing")
			states[e.Instance.ID] = e.Instance.State
			if e.Instance.State == "TERMINATED" {
				ended++
			}
		case <-time.After(10 * time.Second):
			require.Fail(t, "some instances did not end")
		}
	}
	require.Len(t, r.Instances(), clients*each)
	require.Equal(t, clients*each, r.Journal().Counts()["LaunchInstance"])
}

// BenchmarkLaunchAmong2000 and its sibling say what one request costs in a large fleet, HTTP and SDK included.
func BenchmarkLaunchAmong2000(b *testing.B) {
	r := fleet(b, 2000)
	details := r.launchDetails()
	for b.Loop() {
		if _, err := r.compute.LaunchInstance(ctx, core.LaunchInstanceRequest{LaunchInstanceDetails: details}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkListPageAmong2000(b *testing.B) {
	r := fleet(b, 2000)
	for b.Loop() {
		if _, err := r.compute.ListInstances(ctx, core.ListInstancesRequest{CompartmentId: &r.world.CompartmentID}); err != nil {
			b.Fatal(err)
		}
	}
}

func fleet(b *testing.B, n int) *region {
	b.Helper()
	server, err := ocisim.Start(b.Context(), ocisim.Options{}, "127.0.0.1:0")
	require.NoError(b, err)
	b.Cleanup(func() { _ = server.Close() })
	client := lo.Must(core.NewComputeClientWithConfigurationProvider(lo.Must(anyKey())))
	client.Host = server.URL
	r := &region{Simulator: server.Simulator, url: server.URL, world: server.World(), compute: client}
	images := lo.Must(client.ListImages(ctx, core.ListImagesRequest{CompartmentId: &r.world.ImageCompartmentID, Shape: lo.ToPtr("VM.Standard.E5.Flex")}))
	r.imageID = *images.Items[0].Id
	for range n {
		_, err := r.launch()
		require.NoError(b, err)
	}
	return r
}
