package convert

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
)

// maxFreeformTags is what the target takes; the controller's own come on top as far as there is room.
const maxFreeformTags = v1alpha1.MaxFreeformTags

// instance is what goes into the launch as it is.
func (c *classConversion) instance() {
	c.to.CompartmentID = c.from.NodeCompartmentID
	c.to.AgentList = c.from.AgentList
	c.to.SSHAuthorizedKeys = trimmed(c.from.SSHAuthorizedKeys)
	c.to.FreeFormTags = c.from.FreeformTags
	if count := len(c.from.FreeformTags); count > maxFreeformTags {
		c.warn("spec.freeformTags", "OCI allows %d freeform tags and these are %d; remove some, or use definedTags", maxFreeformTags, count)
	}
	for namespace, keys := range c.from.DefinedTags {
		if c.to.DefinedTags == nil {
			c.to.DefinedTags = v1alpha1.DefinedTags{}
		}
		c.to.DefinedTags[namespace] = keys
	}
	if o := c.from.LaunchOptions; o != nil {
		c.to.LaunchOptions = &v1alpha1.LaunchOptions{
			BootVolumeType:                  o.BootVolumeType,
			Firmware:                        o.Firmware,
			NetworkType:                     o.NetworkType,
			RemoteDataVolumeType:            o.RemoteDataVolumeType,
			IsConsistentVolumeNamingEnabled: o.ConsistentVolumeNamingEnabled,
		}
	}
}

// scripts are the programs around the start of the node.
func (c *classConversion) scripts() {
	pre := c.script("spec.preBootstrapInitScript", c.from.PreBootstrapInitScript)
	post := c.script("spec.postBootstrapInitScript", c.from.PostBootstrapInitScript)
	if c.from.Metadata["user_data"] != "" && (pre != nil || post != nil) {
		c.warn(pathUserData, "with it Oracle's provider runs neither preBootstrapInitScript nor postBootstrapInitScript; they are left out")
		return
	}
	if c.to.ImageFamily == string(v1alpha1.ImageFamilyCustom) && (pre != nil || post != nil) {
		c.warn(pathImage+".imageType", "an image of the family Custom runs spec.userData alone; move preBootstrapInitScript and postBootstrapInitScript there")
		return
	}
	if c.to.PreInstallScript, c.to.PostInstallScript = pre, post; pre != nil {
		c.warn("spec.preBootstrapInitScript", "a node whose script ends with a status other than 0 does not join; end it with `exit 0` if that does not matter")
	}
}

func (c *classConversion) script(path, encoded string) *v1alpha1.Script {
	if encoded == "" {
		return nil
	}
	script := encoded
	if decoded, err := base64.StdEncoding.DecodeString(encoded); err == nil {
		script = string(decoded)
	} else {
		c.warn(path, "is not base64; it is taken as the script itself")
	}
	return &script
}

// taken are metadata keys that the controller writes, and what to use instead.
var taken = map[string]string{
	"apiserver_host":          "the controller sets it; remove it",
	"cluster_ca_cert":         "the controller sets it; remove it",
	"kubelet-extra-args":      "the controller sets it; use spec.kubelet",
	"oke-initial-node-labels": "the controller sets it; use the labels of the NodePool's template",
	"oke-is-preemptible":      "the controller sets it; require karpenter.sh/capacity-type in the NodePool",
}

// podMetadata are keys that say what spec.podNetworking says.
var podMetadata = []string{"oke-native-pod-networking", "oke-max-pods", "pod-subnets", "pod-nsgids"}

// metadata is the instance's metadata without what has a field of its own.
func (c *classConversion) metadata() {
	to := v1alpha1.Metadata{}
	for _, key := range slices.Sorted(maps.Keys(c.from.Metadata)) {
		path := fmt.Sprintf("spec.metadata[%q]", key)
		switch instead, isTaken := taken[key]; {
		case key == "user_data":
		case key == "ssh_authorized_keys":
			if len(c.to.SSHAuthorizedKeys) == 0 { // which win in the source
				c.to.SSHAuthorizedKeys = trimmed(strings.Split(c.from.Metadata[key], "\n"))
			}
		case isTaken:
			c.warn(path, "%s", instead)
		case strings.HasPrefix(key, v1alpha1.TagPrefix):
			c.warn(path, "keys that begin with %s are the controller's; choose another", v1alpha1.TagPrefix)
		case c.to.PodNetworking != nil && slices.Contains(podMetadata, key):
			c.warn(path, "spec.podNetworking, made from the secondary VNICs, says it; it is left out")
		default:
			to[key] = c.from.Metadata[key]
		}
	}
	if len(to) > 0 {
		c.to.MetaData = to
	}
}

func trimmed(lines []string) []string {
	var out []string
	for _, line := range lines {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			out = append(out, line)
		}
	}
	return out
}
