// Package bootstrap builds what an instance is given so that it becomes a node: the metadata keys and the user data that OKE's
// images read at boot. It is built from typed input and quoted for the shell, never interpolated.
package bootstrap

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	kubeletapis "k8s.io/kubelet/pkg/apis"
)

// MaxMetadataBytes is OCI's limit for metadata and extendedMetadata together (LaunchInstanceDetails in the Compute API).
const MaxMetadataBytes = 32_000

// Node is everything that decides how a node boots and registers.
type Node struct {
	Endpoint string // private address of the API server, without port
	CABundle []byte // PEM
	DNSIP    string // cluster DNS; empty leaves it to the image
	Labels   map[string]string
	Taints   []corev1.Taint
	MaxPods  int // 0 leaves it to the kubelet
	// Native is set where pods get addresses of the VCN.
	Native *NativePodNetworking
}

// NativePodNetworking is OKE's VCN-native pod networking of one node.
type NativePodNetworking struct {
	PodSubnetIDs []string
	PodNSGIDs    []string
}

// Metadata is the instance metadata to launch with. Equal input gives equal output, so that a launch can be repeated with the
// same retry token. An error says which value can not be passed to a kubelet.
func Metadata(node Node) (map[string]string, error) {
	script, err := Script(node)
	if err != nil {
		return nil, err
	}
	metadata := map[string]string{"user_data": base64.StdEncoding.EncodeToString([]byte(script))}
	if native := node.Native; native != nil {
		metadata["oke-native-pod-networking"] = "true"
		metadata["oke-max-pods"] = strconv.Itoa(node.MaxPods)
		metadata["pod-subnets"] = strings.Join(native.PodSubnetIDs, ",")
		if len(native.PodNSGIDs) > 0 {
			metadata["pod-nsgids"] = strings.Join(native.PodNSGIDs, ",")
		}
	}
	size := 0
	for key, value := range metadata {
		size += len(key) + len(value)
	}
	if size > MaxMetadataBytes {
		return nil, fmt.Errorf("the instance metadata has %d bytes and OCI allows %d; shorten labels, taints or scripts", size, MaxMetadataBytes)
	}
	return metadata, nil
}

// Script is the boot script of OKE's Oracle Linux images: it grows the root file system, which the image leaves at its own
// size, and then runs the image's installer, which starts the kubelet.
func Script(node Node) (string, error) {
	args, err := kubeletArgs(node)
	if err != nil {
		return "", err
	}
	install := []string{
		"bash", "/etc/oke/oke-install.sh",
		"--apiserver-endpoint", shellQuote(node.Endpoint),
		"--kubelet-ca-cert", shellQuote(base64.StdEncoding.EncodeToString(node.CABundle)),
	}
	if node.DNSIP != "" {
		install = append(install, "--cluster-dns", shellQuote(node.DNSIP))
	}
	install = append(install, "--kubelet-extra-args", shellQuote(strings.Join(args, " ")))
	return strings.Join([]string{
		"#!/usr/bin/env bash",
		"set -o nounset",
		"# A disk that can not be grown still gives a working, smaller node.",
		"/usr/libexec/oci-growfs -y || echo 'growing the root file system failed'",
		strings.Join(install, " "),
		"",
	}, "\n"), nil
}

// kubeletArgs are the kubelet's extra arguments. The installer splits them at white space, so a value must not have any.
func kubeletArgs(node Node) ([]string, error) {
	var args []string
	if labels := kubeletLabels(node.Labels); len(labels) > 0 {
		args = append(args, "--node-labels="+strings.Join(labels, ","))
	}
	if len(node.Taints) > 0 {
		taints := make([]string, 0, len(node.Taints))
		for _, t := range node.Taints {
			taints = append(taints, fmt.Sprintf("%s=%s:%s", t.Key, t.Value, t.Effect))
		}
		args = append(args, "--register-with-taints="+strings.Join(taints, ","))
	}
	if node.MaxPods > 0 {
		args = append(args, "--max-pods="+strconv.Itoa(node.MaxPods))
	}
	for _, arg := range args {
		if strings.ContainsAny(arg, " \t\r\n'\"\\`$") {
			return nil, fmt.Errorf("the kubelet argument %q has a character that no label or taint may have", arg)
		}
	}
	return args, nil
}

// kubeletLabels are the labels as key=value in order of their keys, without those that a kubelet is not allowed to set on its
// own node; Karpenter core puts those on the Node when it registers.
func kubeletLabels(labels map[string]string) []string {
	var out []string
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		if isForbidden(key) {
			continue
		}
		out = append(out, key+"="+labels[key])
	}
	return out
}

// isForbidden is the kubelet's own rule: in the kubernetes.io and k8s.io domains only a list of labels and prefixes may be set.
func isForbidden(key string) bool {
	domain, _, found := strings.Cut(key, "/")
	if !found {
		return false
	}
	for _, reserved := range []string{"kubernetes.io", "k8s.io"} {
		if domain == reserved || strings.HasSuffix(domain, "."+reserved) {
			return !kubeletapis.IsKubeletLabel(key)
		}
	}
	return false
}

// shellQuote makes one word of s for a POSIX shell, whatever is in it.
func shellQuote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
