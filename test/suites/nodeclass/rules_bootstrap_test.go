package nodeclass_test

import "strings"

// reserved is the complaint about metadata keys of the controller.
const reserved = "the metadata keys user_data, apiserver_host, cluster_ca_cert, kubelet-extra-args, oke-initial-node-labels, oke-is-preemptible and those that begin with karpenter-oke- are set by the controller; use userData, kubelet, preemptible, or the NodePool's labels and taints"

var bootstrapRules = map[string]rule{
	"metadata keys of the controller are its own": {
		says:    reserved,
		accepts: []string{"metaData: {oke-native-pod-networking: 'true', pod-subnets: a, pod-nsgids: b, oke-max-pods: '31', ssh_authorized_keys: c, kubedns_svc_ip: 10.96.5.5, ip-families: IPv4}", "metaData: {User_Data: not the key}"},
		rejects: []string{
			"metaData: {user_data: aGVsbG8=}", "metaData: {apiserver_host: 10.0.0.1}", "metaData: {cluster_ca_cert: a}", "metaData: {kubelet-extra-args: --v=9}", "metaData: {oke-initial-node-labels: a=b}",
			"metaData: {oke-is-preemptible: 'true'}", "metaData: {karpenter-oke-ownership: '{}'}", "metaData: {fine: 'yes', karpenter-oke-: ''}",
		},
	},
	"a metadata key has 1 to 255 characters": {
		says:    "a metadata key has 1 to 255 characters",
		accepts: []string{"metaData: {" + long(255) + ": a}", "metaData: {}"},
		rejects: []string{"metaData: {'': a}", "metaData: {" + long(256) + ": a}"},
	},
	"metadata has at most 50 keys of at most 32000 characters": {
		says:    "",
		accepts: []string{"metaData: {" + entries(50) + "}", "metaData: {k: " + long(32000) + "}"},
		rejects: []string{"metaData: {" + entries(51) + "}", "metaData: {k: " + long(32001) + "}"},
	},
	"ssh keys are in one place": {
		says:    "give ssh keys in one place: remove ssh_authorized_keys from metaData, or remove sshAuthorizedKeys",
		accepts: []string{"metaData: {ssh_authorized_keys: ssh-rsa AAAA}", "{metaData: {a: b}, sshAuthorizedKeys: [ssh-rsa AAAA]}"},
		rejects: []string{"{metaData: {ssh_authorized_keys: ssh-rsa AAAA}, sshAuthorizedKeys: [ssh-rsa AAAA]}"},
	},
	"an ssh key is one public key": {
		says:    "give one public key as in an authorized_keys file, such as 'ssh-ed25519 AAAA... name'",
		accepts: []string{"sshAuthorizedKeys: [ssh-ed25519 AAAAC3Nz, ssh-rsa AAAA+/== me@host name, ecdsa-sha2-nistp256 AAAA= x, sk-ssh-ed25519@openssh.com AAAA]"},
		rejects: []string{"sshAuthorizedKeys: ['']", "sshAuthorizedKeys: [AAAA]", "sshAuthorizedKeys: ['-----BEGIN OPENSSH PRIVATE KEY-----']", `sshAuthorizedKeys: ["ssh-rsa AAAA\nssh-rsa BBBB"]`, "sshAuthorizedKeys: ['command=\"reboot\" ssh-rsa AAAA']"},
	},
	"ssh keys are at most 20": {
		says:    "",
		accepts: []string{"sshAuthorizedKeys: [" + items(20, "ssh-rsa AAAA k%d") + "]"},
		rejects: []string{"sshAuthorizedKeys: [" + items(21, "ssh-rsa AAAA k%d") + "]", "sshAuthorizedKeys: [ssh-rsa " + strings.Repeat("A", 4096) + "]"},
	},
	"scripts have at most 65536 characters": {
		says:    "may not be more than 65536",
		accepts: []string{"userData: " + long(65536), "preInstallScript: ''", `postInstallScript: "echo 'it''s' $(date) \\ \u0000 ünï"`, `userData: "Content-Type: multipart/mixed; boundary=x\n\n--x\n"`},
		rejects: []string{"userData: " + long(65537), "preInstallScript: " + long(65537), "postInstallScript: " + long(65537)},
	},
}
