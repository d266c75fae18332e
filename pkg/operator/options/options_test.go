package options

import (
	"flag"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	coreoptions "sigs.k8s.io/karpenter/pkg/operator/options"

	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
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

func TestAnotherTaintAlsoRecognisesNodes(t *testing.T) {
	o, err := parse(append(required, "--virtual-node-taint", "virtual-node=true:NoSchedule")...)
	require.NoError(t, err)
	require.Equal(t, corev1.Taint{Key: "virtual-node", Value: "true", Effect: corev1.TaintEffectNoSchedule}, o.VirtualNode.Taint)
}

func TestMistakesAreNamed(t *testing.T) {
	for want, args := range map[string][]string{
		"--cluster-id (or CLUSTER_ID) is required":               {"--compartment-id", "ocid1.compartment.oc1..a"},
		"--compartment-id (or COMPARTMENT_ID) is required":       {"--cluster-id", "ocid1.cluster.oc1.phx.a"},
		`--cluster-id "mixed" is not such an OCID`:               {"--cluster-id", "mixed"},
		`--cluster-endpoint "10.0.0.14:6443": want an address`:   append(required, "--cluster-endpoint", "10.0.0.14:6443"),
		`--cluster-dns-ip "dns" is not an IP address`:            append(required, "--cluster-dns-ip", "dns"),
		`--oci-auth "magic" is not known`:                        append(required, "--oci-auth", "magic"),
		`--oci-endpoint "localhost" is not scheme://host[:port]`: append(required, "--oci-endpoint", "localhost"),
		"--virtual-node-taint: taint":                            append(required, "--virtual-node-taint", "nonsense"),
		`consolidation "maybe"`:                                  append(required, "--virtual-node-consolidation", "maybe"),
		"flag provided but not defined: -no-such-flag":           append(required, "--no-such-flag"),
	} {
		t.Run(want, func(t *testing.T) {
			_, err := parse(args...)
			require.ErrorContains(t, err, want)
		})
	}
}
