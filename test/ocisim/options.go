package ocisim

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strings"
	"time"

	"github.com/samber/lo"
	"k8s.io/utils/clock"
)

// Container network types of an OKE cluster, as the container engine API spells them.
const (
	CNINative  = "OCI_VCN_IP_NATIVE"
	CNIFlannel = "FLANNEL_OVERLAY"
)

// IP families of an OKE cluster, as the container engine API spells them.
const (
	familyIPv4 = "IPv4"
	familyIPv6 = "IPv6"
)

// Options shape a simulated region. The zero value is a working region with delays fit for a demonstration. For every duration, 0 means the default and a
// negative value means no delay at all.
type Options struct {
	// Region is the region's public name. Default "us-phoenix-1".
	Region string
	// KubernetesVersion is the control plane version of the cluster's record, with its leading v. Default "v1.36.3".
	KubernetesVersion string
	// CNI is the cluster's pod network: CNINative (default) or CNIFlannel.
	CNI string
	// IPFamilies are the cluster's, IPv4 and IPv6 in their order. Default IPv4. With IPv6 the subnets for nodes and pods have an IPv6 prefix each.
	IPFamilies []string
	// PrivateEndpoint is the API server's address in the VCN. Default "10.0.0.14:6443".
	PrivateEndpoint string
	// ProvisioningDelay is the time from an accepted launch to RUNNING. Default 1.5 s.
	ProvisioningDelay time.Duration
	// TerminationDelay is the time from an accepted termination to TERMINATED. Default 2 s.
	TerminationDelay time.Duration
	// ActionDelay is the time one power transition (stopping, starting) takes. Default 500 ms.
	ActionDelay time.Duration
	// LateFailureDelay is the time after which a launch that fails late shows its failed work request. Default 1 s.
	LateFailureDelay time.Duration
	// PreemptionNotice is the time between the announcement of a preemption and the termination. Default 120 s, as documented for OCI.
	PreemptionNotice time.Duration
	// StreamPartitions is how many partitions the stream World.StreamID has. Default 2.
	StreamPartitions int
	// EventDelay is the time between something that happens and its event in a stream. Default none.
	EventDelay time.Duration
	// TerminatedRetention is how long a TERMINATED instance (and what belonged to it) stays listed. Default 12 h, the documented minimum.
	TerminatedRetention time.Duration
	// RetryTokenTTL is how long an opc-retry-token is remembered. Default 24 h, as documented.
	RetryTokenTTL time.Duration
	// SessionLife is how long a session token is good that was given for a pod's or an instance's identity. Default 1 h.
	SessionLife time.Duration
	// ListLag is how long a new instance is absent from lists (GetInstance knows it at once). Default none.
	ListLag time.Duration
	// PageSize is the most items a list answers in one page, whatever limit the client asks for. Default 100.
	PageSize int
	// NodeSubnetCIDRs are the regional subnets for nodes, inside 10.0.0.0/16. Default 10.0.16.0/20 and 10.0.32.0/20.
	NodeSubnetCIDRs []string
	// PodSubnetCIDRs are the regional subnets for pods of VCN-native clusters. Default 10.0.64.0/18.
	PodSubnetCIDRs []string
	// MostPerSecond bounds how many requests a second an operation takes, by its name: a second's worth may come at once, and what is beyond is
	// answered with 429 and no Retry-After. Default none is bounded.
	MostPerSecond map[string]float64
	// VerifySignatures makes the simulator check request signatures against the keys it has been told to trust (Simulator.Trust), the Date header
	// within five minutes and the body digest. Without it, only the presence of a well-formed Signature header is required.
	VerifySignatures bool
	// JournalSize is how many requests the journal remembers one by one; counts are kept for ever. Default 100,000.
	JournalSize int
	// Seed changes every OCID. Two simulators with one seed have the same world. Default "ocisim".
	Seed string
	// Clock drives the lifecycle and all time stamps. Default the real clock.
	Clock clock.Clock
	// TLS, when set, makes Start serve HTTPS under a CA of its own.
	TLS *TLSOptions
}

// TLSOptions say where the CA of a TLS simulator lives.
type TLSOptions struct {
	// Dir keeps ca.pem and ca-key.pem; an existing CA is used again. Required.
	Dir string
}

var versionPattern = regexp.MustCompile(`^v1\.\d+\.\d+$`)

// withDefaults fills what is unset and refuses what cannot work, naming the option.
func (o Options) withDefaults() (Options, error) {
	setDefault(&o.Region, "us-phoenix-1")
	setDefault(&o.KubernetesVersion, "v1.36.3")
	setDefault(&o.CNI, CNINative)
	setDefault(&o.PrivateEndpoint, "10.0.0.14:6443")
	setDefault(&o.Seed, "ocisim")
	setDefault(&o.PageSize, 100)
	setDefault(&o.StreamPartitions, 2)
	setDefault(&o.JournalSize, 100_000)
	for _, d := range []struct {
		field    *time.Duration
		standard time.Duration
	}{
		{&o.ProvisioningDelay, 1500 * time.Millisecond}, {&o.TerminationDelay, 2 * time.Second}, {&o.ActionDelay, 500 * time.Millisecond},
		{&o.LateFailureDelay, time.Second}, {&o.PreemptionNotice, 120 * time.Second}, {&o.TerminatedRetention, 12 * time.Hour},
		{&o.RetryTokenTTL, 24 * time.Hour}, {&o.ListLag, 0}, {&o.SessionLife, time.Hour}, {&o.EventDelay, 0},
	} {
		setDefault(d.field, d.standard)
		*d.field = max(*d.field, 0)
	}
	if o.NodeSubnetCIDRs == nil {
		o.NodeSubnetCIDRs = []string{"10.0.16.0/20", "10.0.32.0/20"}
	}
	if o.PodSubnetCIDRs == nil {
		o.PodSubnetCIDRs = []string{"10.0.64.0/18"}
	}
	if o.IPFamilies == nil {
		o.IPFamilies = []string{familyIPv4}
	}
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	return o, o.validate()
}

func (o Options) validate() error {
	switch {
	case !regionPattern.MatchString(o.Region):
		return fmt.Errorf("region %q is not of the form us-phoenix-1", o.Region)
	case !versionPattern.MatchString(o.KubernetesVersion):
		return fmt.Errorf("kubernetes version %q is not of the form v1.36.3", o.KubernetesVersion)
	case o.CNI != CNINative && o.CNI != CNIFlannel:
		return fmt.Errorf("cni %q is neither %s nor %s", o.CNI, CNINative, CNIFlannel)
	case !lo.Every([]string{familyIPv4, familyIPv6}, o.IPFamilies) || len(o.IPFamilies) == 0:
		return fmt.Errorf("IP families %q are not %s, %s or both", o.IPFamilies, familyIPv4, familyIPv6)
	case o.PageSize < 1 || o.PageSize > 1000:
		return fmt.Errorf("page size %d is not within 1..1000", o.PageSize)
	case o.JournalSize < 1:
		return fmt.Errorf("journal size %d is not positive", o.JournalSize)
	case len(o.NodeSubnetCIDRs) == 0:
		return fmt.Errorf("at least one node subnet is needed")
	case o.TLS != nil && o.TLS.Dir == "":
		return fmt.Errorf("TLS needs a folder for its CA")
	}
	if _, _, err := net.SplitHostPort(o.PrivateEndpoint); err != nil {
		return fmt.Errorf("private endpoint %q is not of the form 10.0.0.14:6443: %w", o.PrivateEndpoint, err)
	}
	for _, cidr := range append(append([]string{}, o.NodeSubnetCIDRs...), o.PodSubnetCIDRs...) {
		if _, err := parseSubnetCIDR(cidr); err != nil {
			return err
		}
	}
	return nil
}

// parseSubnetCIDR accepts what a subnet of the simulated VCN can be: IPv4, inside 10.0.0.0/16, at least 4 addresses.
func parseSubnetCIDR(cidr string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(cidr)
	if err != nil {
		return p, fmt.Errorf("subnet %q is no CIDR block: %w", cidr, err)
	}
	if p != p.Masked() || p.Bits() > 30 || !strings.HasPrefix(p.Addr().String(), "10.0.") || p.Bits() < 16 {
		return p, fmt.Errorf("subnet %q is not a network of at most 30 bits inside 10.0.0.0/16", cidr)
	}
	return p, nil
}

// parseIPv6CIDR accepts the 64 bits of a subnet's IPv6 prefix; nothing is no prefix.
func parseIPv6CIDR(cidr string) (netip.Prefix, error) {
	if cidr == "" {
		return netip.Prefix{}, nil
	}
	p, err := netip.ParsePrefix(cidr)
	if err != nil {
		return p, fmt.Errorf("subnet prefix %q is no CIDR block: %w", cidr, err)
	}
	if !p.Addr().Is6() || p.Bits() != 64 || p != p.Masked() {
		return netip.Prefix{}, fmt.Errorf("subnet prefix %q is not an IPv6 network of 64 bits", cidr)
	}
	return p, nil
}

func setDefault[T comparable](field *T, standard T) {
	var zero T
	if *field == zero {
		*field = standard
	}
}
