package bootstrap

import (
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"
)

// run executes a script with a real shell interpreter and returns the words of each command it ran.
func run(t *testing.T, script string) [][]string {
	t.Helper()
	file, err := syntax.NewParser().Parse(strings.NewReader(script), "user_data")
	require.NoError(t, err)
	var commands [][]string
	record := func(interp.ExecHandlerFunc) interp.ExecHandlerFunc {
		return func(_ context.Context, args []string) error {
			commands = append(commands, args)
			return nil
		}
	}
	runner, err := interp.New(interp.StdIO(bytes.NewReader(nil), io.Discard, io.Discard), interp.ExecHandlers(record))
	require.NoError(t, err)
	require.NoError(t, runner.Run(t.Context(), file))
	return commands
}

func TestScriptHandsTheKubeletWhatWentIn(t *testing.T) {
	node := Node{
		Endpoint: "10.0.0.14", CABundle: []byte("-----BEGIN CERTIFICATE-----\nab'c\n"), DNSIP: "10.96.5.5", MaxPods: 110,
		Labels: map[string]string{"team": "data", "karpenter.sh/nodepool": "p", "kubernetes.io/arch": "amd64", "node-restriction.kubernetes.io/x": "no", "topology.kubernetes.io/zone": "PHX-AD-1"},
		Taints: []corev1.Taint{{Key: "karpenter.sh/unregistered", Effect: corev1.TaintEffectNoExecute}, {Key: "workload-type", Value: "stateful", Effect: corev1.TaintEffectNoSchedule}},
	}
	script, err := Script(node)
	require.NoError(t, err)
	require.Equal(t, [][]string{
		{"/usr/libexec/oci-growfs", "-y"},
		{"bash", "/etc/oke/oke-install.sh", "--apiserver-endpoint", "10.0.0.14",
			"--kubelet-ca-cert", base64.StdEncoding.EncodeToString(node.CABundle), "--cluster-dns", "10.96.5.5",
			"--kubelet-extra-args", "--node-labels=karpenter.sh/nodepool=p,kubernetes.io/arch=amd64,team=data,topology.kubernetes.io/zone=PHX-AD-1" +
				" --register-with-taints=karpenter.sh/unregistered=:NoExecute,workload-type=stateful:NoSchedule --max-pods=110"},
	}, run(t, script))
}

func TestScriptSurvivesAnyEndpoint(t *testing.T) {
	for _, endpoint := range []string{"a b", "it's", `"; rm -rf / #`, "$(reboot)", "`id`", "x\ny", `\`} {
		script, err := Script(Node{Endpoint: endpoint})
		require.NoError(t, err)
		commands := run(t, script)
		require.Len(t, commands, 2, "no command but the two is run")
		require.Equal(t, endpoint, commands[1][3])
	}
}

func TestArgumentsThatWouldSplitAreRefused(t *testing.T) {
	for name, value := range map[string]string{"space": "a b", "quote": "a'b", "dollar": "$HOME", "newline": "a\nb"} {
		_, err := Script(Node{Labels: map[string]string{"team": value}})
		require.ErrorContains(t, err, "has a character that no label or taint may have", name)
	}
}

func TestMetadataOfVCNNativePodNetworking(t *testing.T) {
	metadata, err := Metadata(Node{Endpoint: "10.0.0.14", MaxPods: 31, Native: &NativePodNetworking{PodSubnetIDs: []string{"s1", "s2"}, PodNSGIDs: []string{"n1"}}})
	require.NoError(t, err)
	delete(metadata, "user_data")
	require.Equal(t, map[string]string{"oke-native-pod-networking": "true", "oke-max-pods": "31", "pod-subnets": "s1,s2", "pod-nsgids": "n1"}, metadata)
}

func TestMetadataBeyondTheLimitIsRefused(t *testing.T) {
	_, err := Metadata(Node{CABundle: bytes.Repeat([]byte("x"), MaxMetadataBytes)})
	require.ErrorContains(t, err, "OCI allows 32000")
}
