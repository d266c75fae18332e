// Package ocitest gives Go tests a simulated region together with the project's own client of it.
package ocitest

import (
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/utils/clock"

	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

// Region is a simulator behind HTTP and a client that talks to it with the real SDK.
type Region struct {
	*ocisim.Simulator
	World  ocisim.World
	Client *oci.Client
	URL    string
	t      testing.TB
	image  string
}

// Start runs a simulator for the length of the test. Unless the options say otherwise, an instance starts and ends at once.
func Start(t testing.TB, options ocisim.Options) *Region {
	t.Helper()
	if options.ProvisioningDelay == 0 {
		options.ProvisioningDelay = -1
	}
	if options.TerminationDelay == 0 {
		options.TerminationDelay = -1
	}
	server, err := ocisim.Start(t.Context(), options, "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Close() })
	region := &Region{Simulator: server.Simulator, World: server.World(), URL: server.URL, t: t}
	region.Client = region.NewClient(server.URL)
	return region
}

// NewClient makes one more client, such as that of a controller that was started again.
func (r *Region) NewClient(url string) *oci.Client {
	r.t.Helper()
	return r.NewClientWith(oci.Config{Endpoint: url})
}

// NewClientWith makes one more client with settings of its own; it calls with the region's API key.
func (r *Region) NewClientWith(config oci.Config) *oci.Client {
	r.t.Helper()
	config.Auth = oci.AuthAPIKey
	provider, err := r.ConfigurationProvider()
	require.NoError(r.t, err)
	client, err := oci.NewWithProvider(config, provider, clock.RealClock{})
	require.NoError(r.t, err)
	return client
}

// Fail scripts a fault.
func (r *Region) Fail(fault ocisim.Fault) {
	r.t.Helper()
	_, err := r.Faults().Add(fault)
	require.NoError(r.t, err)
}

// Unserved is an address where nothing listens.
func Unserved() string {
	server := httptest.NewServer(nil)
	defer server.Close()
	return server.URL
}
