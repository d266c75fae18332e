package machine

import (
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net"
	"strconv"
	"strings"
)

// Programs of the node image that start the kubelet and grow the disk.
const (
	installPath = "/etc/oke/oke-install.sh"
	growfsPath  = "/usr/libexec/oci-growfs"
)

var special = map[string]command{installPath: okeInstall, growfsPath: growfs}

// setting is one value the install program needs: from its argument, else the environment, else the metadata service.
type setting struct {
	flag, env, imds string
}

var installSettings = []setting{
	{"--apiserver-endpoint", "APISERVER_ENDPOINT", "apiserver_host"},
	{"--kubelet-ca-cert", "KUBELET_CA_CERT", "cluster_ca_cert"},
	{"--cluster-dns", "CLUSTER_DNS", "kubedns_svc_ip"},
	{"--kubelet-extra-args", "KUBELET_EXTRA_ARGS", "kubelet-extra-args"},
}

// okeInstall is /etc/oke/oke-install.sh of OKE images.
func okeInstall(c *call) (uint8, error) {
	given, problem := parseFlags(c.args[1:], installSettings)
	if problem != "" {
		return c.refuse(problem)
	}
	return c.startKubelet(c.resolve(given))
}

// okeBootstrap is `oke bootstrap` of Ubuntu images. What it is not told it reads from files, then from the metadata service.
func okeBootstrap(c *call) (uint8, error) {
	if len(c.args) < 2 || c.args[1] != "bootstrap" {
		return c.refuse("oke: the only command is bootstrap")
	}
	given, problem := parseFlags(c.args[2:], []setting{
		{flag: "--apiserver-host"}, {flag: "--ca"}, {flag: "--kubelet-extra-args"},
	})
	if problem != "" {
		return c.refuse(problem)
	}
	renamed := map[string]string{}
	if host, err := c.m.fs.ReadFile("/etc/oke/oke-apiserver"); err == nil {
		renamed["--apiserver-endpoint"] = strings.TrimSpace(string(host))
	}
	if ca, err := c.m.fs.ReadFile("/etc/kubernetes/ca.crt"); err == nil {
		renamed["--kubelet-ca-cert"] = base64.StdEncoding.EncodeToString(ca)
	}
	for from, to := range map[string]string{"--apiserver-host": "--apiserver-endpoint", "--ca": "--kubelet-ca-cert", "--kubelet-extra-args": "--kubelet-extra-args"} {
		if v, ok := given[from]; ok {
			renamed[to] = v
		}
	}
	return c.startKubelet(c.resolve(renamed))
}

func (c *call) refuse(problem string) (uint8, error) {
	reason := c.m.refuse("%s: %s", c.args[0], problem)
	_, _ = fmt.Fprintln(c.err, reason)
	return 1, nil
}

// parseFlags reads "--flag value" pairs; an unknown flag or a missing value is a problem.
func parseFlags(args []string, known []setting) (map[string]string, string) {
	given := map[string]string{}
	for i := 0; i < len(args); i += 2 {
		ok := false
		for _, s := range known {
			ok = ok || s.flag == args[i]
		}
		switch {
		case !ok:
			return nil, fmt.Sprintf("unknown argument %q", args[i])
		case i+1 >= len(args):
			return nil, fmt.Sprintf("argument %s has no value", args[i])
		}
		given[args[i]] = args[i+1]
	}
	return given, ""
}

func (c *call) resolve(given map[string]string) map[string]string {
	env := map[string]string{}
	for _, kv := range c.env {
		name, value, _ := strings.Cut(kv, "=")
		env[name] = value
	}
	out := map[string]string{}
	for _, s := range installSettings {
		switch {
		case given[s.flag] != "":
			out[s.flag] = given[s.flag]
		case env[s.env] != "":
			out[s.flag] = env[s.env]
		default:
			out[s.flag] = c.m.inst.Metadata[s.imds]
		}
	}
	return out
}

// startKubelet checks what the install program checks and records how the kubelet is to run.
func (c *call) startKubelet(v map[string]string) (uint8, error) {
	endpoint, ca, dns := v["--apiserver-endpoint"], v["--kubelet-ca-cert"], v["--cluster-dns"]
	if endpoint == "" {
		return c.refuse("no API server endpoint: neither --apiserver-endpoint nor APISERVER_ENDPOINT nor metadata apiserver_host is set")
	}
	if strings.ContainsAny(endpoint, ":/ ") && net.ParseIP(endpoint) == nil {
		return c.refuse(fmt.Sprintf("the API server endpoint is an address without scheme and port, not %q", endpoint))
	}
	if ca == "" {
		return c.refuse("no CA certificate: neither --kubelet-ca-cert nor KUBELET_CA_CERT nor metadata cluster_ca_cert is set")
	}
	pemCA, err := base64.StdEncoding.DecodeString(strings.TrimSpace(ca))
	if err != nil {
		return c.refuse("the CA certificate is not base64")
	}
	if block, _ := pem.Decode(pemCA); block == nil {
		return c.refuse("the CA certificate is not PEM")
	}
	if dns != "" && net.ParseIP(dns) == nil {
		return c.refuse(fmt.Sprintf("the cluster DNS address is %q, not an IP", dns))
	}
	join := &Join{APIServerEndpoint: endpoint, CA: pemCA, ClusterDNS: dns, KubeletExtraArgs: v["--kubelet-extra-args"],
		InitialNodeLabels: c.m.inst.Metadata["oke-initial-node-labels"]}
	if maxPods := c.m.inst.Metadata["oke-max-pods"]; maxPods != "" {
		n, err := strconv.Atoi(maxPods)
		if err != nil || n < 1 {
			return c.refuse(fmt.Sprintf("metadata oke-max-pods is %q, not a number of pods", maxPods))
		}
		join.MaxPods = n
	}
	c.m.mu.Lock()
	c.m.join, c.m.refusal = join, ""
	c.m.mu.Unlock()
	_, _ = fmt.Fprintf(c.out, "oke-install: starting kubelet for https://%s:6443\n", endpoint)
	return 0, nil
}

// growfs grows the root file system to the boot volume; it asks before it does unless -y is given.
func growfs(c *call) (uint8, error) {
	flags, _ := c.operands()
	if !hasFlag(flags, "-y", "--yes") {
		return c.fail(1, "confirmation needed and no terminal; use -y")
	}
	c.m.mu.Lock()
	c.m.grown = true
	c.m.mu.Unlock()
	_, _ = fmt.Fprintln(c.out, "growfs: root file system grown")
	return 0, nil
}

// UnameMachine is what `uname -m` says: Ampere and Grace shapes are arm64.
func (i Instance) UnameMachine() string {
	if i.Arm() {
		return "aarch64"
	}
	return "x86_64"
}

// Arm tells whether the shape has Arm processors (A1, A2, A4 and the Grace shapes).
func (i Instance) Arm() bool {
	for _, mark := range []string{".A1.", ".A2.", ".A4.", ".GB200.", ".GB300."} {
		if strings.Contains(i.Shape+".", mark) {
			return true
		}
	}
	return false
}

// BareMetal tells whether the instance is a whole server.
func (i Instance) BareMetal() bool { return strings.HasPrefix(i.Shape, "BM.") }
