// Package options holds the controller's own settings, next to those of Karpenter core: flags with environment twins, validated
// before anything is started.
package options

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	coreoptions "sigs.k8s.io/karpenter/pkg/operator/options"
	"sigs.k8s.io/karpenter/pkg/utils/env"

	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
	"github.com/karpenter-oke/karpenter-oke/pkg/virtualnode"
)

func init() {
	coreoptions.Injectables = append(coreoptions.Injectables, &Options{})
}

type optionsKey struct{}

// Options are the settings of karpenter-oke.
type Options struct {
	ClusterID             string
	CompartmentID         string
	ClusterEndpoint       string
	ClusterDNSIP          string
	OKEImageCompartmentID string
	OCI                   oci.Config
	VirtualNode           virtualnode.Config

	virtualNodeTaint         string
	virtualNodeConsolidation string
	virtualNodeDisabledRules string
	ociAuth                  string
}

var _ coreoptions.Injectable = (*Options)(nil)

// AddFlags implements core's Injectable.
func (o *Options) AddFlags(fs *coreoptions.FlagSet) {
	o.VirtualNode = virtualnode.DefaultConfig()
	str := func(p *string, name, fallback, usage string) {
		fs.StringVar(p, name, env.WithDefaultString(envName(name), fallback), usage)
	}
	duration := func(p *time.Duration, name string, fallback time.Duration, usage string) {
		fs.DurationVar(p, name, env.WithDefaultDuration(envName(name), fallback), usage)
	}
	str(&o.ClusterID, "cluster-id", "", "Required. OCID of the OKE cluster that the controller serves.")
	str(&o.CompartmentID, "compartment-id", "", "Required. OCID of the compartment in which nodes are launched and names in OciNodeClasses are looked up.")
	str(&o.ClusterEndpoint, "cluster-endpoint", "", "Private address of the API server, without port, that nodes are given. Default: the private endpoint of the OKE cluster.")
	str(&o.ClusterDNSIP, "cluster-dns-ip", "", "Address of the cluster's DNS service that kubelets are given. Default: the address of the service kube-system/kube-dns.")
	str(&o.OKEImageCompartmentID, "oke-image-compartment-id", "", "Compartment in which OKE publishes its node images. Default: learned from the cluster's node pool options.")
	str(&o.ociAuth, "oci-auth", string(oci.AuthWorkloadIdentity), fmt.Sprintf("How the controller authenticates to OCI: one of %v.", oci.AuthMethods))
	str(&o.OCI.ConfigFile, "oci-config-file", defaultConfigFile(), "OCI configuration file for --oci-auth api-key and session-token.")
	str(&o.OCI.ConfigProfile, "oci-config-profile", "DEFAULT", "Profile in the OCI configuration file.")
	str(&o.OCI.Region, "oci-region", "", "OCI region, such as us-phoenix-1. Default: the region of the credentials.")
	str(&o.OCI.Endpoint, "oci-endpoint", "", "scheme://host[:port] that takes the calls to every OCI service, for private endpoints and simulators. Default: the region's own hosts.")
	str(&o.virtualNodeTaint, "virtual-node-taint", virtualnode.DefaultTaint, "Taint key[=value]:effect whose toleration sends a pod to virtual nodes.")
	str(&o.virtualNodeConsolidation, "virtual-node-consolidation", string(virtualnode.ConsolidationIgnore), "Whether consolidation may move pods onto virtual nodes: ignore or count.")
	str(&o.virtualNodeDisabledRules, "virtual-node-disabled-rules", "", "Comma-separated names of the features that virtual nodes refuse by default and that yours accept.")
	duration(&o.VirtualNode.OverflowAfter, "virtual-node-overflow-after", 0, "How long a pod meant for virtual nodes may be unschedulable before a managed node is bought for it. 0: never.")
	duration(&o.VirtualNode.GracePeriod, "virtual-node-grace-period", virtualnode.DefaultGracePeriod, "How long a virtual node that is not Ready any more still counts as there.")
}

// Parse implements core's Injectable. Core's own options parse the same arguments first and answer --help.
func (o *Options) Parse(fs *coreoptions.FlagSet, args ...string) error {
	if err := fs.Parse(args); err != nil {
		return fmt.Errorf("parsing flags: %w", err)
	}
	o.OCI.Auth = oci.AuthMethod(o.ociAuth)
	o.VirtualNode.Consolidation = virtualnode.Consolidation(o.virtualNodeConsolidation)
	if o.virtualNodeDisabledRules != "" {
		o.VirtualNode.DisabledRules = strings.Split(o.virtualNodeDisabledRules, ",")
	}
	taint, err := virtualnode.ParseTaint(o.virtualNodeTaint)
	if err != nil {
		return fmt.Errorf("--virtual-node-taint: %w", err)
	}
	o.VirtualNode.Taint = taint
	return o.validate()
}

// ToContext implements core's Injectable.
func (o *Options) ToContext(ctx context.Context) context.Context {
	return context.WithValue(ctx, optionsKey{}, o)
}

// FromContext is the Options that were parsed at start; nil when none were.
func FromContext(ctx context.Context) *Options {
	o, _ := ctx.Value(optionsKey{}).(*Options)
	return o
}

var (
	clusterOCID     = regexp.MustCompile(`^ocid1\.cluster\.[^ ]+$`)
	compartmentOCID = regexp.MustCompile(`^ocid1\.(compartment|tenancy)\.[^ ]+$`)
)

// validate names every mistake at once.
func (o *Options) validate() error {
	var errs []error
	required := func(name, value string, form *regexp.Regexp) {
		switch {
		case value == "":
			errs = append(errs, fmt.Errorf("--%s (or %s) is required", name, envName(name)))
		case !form.MatchString(value):
			errs = append(errs, fmt.Errorf("--%s %q is not such an OCID", name, value))
		}
	}
	required("cluster-id", o.ClusterID, clusterOCID)
	required("compartment-id", o.CompartmentID, compartmentOCID)
	if o.OKEImageCompartmentID != "" {
		required("oke-image-compartment-id", o.OKEImageCompartmentID, compartmentOCID)
	}
	if o.ClusterDNSIP != "" && net.ParseIP(o.ClusterDNSIP) == nil {
		errs = append(errs, fmt.Errorf("--cluster-dns-ip %q is not an IP address", o.ClusterDNSIP))
	}
	if strings.ContainsAny(o.ClusterEndpoint, ":/ ") && net.ParseIP(o.ClusterEndpoint) == nil {
		errs = append(errs, fmt.Errorf("--cluster-endpoint %q: want an address or host name without scheme and port", o.ClusterEndpoint))
	}
	errs = append(errs, o.OCI.Validate())
	if err := o.VirtualNode.Validate(); err != nil {
		errs = append(errs, fmt.Errorf("virtual node settings: %w", err))
	}
	return errors.Join(errs...)
}

// envName is the environment twin of a flag.
func envName(flagName string) string {
	return strings.ToUpper(strings.ReplaceAll(flagName, "-", "_"))
}

func defaultConfigFile() string {
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return filepath.Join(home, ".oci", "config")
}
