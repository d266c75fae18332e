package machine

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

const ca = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"

var ca64 = base64.StdEncoding.EncodeToString([]byte(ca))

// boot runs a script on a machine whose metadata may be changed.
func boot(t *testing.T, script string, metadata map[string]string) Outcome {
	t.Helper()
	inst := Instance{ID: "ocid1.instance.oc1..a", DisplayName: "node-a", Shape: "VM.Standard.E5.Flex", OCPUs: 1, VCPUs: 2, PrivateIP: "10.0.10.5", Metadata: map[string]string{
		"user_data": base64.StdEncoding.EncodeToString([]byte("#!/bin/bash\n" + script))}}
	for k, v := range metadata {
		inst.Metadata[k] = v
	}
	return Boot(t.Context(), inst)
}

func TestBootJoins(t *testing.T) {
	whole := Join{APIServerEndpoint: "10.0.0.14", CA: []byte(ca), ClusterDNS: "10.96.5.5", KubeletExtraArgs: "--max-pods=31 --node-labels=a=b"}
	arguments := "--apiserver-endpoint 10.0.0.14 --kubelet-ca-cert " + ca64 + " --cluster-dns 10.96.5.5 --kubelet-extra-args '--max-pods=31 --node-labels=a=b'"
	keys := map[string]string{"apiserver_host": "10.0.0.14", "cluster_ca_cert": ca64, "kubedns_svc_ip": "10.96.5.5", "kubelet-extra-args": "--max-pods=31 --node-labels=a=b"}
	tests := map[string]struct {
		script   string
		metadata map[string]string
	}{
		"by arguments":                    {"bash /etc/oke/oke-install.sh " + arguments, nil},
		"by arguments, run directly":      {"/etc/oke/oke-install.sh " + arguments, nil},
		"by arguments over several lines": {"bash /etc/oke/oke-install.sh \\\n  --apiserver-endpoint \"10.0.0.14\" \\\n  --kubelet-ca-cert \"" + ca64 + "\" --cluster-dns 10.96.5.5 --kubelet-extra-args \"--max-pods=31 --node-labels=a=b\"", nil},
		"by the environment":              {"export APISERVER_ENDPOINT=10.0.0.14 KUBELET_CA_CERT=" + ca64 + " CLUSTER_DNS=10.96.5.5\nKUBELET_EXTRA_ARGS='--max-pods=31 --node-labels=a=b' bash /etc/oke/oke-install.sh", nil},
		"by the metadata service":         {"bash /etc/oke/oke-install.sh", keys},
		"arguments beat the metadata":     {"bash /etc/oke/oke-install.sh --apiserver-endpoint 10.0.0.14", map[string]string{"apiserver_host": "1.2.3.4", "cluster_ca_cert": ca64, "kubedns_svc_ip": "10.96.5.5", "kubelet-extra-args": keys["kubelet-extra-args"]}},
		"through a script it fetched":     {`curl --fail -H "Authorization: Bearer Oracle" -L0 http://169.254.169.254/opc/v2/instance/metadata/oke_init_script | base64 --decode >/var/run/oke-init.sh` + "\nbash /var/run/oke-init.sh", map[string]string{"oke_init_script": base64.StdEncoding.EncodeToString([]byte("bash /etc/oke/oke-install.sh " + arguments))}},
		"from a file it wrote itself":     {"cat > /root/join.sh <<'EOF'\nset -euo pipefail\nbash /etc/oke/oke-install.sh \"$@\"\nEOF\nchmod +x /root/join.sh\n/root/join.sh " + arguments, nil},
		"after waiting for a while":       {"for i in 1 2 3; do sleep 20; done\nbash /etc/oke/oke-install.sh " + arguments, nil},
		"on an image with oke bootstrap":  {"oke bootstrap --apiserver-host 10.0.0.14 --ca " + ca64 + " --kubelet-extra-args '--max-pods=31 --node-labels=a=b'", map[string]string{"kubedns_svc_ip": "10.96.5.5"}},
		"with a failing command behind":   {"bash /etc/oke/oke-install.sh " + arguments + "\nfalse", nil},
		"where a variable is in the args": {"ARGS=\"--max-pods=31 --node-labels=a=b\"\nbash /etc/oke/oke-install.sh --apiserver-endpoint 10.0.0.14 --kubelet-ca-cert " + ca64 + " --cluster-dns 10.96.5.5 --kubelet-extra-args \"$ARGS\"", nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			out := boot(t, tt.script, tt.metadata)
			require.Empty(t, out.Reason, out.Console)
			require.Equal(t, whole, *out.Join)
		})
	}
}

func TestBootDoesNotJoin(t *testing.T) {
	tests := map[string]struct{ script, reason string }{
		"without quotes around arguments with spaces": {"bash /etc/oke/oke-install.sh --apiserver-endpoint 10.0.0.14 --kubelet-ca-cert " + ca64 + " --kubelet-extra-args --max-pods=31 --node-labels=a=b", "unknown argument"},
		"without an endpoint":                         {"bash /etc/oke/oke-install.sh --kubelet-ca-cert " + ca64, "no API server endpoint"},
		"without a certificate":                       {"bash /etc/oke/oke-install.sh --apiserver-endpoint 10.0.0.14", "no CA certificate"},
		"with an argument that has no value":          {"bash /etc/oke/oke-install.sh --apiserver-endpoint", "has no value"},
		"with a certificate that is not base64":       {"bash /etc/oke/oke-install.sh --apiserver-endpoint 10.0.0.14 --kubelet-ca-cert '%%%'", "not base64"},
		"with a DNS name for the DNS address":         {"bash /etc/oke/oke-install.sh --apiserver-endpoint 10.0.0.14 --kubelet-ca-cert " + ca64 + " --cluster-dns dns.example", "not an IP"},
		"with a misspelt program":                     {"bash /etc/oke/oke-instal.sh --apiserver-endpoint 10.0.0.14", "No such file"},
		"with a command that does not exist":          {"set -e\nterraform apply\nbash /etc/oke/oke-install.sh", "command not found"},
		"with an unset variable under set -u":         {"set -u\nbash /etc/oke/oke-install.sh --apiserver-endpoint $ENDPOINT", "unbound variable"},
		"with a failing pipe under pipefail":          {"set -eo pipefail\ncurl -sf http://169.254.169.254/opc/v2/instance/ | cat\nbash /etc/oke/oke-install.sh", "status 22"},
		"after an early exit":                         {"exit 0\nbash /etc/oke/oke-install.sh", "was not run"},
		"with a syntax error before the install":      {"if true; then echo a; done\nbash /etc/oke/oke-install.sh", "syntax error"},
		"with a network fetch":                        {"set -e\ncurl -fsSL https://get.example/install.sh -o /tmp/i.sh\nbash /tmp/i.sh", "Could not resolve host"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			out := boot(t, tt.script, nil)
			require.Nil(t, out.Join)
			require.Contains(t, out.Reason, tt.reason, out.Console)
			require.Contains(t, out.Console, out.Reason)
		})
	}
}

func TestStatementsBeforeASyntaxErrorHaveRun(t *testing.T) {
	out := boot(t, "/usr/libexec/oci-growfs -y\nif then fi\n", nil)
	require.True(t, out.RootGrown)
	require.Contains(t, out.Reason, "syntax error")
}

func TestRootIsGrownOnlyWhenAsked(t *testing.T) {
	require.False(t, boot(t, "true", nil).RootGrown)
	require.False(t, boot(t, "/usr/libexec/oci-growfs", nil).RootGrown, "it asks for confirmation")
	require.True(t, boot(t, "/usr/libexec/oci-growfs -y", nil).RootGrown)
	require.True(t, boot(t, "bash /usr/libexec/oci-growfs -y", nil).RootGrown)
}

func TestNothingOfTheHostIsTouched(t *testing.T) {
	host := filepath.Join(t.TempDir(), "host")
	require.NoError(t, os.WriteFile(host, []byte("host"), 0o600))
	out := boot(t, "cat "+host+"\necho gone > "+host+"\nrm -rf "+filepath.Dir(host)+"\ncd "+filepath.Dir(host)+"\n[ -e "+host+" ] && echo leaked\ncommand -v go && echo leaked\nls "+filepath.Dir(host), nil)
	content, err := os.ReadFile(host)
	require.NoError(t, err)
	require.Equal(t, "host", string(content))
	require.NotContains(t, out.Console, "leaked")
	require.Contains(t, out.Console, "No such file or directory")
}

func TestMetadataService(t *testing.T) {
	header := `-H "Authorization: Bearer Oracle" `
	tests := map[string]struct{ script, console string }{
		"gives a value by its path":        {"curl -s " + header + "http://169.254.169.254/opc/v2/instance/shape", "VM.Standard.E5.Flex"},
		"gives the address of the VNIC":    {"curl -s " + header + "http://169.254.169.254/opc/v2/vnics/", "10.0.10.5"},
		"answers on its IPv6 address":      {"curl -s -g " + header + "'http://[fd00:c1::a9fe:a9fe]/opc/v2/instance/id'", "ocid1.instance.oc1..a"},
		"refuses without the header":       {"curl -s http://169.254.169.254/opc/v2/instance/shape", "Not Authorized"},
		"does not know the first version":  {"curl -s " + header + "http://169.254.169.254/opc/v1/instance/shape", "Not Found"},
		"fails for a missing key if asked": {"curl -f " + header + "http://169.254.169.254/opc/v2/instance/metadata/none || echo status $?", "status 22"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, boot(t, tt.script, nil).Console, tt.console)
		})
	}
}

func TestInstanceKnowsItsArchitecture(t *testing.T) {
	for shape, arm := range map[string]bool{"VM.Standard.A1.Flex": true, "VM.Standard.A2.Flex": true, "BM.Standard.A4.48": true, "BM.GPU.GB200.4": true, "VM.Standard.E5.Flex": false, "VM.GPU.A10.1": false, "BM.GPU.A100-v2.8": false, "VM.Standard.A4.Ax.Flex": true} {
		require.Equal(t, arm, Instance{Shape: shape}.Arm(), shape)
	}
}
