package bootstrap

import (
	"strings"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
)

// preamble are the functions that the rest of the script uses. What it says ends up on the instance's console and in
// /var/log/cloud-init-output.log.
//
// A preparation that fails (a volume, preInstallScript) ends the script before the kubelet starts. A node that is prepared by
// half would take pods and fail them one by one; one that never registers is seen by Karpenter, which replaces it after its
// registration timeout, and by operators: the reason is the last line on the console. postInstallScript runs when pods may
// already be there, so its failure is told and shows in cloud-init's status, and the node stays.
const preamble = `#!/usr/bin/env bash
set -o nounset
say() { echo "karpenter-oke: $*" >&2; }
fail() {
  say "$* The node does not join."
  exit 1
}
`

// runScript runs a user's script in a process of its own, so that it can neither change nor end the boot script. Its text is
// kept on the disk, for root only.
const runScript = `run_script() {
  local file="/var/lib/karpenter-oke/$1"
  mkdir -p /var/lib/karpenter-oke && chmod 0700 /var/lib/karpenter-oke || return 1
  : >"$file" && chmod 0700 "$file" && printf '%s' "$2" >"$file" || return 1
  "$file" </dev/null
}
`

// growRoot uses what the Oracle Linux images have; they leave the root file system at the image's own size. Ubuntu's cloud-init
// grows it before any script runs.
const growRoot = `if ! /usr/libexec/oci-growfs -y; then
  say 'the root file system could not be grown; the node has less room for pods than its boot volume'
fi
`

// script is the boot script of Oracle Linux and Ubuntu images.
func script(node Node, args []string) string {
	var b strings.Builder
	b.WriteString(preamble)
	if node.PreInstall != "" || node.PostInstall != "" {
		b.WriteString(runScript)
	}
	if node.Family != v1alpha1.ImageFamilyUbuntu {
		b.WriteString(growRoot)
	}
	writeLocalNVMe(&b, node)
	writeVolumes(&b, node.BlockDevices)
	if node.PreInstall != "" {
		b.WriteString("run_script pre-install.sh " + shellQuote(withInterpreter(node.PreInstall)) +
			" || fail \"preInstallScript ended with status $?; end it with 'exit 0' if that does not matter.\"\n")
	}
	if node.Family == v1alpha1.ImageFamilyUbuntu {
		writeUbuntuJoin(&b, node, args)
	} else {
		writeOracleLinuxJoin(&b, node, args)
	}
	if node.PostInstall != "" {
		b.WriteString("run_script post-install.sh " + shellQuote(withInterpreter(node.PostInstall)) + ` || {
  say "postInstallScript ended with status $?. The node has joined all the same."
  exit 1
}
`)
	}
	return b.String()
}

// writeOracleLinuxJoin calls the images' installer, which configures and starts the kubelet.
func writeOracleLinuxJoin(b *strings.Builder, node Node, args []string) {
	install := []string{
		"bash", "/etc/oke/oke-install.sh",
		"--apiserver-endpoint", shellQuote(node.Endpoint),
		"--kubelet-ca-cert", shellQuote(caBase64(node)),
	}
	if dns := installerDNS(node); dns != "" {
		install = append(install, "--cluster-dns", shellQuote(dns))
	}
	writeJoin(b, install, args, "oke-install.sh")
}

// writeUbuntuJoin calls the program of OKE's Ubuntu packages. It takes the address and the CA as arguments, and its service reads
// them from files at later boots. It has no argument for the DNS server: the kubelet's own is used.
func writeUbuntuJoin(b *strings.Builder, node Node, args []string) {
	b.WriteString(`ca=` + shellQuote(caBase64(node)) + `
mkdir -p /etc/oke /etc/kubernetes
printf '%s' ` + shellQuote(node.Endpoint) + ` >/etc/oke/oke-apiserver && printf '%s' "$ca" | base64 --decode >/etc/kubernetes/ca.crt &&
  chmod 0644 /etc/oke/oke-apiserver /etc/kubernetes/ca.crt || fail 'The address and the certificate of the API server could not be written.'
`)
	writeJoin(b, []string{"oke", "bootstrap", "--apiserver-host", shellQuote(node.Endpoint), "--ca", `"$ca"`}, args, "oke bootstrap")
}

func writeJoin(b *strings.Builder, program, args []string, name string) {
	if len(args) > 0 {
		program = append(program, "--kubelet-extra-args", shellQuote(strings.Join(args, " ")))
	}
	b.WriteString(strings.Join(program, " ") + " || fail \"" + name + " ended with status $?.\"\n")
}

// withInterpreter makes a file that the kernel can run of a script without a #! line.
func withInterpreter(text string) string {
	if strings.HasPrefix(text, "#!") {
		return text
	}
	return "#!/usr/bin/env bash\n" + text
}

// shellQuote makes one word of s for bash, whatever is in it but NUL. A carriage return is written as an escape, because it does
// not survive every reader of scripts.
func shellQuote(s string) string {
	if strings.Contains(s, "\r") {
		return "$'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`, "\r", `\r`).Replace(s) + "'"
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
