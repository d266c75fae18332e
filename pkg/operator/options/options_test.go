package options

import (
	"flag"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	coreoptions "sigs.k8s.io/karpenter/pkg/operator/options"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/pricing"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/pricing/feed"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/shape"
	"github.com/karpenter-oke/karpenter-oke/pkg/virtualnode"
)

var required = []string{"--cluster-id", "ocid1.cluster.oc1.phx.a", "--compartment-id", "ocid1.compartment.oc1..a"}

func parse(args ...string) (*Options, error) {
	o := &Options{}
	fs := &coreoptions.FlagSet{FlagSet: flag.NewFlagSet("test", flag.ContinueOnError)}
	fs.SetOutput(io.Discard)
	o.AddFlags(fs)
	return o, o.Parse(fs, args...)
}

func TestDefaults(t *testing.T) {
	o, err := parse(required...)
	require.NoError(t, err)
	require.Equal(t, oci.AuthWorkloadIdentity, o.OCI.Auth)
	require.Equal(t, virtualnode.DefaultConfig(), o.VirtualNode)
	require.Equal(t, v1alpha1.FlexSizingFit, o.FlexSizing)
}

func TestEnvironmentTwins(t *testing.T) {
	t.Setenv("CLUSTER_ID", "ocid1.cluster.oc1.phx.env")
	t.Setenv("COMPARTMENT_ID", "ocid1.compartment.oc1..env")
	t.Setenv("VIRTUAL_NODE_OVERFLOW_AFTER", "5m")
	o, err := parse()
	require.NoError(t, err)
	require.Equal(t, "ocid1.cluster.oc1.phx.env", o.ClusterID)
	require.EqualValues(t, 300, o.VirtualNode.OverflowAfter.Seconds())
	o, err = parse("--cluster-id", "ocid1.cluster.oc1.phx.flag")
	require.NoError(t, err)
	require.Equal(t, "ocid1.cluster.oc1.phx.flag", o.ClusterID, "a flag wins")
}

func TestTheRegionIsTheClustersUnlessItIsSet(t *testing.T) {
	o, err := parse(required...)
	require.NoError(t, err)
	require.Equal(t, "us-phoenix-1", o.OCI.Region)
	o, err = parse(append(required, "--oci-region", "us-langley-1")...)
	require.NoError(t, err)
	require.Equal(t, "us-langley-1", o.OCI.Region)
	o, err = parse("--cluster-id", "ocid1.cluster.oc1.nowhere.a", "--compartment-id", "ocid1.compartment.oc1..a")
	require.NoError(t, err)
	require.Empty(t, o.OCI.Region, "then the credentials say")
}

func TestRateLimitsHaveSettings(t *testing.T) {
	o, err := parse(required...)
	require.NoError(t, err)
	require.Equal(t, oci.DefaultRateLimits(), o.OCI.RateLimits)
	t.Setenv("OCI_RATE_LIMIT_READS", "7.5")
	o, err = parse(append(required, "--oci-rate-limit-launches", "3")...)
	require.NoError(t, err)
	require.Equal(t, oci.RateLimits{Reads: 7.5, Writes: oci.DefaultRateLimits().Writes, Launches: 3}, o.OCI.RateLimits)
	t.Setenv("OCI_RATE_LIMIT_READS", "many")
	_, err = parse(required...)
	require.ErrorContains(t, err, `OCI_RATE_LIMIT_READS "many" is not a number`)
}

func TestAnotherTaintAlsoRecognisesNodes(t *testing.T) {
	o, err := parse(append(required, "--virtual-node-taint", "virtual-node=true:NoSchedule")...)
	require.NoError(t, err)
	require.Equal(t, corev1.Taint{Key: "virtual-node", Value: "true", Effect: corev1.TaintEffectNoSchedule}, o.VirtualNode.Taint)
}

func TestMistakesAreNamed(t *testing.T) {
	for want, args := range map[string][]string{
		"--cluster-id (or CLUSTER_ID) is required":                                                         {"--compartment-id", "ocid1.compartment.oc1..a"},
		"--compartment-id (or COMPARTMENT_ID) is required":                                                 {"--cluster-id", "ocid1.cluster.oc1.phx.a"},
		`--cluster-id "mixed" is not such an OCID`:                                                         {"--cluster-id", "mixed"},
		`--cluster-endpoint "10.0.0.14:6443": want an address`:                                             append(required, "--cluster-endpoint", "10.0.0.14:6443"),
		`--cluster-dns-ip "dns" is not an IP address`:                                                      append(required, "--cluster-dns-ip", "dns"),
		`--flex-sizing "fit" is neither Grid nor Fit`:                                                      append(required, "--flex-sizing", "fit"),
		`--interruption-stream-id "ocid1.queue.x" is not the OCID of a stream`:                             append(required, "--interruption-stream-id", "ocid1.queue.x"),
		`--preemption-poll-interval 1s is below 5s and not 0`:                                              append(required, "--preemption-poll-interval", "1s"),
		`--maintenance-replace-before -1h0m0s and --maintenance-delete-before 1h0m0s must not be negative`: append(required, "--maintenance-replace-before", "-1h"),
		`--maintenance-delete-before 2h0m0s must not be longer than --maintenance-replace-before 1h0m0s`:   append(required, "--maintenance-replace-before", "1h", "--maintenance-delete-before", "2h"),
		`--oci-auth "magic" is not known`:                                                                  append(required, "--oci-auth", "magic"),
		`--oci-endpoint "localhost" is not scheme://host[:port]`:                                           append(required, "--oci-endpoint", "localhost"),
		"--oci-rate-limit-launches -2 is not within":                                                       append(required, "--oci-rate-limit-launches", "-2"),
		"--virtual-node-taint: taint":                                                                      append(required, "--virtual-node-taint", "nonsense"),
		`consolidation "maybe"`:                                                                            append(required, "--virtual-node-consolidation", "maybe"),
		"flag provided but not defined: -no-such-flag":                                                     append(required, "--no-such-flag"),
	} {
		t.Run(want, func(t *testing.T) {
			_, err := parse(args...)
			require.ErrorContains(t, err, want)
		})
	}
}

func TestPricesAndShapesHaveSettings(t *testing.T) {
	o, err := parse(required...)
	require.NoError(t, err)
	require.True(t, o.Prices.Refresh, "on unless switched off")
	require.Equal(t, feed.Config{URL: feed.DefaultURL, Currency: "USD", Timeout: 30 * time.Second}, o.Prices.Feed)
	require.Equal(t, 12*time.Hour, o.Prices.Every)
	require.Empty(t, o.Prices.Settings.Discounts)
	require.Empty(t, o.ShapeOverrides)
	require.Equal(t, 2*time.Minute, o.StartTimeout)

	file := filepath.Join(t.TempDir(), "shapes.yaml")
	require.NoError(t, os.WriteFile(file, []byte("- match: VM.DenseIO.E6.*\n  preemptible: false\n  sizes: [{ocpus: 8, memoryGB: 96, localNvmeGB: 6800}]\n"), 0o600))
	want := []shape.Override{{Match: "VM.DenseIO.E6.*", Preemptible: new(bool), Sizes: []shape.FlexSize{{OCPUs: 8, MemoryGB: 96, LocalNVMeGB: 6800}}}}
	for _, text := range []string{"@" + file, `[{"match":"VM.DenseIO.E6.*","preemptible":false,"sizes":[{"ocpus":8,"memoryGB":96,"localNvmeGB":6800}]}]`} {
		o, err = parse(append(required, "--shape-overrides", text)...)
		require.NoError(t, err)
		require.Equal(t, want, o.ShapeOverrides)
	}
	o, err = parse(append(required, "--price-refresh=false", "--price-refresh-interval", "0s", "--price-list-url", "")...)
	require.NoError(t, err, "what is switched off needs no settings")
	require.False(t, o.Prices.Refresh)
	t.Setenv("PRICE_DISCOUNTS", "VM.Standard.E5*=0.8, *=0.9")
	t.Setenv("PRICE_CURRENCY", "EUR")
	t.Setenv("PRICE_LIST_URL", "http://127.0.0.1:1/prices")
	o, err = parse(required...)
	require.NoError(t, err)
	require.Equal(t, []pricing.Discount{{Match: "VM.Standard.E5*", Factor: 0.8}, {Match: "*", Factor: 0.9}}, o.Prices.Settings.Discounts)
	require.Equal(t, feed.Config{URL: "http://127.0.0.1:1/prices", Currency: "EUR", Timeout: 30 * time.Second}, o.Prices.Feed)
	require.Equal(t, "EUR", o.Prices.Settings.Currency)
}

func TestMistakesInPricesAndShapesAreNamed(t *testing.T) {
	for want, args := range map[string][]string{
		`--price-discounts: price discount "VM.Standard.E5*" is not of the form glob=factor`: {"--price-discounts", "VM.Standard.E5*"},
		`--price-discounts: price discount "*": factor "20%" is not a number`:                {"--price-discounts", "*=20%"},
		`--price-discounts: price discount "*": factor 20 is not above 0 and at most 1`:      {"--price-discounts", "*=20"},
		`--price-discounts: price discount: "[" is not a shell glob`:                         {"--price-discounts", "[=0.5"},
		`--price-discounts: price discount: "" is not a shell glob`:                          {"--price-discounts", "=0.5"},
		`--price-currency: currency "euro" is not a code`:                                    {"--price-currency", "euro"},
		`--price-currency must not be empty`:                                                 {"--price-currency", ""},
		`--price-currency EUR needs --price-refresh`:                                         {"--price-currency", "EUR", "--price-refresh=false"},
		`--price-refresh-interval 1s is below 1m0s`:                                          {"--price-refresh-interval", "1s"},
		`"oracle" is not the http or https URL of a price list`:                              {"--price-list-url", "oracle"},
		`a timeout of 0s leaves no time`:                                                     {"--price-refresh-timeout", "0s"},
		`--start-timeout -1s is negative`:                                                    {"--start-timeout", "-1s"},
		`--shape-overrides: reading the list of shape overrides`:                             {"--shape-overrides", "{match: x}"},
		`unknown field "ar"`: {"--shape-overrides", "[{match: x, ar: arm64}]"},
		`shape override "x": arch "mips" is neither amd64 nor arm64`: {"--shape-overrides", "[{match: x, arch: mips}]"},
		`argument "false" belongs to no flag`:                        {"--price-refresh", "false"},
		`--shape-overrides: open /nowhere/x`:                         {"--shape-overrides", "@/nowhere/x"},
	} {
		t.Run(want, func(t *testing.T) {
			_, err := parse(append(required, args...)...)
			require.ErrorContains(t, err, want)
		})
	}
}
