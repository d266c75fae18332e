package bootstrap

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
)

// Keys of the instance metadata that OKE's images read.
const (
	keyUserData       = "user_data"
	keySSHKeys        = "ssh_authorized_keys"
	keyEndpoint       = "apiserver_host"
	keyCA             = "cluster_ca_cert"
	keyDNS            = "kubedns_svc_ip"
	keyKubeletArgs    = "kubelet-extra-args"
	keyNodeLabels     = "oke-initial-node-labels"
	keyVersion        = "oke-k8version"
	keyTenancy        = "oke-tenancy-id"
	keyPreemptible    = "oke-is-preemptible"
	keyNative         = "oke-native-pod-networking"
	keyNativeMaxPods  = "oke-max-pods"
	keyNativeSubnets  = "pod-subnets"
	keyNativeNSGs     = "pod-nsgids"
	keyIPFamilies     = "ip-families"
	reservedKeyPrefix = v1alpha1.TagPrefix
)

// reservedKeys are the keys that a user's metadata may not set, because the node could not join, or would join without its labels
// and taints. The schema refuses them; here they are ignored.
var reservedKeys = map[string]bool{keyUserData: true, keyEndpoint: true, keyCA: true, keyKubeletArgs: true, keyNodeLabels: true, keyPreemptible: true}

// keys are all metadata keys but the user data.
func keys(node Node, args []string) (map[string]string, error) {
	metadata := map[string]string{}
	set := func(key, value string) {
		if value != "" {
			metadata[key] = value
		}
	}
	set(keyVersion, node.KubernetesVersion)
	set(keyTenancy, node.TenancyID)
	set(keyIPFamilies, strings.Join(node.IPFamilies, ","))
	set(keySSHKeys, strings.Join(node.SSHAuthorizedKeys, "\n"))
	if node.Preemptible {
		// OKE's boot program sets its taint when this is true. False, and not left out, also holds for an image that would
		// find out by itself that the instance is preemptible.
		metadata[keyPreemptible] = strconv.FormatBool(node.PreemptibleTaint == v1alpha1.PreemptibleTaintOKE)
	}
	if native := node.Native; native != nil {
		metadata[keyNative] = "true"
		if pods := maxPods(node); pods > 0 {
			metadata[keyNativeMaxPods] = strconv.Itoa(pods)
		}
		set(keyNativeSubnets, strings.Join(native.PodSubnetIDs, ","))
		set(keyNativeNSGs, strings.Join(native.PodNSGIDs, ","))
	}
	if node.Family == v1alpha1.ImageFamilyCustom {
		labels, err := kubeletLabels(node.Labels)
		if err != nil {
			return nil, err
		}
		set(keyEndpoint, node.Endpoint)
		set(keyCA, caBase64(node))
		set(keyDNS, installerDNS(node))
		set(keyNodeLabels, strings.Join(labels, ","))
		set(keyKubeletArgs, strings.Join(args, " "))
	}
	for key, value := range node.Metadata {
		if !reservedKeys[key] && !strings.HasPrefix(key, reservedKeyPrefix) {
			metadata[key] = value
		}
	}
	return metadata, nil
}

// MaxMetadataBytes is OCI's limit for metadata and extendedMetadata together, keys and values (LaunchInstanceDetails in the
// Compute API).
const MaxMetadataBytes = 32_000

// TooLargeError says that the instance metadata does not fit OCI's limit, and what takes the room.
type TooLargeError struct {
	Bytes int // of the whole metadata as it would be sent, keys and values
	Limit int
	// Parts are the sizes of what went in, largest first. User data is compressed and encoded, so they do not add up to Bytes.
	Parts []PartSize
}

// PartSize is the size of one thing that goes into the metadata.
type PartSize struct {
	Name  string // a field of the class or a key of the metadata
	Bytes int
}

// Error names the three largest parts.
func (e *TooLargeError) Error() string {
	largest := make([]string, 0, 3)
	for _, part := range e.Parts[:min(3, len(e.Parts))] {
		largest = append(largest, fmt.Sprintf("%s %d", part.Name, part.Bytes))
	}
	return fmt.Sprintf("the instance metadata has %d bytes and OCI allows %d; shorten the largest parts (bytes before encoding: %s), or let userData fetch them",
		e.Bytes, e.Limit, strings.Join(largest, ", "))
}

func size(metadata map[string]string) int {
	total := 0
	for key, value := range metadata {
		total += len(key) + len(value)
	}
	return total
}

func tooLarge(node Node, args []string, metadata map[string]string) *TooLargeError {
	parts := []PartSize{
		{"userData", len(node.UserData)}, {"preInstallScript", len(node.PreInstall)}, {"postInstallScript", len(node.PostInstall)},
		{"the cluster's CA certificate", len(node.CABundle)}, {"kubelet arguments", len(strings.Join(args, " "))},
		{"sshAuthorizedKeys", len(strings.Join(node.SSHAuthorizedKeys, "\n"))},
	}
	for _, key := range slices.Sorted(maps.Keys(node.Metadata)) {
		parts = append(parts, PartSize{"metaData." + key, len(key) + len(node.Metadata[key])})
	}
	parts = slices.DeleteFunc(parts, func(p PartSize) bool { return p.Bytes == 0 })
	slices.SortStableFunc(parts, func(a, b PartSize) int { return b.Bytes - a.Bytes })
	return &TooLargeError{Bytes: size(metadata), Limit: MaxMetadataBytes, Parts: parts}
}
