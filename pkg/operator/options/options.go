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
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/version"
	coreoptions "sigs.k8s.io/karpenter/pkg/operator/options"
	"sigs.k8s.io/karpenter/pkg/utils/env"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/cluster"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/maintenance"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/pricing"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/pricing/feed"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/shape"
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
	ClusterCABundle       []byte             // PEM; empty: what the controller itself trusts
	ClusterVersion        *version.Version   // nil: the control plane's
	ClusterPodNetwork     cluster.PodNetwork // empty: the cluster's
	OKEImageCompartmentID string
	SystemNamespace       string
	OCI                   oci.Config
	VirtualNode           virtualnode.Config
	FlexSizing            v1alpha1.FlexSizing
	// ShapeOverrides correct what is derived of shapes.
	ShapeOverrides []shape.Override
	Prices         Prices
	Interruption   Interruption
	// StartTimeout is how long the first reads from OCI are tried again before the controller gives up.
	StartTimeout time.Duration

	clusterCABundle          string
	clusterVersion           string
	clusterPodNetwork        string
	shapeOverrides           string
	priceDiscounts           string
	virtualNodeTaint         string
	virtualNodeConsolidation string
	virtualNodeDisabledRules string
	virtualNodeExtraRules    string
	virtualNodeMarkers       string
	ociAuth                  string
	flexSizing               string
	badEnvironment           []error // found while flags were made, where nothing can be returned
}

var _ coreoptions.Injectable = (*Options)(nil)

// Interruption says how preemptions and maintenance are learned of, and what is done about them.
type Interruption struct {
	// StreamID is the OCID of the stream of OCI Events; empty: there is none.
	StreamID string
	// PollInterval is how old the list of instances may be while no stream can be read; 0 leaves it to its own pace.
	PollInterval time.Duration
	// ReplaceBefore and DeleteBefore are how long before a maintenance a node is replaced and deleted; see maintenance.Policy.
	ReplaceBefore, DeleteBefore time.Duration
}

// Prices say where prices come from.
type Prices struct {
	Settings pricing.Settings
	// Refresh reads the price list again and again; without it the prices that the controller came with stay.
	Refresh bool
	Feed    feed.Config
	// Every is the time between two reads.
	Every time.Duration
}

const (
	defaultStartTimeout = 2 * time.Minute
	// defaultPriceRefresh: Oracle changes list prices a few times a year.
	defaultPriceRefresh = 12 * time.Hour
	leastPriceRefresh   = time.Minute
	// defaultPollInterval is 240 lists an hour for each page of instances and compartment, against the 60 that are taken anyway.
	defaultPollInterval = 15 * time.Second
	leastPollInterval   = 5 * time.Second
)

// AddFlags implements core's Injectable.
func (o *Options) AddFlags(fs *coreoptions.FlagSet) {
	o.VirtualNode = virtualnode.DefaultConfig()
	str := func(p *string, name, fallback, usage string) {
		fs.StringVar(p, name, env.WithDefaultString(envName(name), fallback), usage)
	}
	duration := func(p *time.Duration, name string, fallback time.Duration, usage string) {
		fs.DurationVar(p, name, env.WithDefaultDuration(envName(name), fallback), usage)
	}
	number := func(p *float64, name string, fallback float64, usage string) {
		fs.Float64Var(p, name, o.floatFromEnv(name, fallback), usage)
	}
	str(&o.ClusterID, "cluster-id", "", "Required. OCID of the OKE cluster that the controller serves.")
	str(&o.CompartmentID, "compartment-id", "", "Required. OCID of the compartment in which nodes are launched and names in OciNodeClasses are looked up.")
	str(&o.ClusterEndpoint, "cluster-endpoint", "", "Private address of the API server, without port, that nodes are given. Default: the private endpoint of the OKE cluster.")
	str(&o.ClusterDNSIP, "cluster-dns-ip", "", "Address of the cluster's DNS service that kubelets are given. Default: the address of the service kube-system/kube-dns.")
	str(&o.clusterCABundle, "cluster-ca-bundle", "", "Base64 of the certificates in PEM by which nodes trust the API server. Default: those by which the controller does.")
	str(&o.clusterVersion, "cluster-version", "", "Kubernetes version that images are chosen for, such as v1.34.1. Default: the control plane's.")
	str(&o.clusterPodNetwork, "cluster-pod-network", "", "Pod network of OciNodeClasses that do not say: Flannel or VCNNative. Default: the cluster's.")
	str(&o.OKEImageCompartmentID, "oke-image-compartment-id", "", "Compartment in which OKE publishes its node images. Default: learned from the cluster's node pool options.")
	str(&o.SystemNamespace, "system-namespace", ServiceAccountNamespace(), "Namespace of the controller's own objects, such as the ConfigMap with what was learned of nodes; without one nothing is kept. Default: that of the service account.")
	str(&o.ociAuth, "oci-auth", string(oci.AuthWorkloadIdentity), fmt.Sprintf("How the controller authenticates to OCI: one of %v.", oci.AuthMethods))
	str(&o.OCI.ConfigFile, "oci-config-file", defaultConfigFile(), "OCI configuration file for --oci-auth api-key and session-token.")
	str(&o.OCI.ConfigProfile, "oci-config-profile", "DEFAULT", "Profile in the OCI configuration file.")
	str(&o.OCI.Region, "oci-region", "", "OCI region, such as us-phoenix-1. Default: the region that the cluster's OCID names, or else that of the credentials.")
	str(&o.OCI.Endpoint, "oci-endpoint", "", "scheme://host[:port] that takes the calls to every OCI service, for private endpoints and simulators. Default: the region's own hosts.")
	number(&o.OCI.RateLimits.Reads, "oci-rate-limit-reads", oci.DefaultRateLimits().Reads, "Most read requests a second to one OCI service. The controller goes below by itself when OCI answers 429.")
	number(&o.OCI.RateLimits.Writes, "oci-rate-limit-writes", oci.DefaultRateLimits().Writes, "Most terminations and updates a second to one OCI service.")
	number(&o.OCI.RateLimits.Launches, "oci-rate-limit-launches", oci.DefaultRateLimits().Launches, "Most launches of instances a second. NodePools take turns.")
	str(&o.flexSizing, "flex-sizing", string(v1alpha1.FlexSizingFit), "How sizes of flexible shapes are found for OciNodeClasses that do not say: Grid or Fit.")
	str(&o.virtualNodeTaint, "virtual-node-taint", virtualnode.DefaultTaint, "Taint key[=value]:effect whose toleration sends a pod to virtual nodes.")
	str(&o.virtualNodeConsolidation, "virtual-node-consolidation", string(virtualnode.ConsolidationIgnore), "Whether consolidation may move pods onto virtual nodes: ignore or count.")
	str(&o.virtualNodeDisabledRules, "virtual-node-disabled-rules", "", "Comma-separated names of the features that virtual nodes refuse by default and that yours accept.")
	str(&o.virtualNodeExtraRules, "virtual-node-extra-rules", "", "YAML or JSON list of {name, expression, message, severity}: further features that virtual nodes refuse. The expression is CEL over `pod`.")
	str(&o.virtualNodeMarkers, "virtual-node-markers", virtualnode.DefaultMarkers, "Comma-separated label:, annotation: or taint:KEY[=VALUE]; a node that bears any of them is a virtual node.")
	duration(&o.VirtualNode.OverflowAfter, "virtual-node-overflow-after", 0, "How long a pod meant for virtual nodes may be unschedulable before a managed node is bought for it. 0: never.")
	duration(&o.StartTimeout, "start-timeout", defaultStartTimeout, "How long the first reads from OCI are tried again when the network or a service fails, before the controller gives up.")
	str(&o.shapeOverrides, "shape-overrides", "", "Corrections for shapes that the controller does not know yet, as a YAML or JSON list such as "+
		"[{match: VM.Standard.E7.*, arch: amd64, vcpusPerOcpu: 2, preemptible: true}], or @file with such a list.")
	str(&o.Interruption.StreamID, "interruption-stream-id", "", "OCID of the stream to which rules of OCI Events send preemptions and instance maintenance. Without one, preemptions are found when they happen.")
	duration(&o.Interruption.PollInterval, "preemption-poll-interval", defaultPollInterval, "Without a readable stream, how old the list may be in which preempted instances are looked for while there are preemptible nodes. 0: the inventory's own pace.")
	duration(&o.Interruption.ReplaceBefore, "maintenance-replace-before", maintenance.DefaultReplaceBefore, "How long before Oracle works on an instance's host its node is replaced, as disruption budgets and do-not-disrupt allow.")
	duration(&o.Interruption.DeleteBefore, "maintenance-delete-before", maintenance.DefaultDeleteBefore, "How long before Oracle works on an instance's host its NodeClaim is deleted if it is still there, whatever budgets say. 0: never.")
	fs.BoolVarWithEnv(&o.Prices.Refresh, "price-refresh", envName("price-refresh"), true, "Whether Oracle's public price list is read again and again. If not, the prices that the controller came with stay.")
	str(&o.Prices.Feed.URL, "price-list-url", feed.DefaultURL, "Where Oracle's public price list is read.")
	duration(&o.Prices.Every, "price-refresh-interval", defaultPriceRefresh, "Time between two reads of the price list.")
	duration(&o.Prices.Feed.Timeout, "price-refresh-timeout", feed.DefaultTimeout, "How long one read of the price list may take.")
	str(&o.Prices.Settings.Currency, "price-currency", pricing.DefaultCurrency, "Currency of prices, as the price list has them.")
	str(&o.priceDiscounts, "price-discounts", "", "Factors on list prices by shape, as comma-separated glob=factor such as VM.Standard.E5*=0.8,*=0.9; the first glob that matches counts.")
	duration(&o.VirtualNode.GracePeriod, "virtual-node-grace-period", virtualnode.DefaultGracePeriod, "How long a virtual node that is not Ready any more still counts as there.")
}

// Parse implements core's Injectable. Core's own options parse the same arguments first and answer --help.
func (o *Options) Parse(fs *coreoptions.FlagSet, args ...string) error {
	if err := fs.Parse(args); err != nil {
		return fmt.Errorf("parsing flags: %w", err)
	}
	if fs.NArg() > 0 { // everything behind it was not read
		return fmt.Errorf("argument %q belongs to no flag; give a flag that is true or false as --flag=false", fs.Arg(0))
	}
	o.OCI.Auth = oci.AuthMethod(o.ociAuth)
	if o.OCI.Region == "" {
		o.OCI.Region = oci.RegionOf(o.ClusterID)
	}
	o.FlexSizing = v1alpha1.FlexSizing(o.flexSizing)
	o.VirtualNode.Consolidation = virtualnode.Consolidation(o.virtualNodeConsolidation)
	o.VirtualNode.DisabledRules = virtualnode.SplitList(o.virtualNodeDisabledRules)
	var err error
	if o.VirtualNode.ExtraRules, err = virtualnode.ParseRules(o.virtualNodeExtraRules); err != nil {
		return fmt.Errorf("--virtual-node-extra-rules: %w", err)
	}
	if o.VirtualNode.Markers, err = virtualnode.ParseMarkers(o.virtualNodeMarkers); err != nil {
		return fmt.Errorf("--virtual-node-markers: %w", err)
	}
	taint, err := virtualnode.ParseTaint(o.virtualNodeTaint)
	if err != nil {
		return fmt.Errorf("--virtual-node-taint: %w", err)
	}
	o.VirtualNode.Taint = taint
	return errors.Join(o.parseCluster(), o.parsePrices(), o.parseShapeOverrides(), o.validate())
}

func (o *Options) parsePrices() error {
	discounts, err := pricing.ParseDiscounts(o.priceDiscounts)
	if err != nil {
		return fmt.Errorf("--price-discounts: %w", err)
	}
	o.Prices.Settings.Discounts, o.Prices.Feed.Currency = discounts, o.Prices.Settings.Currency
	var errs []error
	if o.Prices.Settings.Currency == "" {
		errs = append(errs, errors.New("--price-currency must not be empty"))
	} else if err := o.Prices.Settings.Validate(); err != nil {
		errs = append(errs, fmt.Errorf("--price-currency: %w", err))
	}
	if !o.Prices.Refresh {
		if o.Prices.Settings.Currency != pricing.DefaultCurrency {
			errs = append(errs, fmt.Errorf("--price-currency %s needs --price-refresh: the prices that the controller came with are in %s", o.Prices.Settings.Currency, pricing.DefaultCurrency))
		}
		return errors.Join(errs...)
	}
	if err := o.Prices.Feed.Validate(); err != nil {
		errs = append(errs, fmt.Errorf("--price-list-url and --price-refresh-timeout: %w", err))
	}
	if o.Prices.Every < leastPriceRefresh {
		errs = append(errs, fmt.Errorf("--price-refresh-interval %s is below %s", o.Prices.Every, leastPriceRefresh))
	}
	return errors.Join(errs...)
}

func (o *Options) parseShapeOverrides() error {
	text := o.shapeOverrides
	if file, isFile := strings.CutPrefix(text, "@"); isFile {
		raw, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("--shape-overrides: %w", err)
		}
		text = string(raw)
	}
	overrides, err := shape.ParseOverrides(text)
	if err != nil {
		return fmt.Errorf("--shape-overrides: %w", err)
	}
	o.ShapeOverrides = overrides
	return nil
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
	streamOCID      = regexp.MustCompile(`^ocid1\.stream\.[^ ]+$`)
)

// validate names every mistake at once.
func (o *Options) validate() error {
	errs := slices.Clone(o.badEnvironment)
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
	errs = append(errs, o.Interruption.validate()...)
	if o.ClusterDNSIP != "" && net.ParseIP(o.ClusterDNSIP) == nil {
		errs = append(errs, fmt.Errorf("--cluster-dns-ip %q is not an IP address", o.ClusterDNSIP))
	}
	if strings.ContainsAny(o.ClusterEndpoint, ":/ ") && net.ParseIP(o.ClusterEndpoint) == nil {
		errs = append(errs, fmt.Errorf("--cluster-endpoint %q: want an address or host name without scheme and port", o.ClusterEndpoint))
	}
	if o.StartTimeout < 0 {
		errs = append(errs, fmt.Errorf("--start-timeout %s is negative", o.StartTimeout))
	}
	if o.FlexSizing != v1alpha1.FlexSizingGrid && o.FlexSizing != v1alpha1.FlexSizingFit {
		errs = append(errs, fmt.Errorf("--flex-sizing %q is neither Grid nor Fit", o.FlexSizing))
	}
	errs = append(errs, o.OCI.Validate())
	if err := o.VirtualNode.Validate(); err != nil {
		errs = append(errs, fmt.Errorf("virtual node settings: %w", err))
	}
	return errors.Join(errs...)
}

// validate names the flags of settings that can not work.
func (i Interruption) validate() (errs []error) {
	if i.StreamID != "" && !streamOCID.MatchString(i.StreamID) {
		errs = append(errs, fmt.Errorf("--interruption-stream-id %q is not the OCID of a stream", i.StreamID))
	}
	if i.PollInterval != 0 && i.PollInterval < leastPollInterval {
		errs = append(errs, fmt.Errorf("--preemption-poll-interval %s is below %s and not 0", i.PollInterval, leastPollInterval))
	}
	if i.ReplaceBefore < 0 || i.DeleteBefore < 0 {
		errs = append(errs, fmt.Errorf("--maintenance-replace-before %s and --maintenance-delete-before %s must not be negative", i.ReplaceBefore, i.DeleteBefore))
	} else if i.DeleteBefore > i.ReplaceBefore {
		errs = append(errs, fmt.Errorf("--maintenance-delete-before %s must not be longer than --maintenance-replace-before %s", i.DeleteBefore, i.ReplaceBefore))
	}
	return errs
}

// envName is the environment twin of a flag.
func envName(flagName string) string {
	return strings.ToUpper(strings.ReplaceAll(flagName, "-", "_"))
}

// floatFromEnv is the number in a flag's environment twin; one that is no number becomes a mistake of validate.
func (o *Options) floatFromEnv(flagName string, fallback float64) float64 {
	text, set := os.LookupEnv(envName(flagName))
	if !set {
		return fallback
	}
	value, err := strconv.ParseFloat(text, 64)
	if err != nil {
		o.badEnvironment = append(o.badEnvironment, fmt.Errorf("%s %q is not a number", envName(flagName), text))
		return fallback
	}
	return value
}

// ServiceAccountNamespace is the namespace that the controller runs in; empty outside a cluster.
func ServiceAccountNamespace() string {
	namespace, err := os.ReadFile("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(namespace))
}

func defaultConfigFile() string {
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return filepath.Join(home, ".oci", "config")
}
