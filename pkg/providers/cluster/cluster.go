// Package cluster knows the OKE cluster that the controller serves: what a node needs to join it and what decides which
// images and pod networks fit. It is read once at start and refreshed in the background, since a control plane is upgraded
// while the controller runs.
package cluster

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"slices"
	"sync/atomic"

	"github.com/oracle/oci-go-sdk/v65/containerengine"
	"k8s.io/apimachinery/pkg/util/version"

	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
)

// PodNetwork is how pods get their addresses.
type PodNetwork string

const (
	// Flannel is OKE's overlay: pod addresses are not addresses of the VCN.
	Flannel PodNetwork = "Flannel"
	// VCNNative gives every pod an address of a subnet of the VCN, through secondary VNICs.
	VCNNative PodNetwork = "VCNNative"
)

// Cluster is what is known about the OKE cluster. It is immutable.
type Cluster struct {
	ID       string
	Name     string
	VCNID    string
	Version  *version.Version // of the control plane
	Endpoint string           // private address of the API server, without port: what a node is given
	CABundle []byte           // PEM; what a node checks the API server's certificate against
	DNSIP    string           // address of the cluster's DNS service; empty leaves it to the image
	Pods     PodNetwork
	// IPFamilies are IPv4, IPv6 or both, in OCI's order; IPv4 when the cluster does not say.
	IPFamilies []string
	// Basic is true for a basic cluster: only enhanced clusters let nodes join that OKE did not make.
	Basic bool
}

// HasIPv6 says whether nodes and pods of the cluster have IPv6 addresses.
func (c *Cluster) HasIPv6() bool {
	return slices.Contains(c.IPFamilies, string(containerengine.ClusterCreateOptionsIpFamiliesIpv6))
}

// Overrides are settings that replace what would be discovered; a zero value discovers.
type Overrides struct {
	Endpoint string
	DNSIP    string
	CABundle []byte
	Version  *version.Version
	Pods     PodNetwork
}

// API is the part of the OCI client that this package calls.
type API interface {
	GetCluster(ctx context.Context, id string) (containerengine.Cluster, error)
}

// Provider serves the newest known Cluster from memory.
type Provider interface {
	// Get is the cluster as last read; nil before the first successful Refresh.
	Get() *Cluster
}

// DefaultProvider reads the cluster from OCI's container engine.
type DefaultProvider struct {
	api       API
	id        string
	overrides Overrides
	current   atomic.Pointer[Cluster]
}

var _ Provider = (*DefaultProvider)(nil)

// NewProvider makes a provider for the cluster with this OCID. It reads nothing yet.
func NewProvider(api API, id string, overrides Overrides) *DefaultProvider {
	return &DefaultProvider{api: api, id: id, overrides: overrides}
}

// Get implements Provider.
func (p *DefaultProvider) Get() *Cluster { return p.current.Load() }

// Refresh reads the cluster. On an error the last known state stays.
func (p *DefaultProvider) Refresh(ctx context.Context) error {
	raw, err := p.api.GetCluster(ctx, p.id)
	if err != nil {
		return fmt.Errorf("reading OKE cluster %s: %w", p.id, err)
	}
	cluster, err := p.read(raw)
	if err != nil {
		return fmt.Errorf("reading OKE cluster %s: %w", p.id, err)
	}
	p.current.Store(cluster)
	return nil
}

func (p *DefaultProvider) read(raw containerengine.Cluster) (*Cluster, error) {
	v := p.overrides.Version
	if v == nil {
		var err error
		if v, err = version.ParseGeneric(oci.Value(raw.KubernetesVersion)); err != nil {
			return nil, fmt.Errorf("its Kubernetes version %q is not a version (or set --cluster-version): %w", oci.Value(raw.KubernetesVersion), err)
		}
	}
	c := &Cluster{
		ID: p.id, Name: oci.Value(raw.Name), VCNID: oci.Value(raw.VcnId), Version: v,
		Endpoint: p.overrides.Endpoint, CABundle: p.overrides.CABundle, DNSIP: p.overrides.DNSIP, Pods: cmp.Or(p.overrides.Pods, podNetwork(raw)),
		IPFamilies: ipFamilies(raw), Basic: raw.Type == containerengine.ClusterTypeBasicCluster,
	}
	if c.Endpoint == "" && raw.Endpoints != nil {
		c.Endpoint = hostOf(oci.Value(raw.Endpoints.PrivateEndpoint))
	}
	if c.Endpoint == "" {
		return nil, fmt.Errorf("it has no private endpoint; set --cluster-endpoint to the address that nodes should use")
	}
	return c, nil
}

func podNetwork(raw containerengine.Cluster) PodNetwork {
	for _, option := range raw.ClusterPodNetworkOptions {
		switch option.(type) {
		case containerengine.OciVcnIpNativeClusterPodNetworkOptionDetails, *containerengine.OciVcnIpNativeClusterPodNetworkOptionDetails:
			return VCNNative
		}
	}
	return Flannel
}

func ipFamilies(raw containerengine.Cluster) []string {
	var families []string
	if raw.Options != nil {
		for _, f := range raw.Options.IpFamilies {
			families = append(families, string(f))
		}
	}
	if len(families) == 0 {
		families = []string{string(containerengine.ClusterCreateOptionsIpFamiliesIpv4)}
	}
	return families
}

// hostOf strips the port of host:port; anything else is taken as it is.
func hostOf(endpoint string) string {
	if host, _, err := net.SplitHostPort(endpoint); err == nil {
		return host
	}
	return endpoint
}
