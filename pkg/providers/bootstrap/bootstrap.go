// Package bootstrap builds what an instance is given so that it becomes a node: the metadata keys and the user data that OKE's
// images read at boot. It is built from typed input and quoted for the shell, never interpolated.
//
// What runs at boot, in this order: the parts of the class's userData, each by itself as cloud-init does it; then one script of
// this package that grows the root file system, puts the directories of pods on local NVMe drives, makes and mounts the block
// volumes, runs preInstallScript, starts the kubelet and runs postInstallScript. Images of the family Custom run userData alone.
//
// Scripts, user data and keys of users never stand in an error or a log: only their names and sizes do.
package bootstrap

import (
	"encoding/base64"
	"fmt"
	"strings"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
)

// Node is everything that decides how a node boots and registers. Metadata only reads it.
type Node struct {
	// Family is how the image joins; empty is OracleOKELinux.
	Family v1alpha1.ImageFamily

	Endpoint          string // private address of the API server, without port
	CABundle          []byte // PEM
	DNSIP             string // cluster DNS; empty leaves it to the image; Kubelet.ClusterDNS goes before it
	KubernetesVersion string // of the kubelet in the image, such as v1.34.1; empty when it is not known
	TenancyID         string // OCID; empty when it is not known

	// Labels of the Node. Those that a kubelet may not set on its own node are left out: core sets them at registration.
	Labels map[string]string
	// Taints of the Node from its first moment on: Karpenter's own, the NodeClaim's and its startup taints.
	Taints  []corev1.Taint
	MaxPods int // 0 leaves it to Kubelet.MaxPods, then to the image
	// Kubelet are the class's settings; nil leaves all to the image.
	Kubelet *v1alpha1.KubeletConfiguration

	// Native is set where pods get addresses of the VCN.
	Native *NativePodNetworking
	// IPFamilies are the cluster's, IPv4 and IPv6 in their order; empty leaves them to the image.
	IPFamilies []string

	// Preemptible is true for instances of capacity type spot; PreemptibleTaint then says which taint the node has.
	Preemptible      bool
	PreemptibleTaint v1alpha1.PreemptibleTaint

	// BlockDevices are the volumes that are attached at launch, in order: the i-th one at DevicePath(i).
	BlockDevices []v1alpha1.BlockDevice

	// LocalNVMe is set on machines whose local NVMe drives are to hold what pods write. Where none is found the node does not join.
	LocalNVMe bool

	PreInstall  string // shell script; a failure keeps the node from joining
	PostInstall string // shell script; a failure shows on the console
	UserData    string // shell script, MIME document, or anything else that cloud-init reads

	// Metadata are the user's own keys. They win over all but those that the API reserves for the controller.
	Metadata          map[string]string
	SSHAuthorizedKeys []string
}

// NativePodNetworking is OKE's VCN-native pod networking of one node.
type NativePodNetworking struct {
	PodSubnetIDs []string
	PodNSGIDs    []string
}

// Metadata is the instance metadata to launch with. Equal input gives equal output, so that a launch can be repeated with the
// same retry token. Errors: *TooLargeError when it does not fit OCI's limit, and else a sentence that names what can not be
// passed to a node; neither gets better by trying again.
func Metadata(node Node) (map[string]string, error) {
	if err := checkTexts(node); err != nil {
		return nil, err
	}
	args, err := kubeletArgs(node)
	if err != nil {
		return nil, err
	}
	metadata, err := keys(node, args)
	if err != nil {
		return nil, err
	}
	document, err := userData(node, args)
	if err != nil {
		return nil, err
	}
	if len(document) > 0 {
		if metadata[keyUserData], err = encode(document, MaxMetadataBytes-size(metadata)-len(keyUserData)); err != nil {
			return nil, err
		}
	}
	if size(metadata) > MaxMetadataBytes {
		return nil, tooLarge(node, args, metadata)
	}
	return metadata, nil
}

// checkTexts refuses what no shell and no MIME part can carry. It names the field and not its content.
func checkTexts(node Node) error {
	for _, text := range []struct{ field, value string }{
		{"preInstallScript", node.PreInstall}, {"postInstallScript", node.PostInstall}, {"userData", node.UserData},
		{"the API server's address", node.Endpoint}, {"the DNS service's address", node.DNSIP},
	} {
		if strings.ContainsRune(text.value, 0) || !utf8.ValidString(text.value) {
			return fmt.Errorf("%s has a NUL character or is not UTF-8; remove it", text.field)
		}
	}
	if node.Family != v1alpha1.ImageFamilyCustom {
		return nil
	}
	if node.PreInstall != "" || node.PostInstall != "" {
		return fmt.Errorf("an image of the family Custom runs userData alone; move preInstallScript and postInstallScript into userData")
	}
	if node.LocalNVMe {
		return fmt.Errorf("an image of the family Custom runs userData alone; remove localNvmePolicy and use the local drives in userData")
	}
	for _, device := range node.BlockDevices {
		if device.MountPath != "" {
			return fmt.Errorf("an image of the family Custom mounts nothing by itself; remove mountPath %s and mount the volume in userData", device.MountPath)
		}
	}
	return nil
}

// DevicePath is the consistent device path of the i-th block volume beside the boot volume, from 0: /dev/oracleoci/oraclevdb and
// on (Block Volume documentation, "Connecting to Volumes With Consistent Device Paths"). OCI attaches at most 32.
func DevicePath(i int) string {
	const letters = "abcdefghijklmnopqrstuvwxyz"
	n := i + 1 // oraclevda is the boot volume
	if n < len(letters) {
		return devicePrefix + letters[n:n+1]
	}
	n %= len(letters)
	return devicePrefix + "a" + letters[n:n+1]
}

const devicePrefix = "/dev/oracleoci/oraclevd"

// caBase64 is the CA in the form that OKE's programs take.
func caBase64(node Node) string { return base64.StdEncoding.EncodeToString(node.CABundle) }
