package image

import (
	"strings"

	"github.com/oracle/oci-go-sdk/v65/core"

	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
)

const (
	// maxMinorSkew is how many minor versions a kubelet may be older than the API server (Kubernetes version skew policy,
	// >= 1.28).
	maxMinorSkew = 3
	// autoVersion is the kubernetesVersion of a term that takes what the control plane can serve.
	autoVersion = "auto"
)

// passes is true when an image meets every condition of the term and can be launched.
func (f filter) passes(b build) bool {
	if b.image.LifecycleState != core.ImageLifecycleStateAvailable {
		return false
	}
	if f.term.ID != "" {
		return f.term.ID == b.id()
	}
	// Oracle's platform images belong to no compartment and are listed in each.
	if own := oci.Value(b.image.CompartmentId); own != "" && own != f.compartmentID {
		return false
	}
	return f.term.Selector().Matches(b.name(), b.image.FreeformTags, b.image.DefinedTags) && f.matchesOS(b) && f.suits(b)
}

func (f filter) matchesOS(b build) bool {
	if f.term.OSFamily == "" {
		return true
	}
	if b.osFamily != f.term.OSFamily {
		return false
	}
	return b.osVersion == f.term.OSVersion || strings.HasPrefix(b.osVersion, f.term.OSVersion+".")
}

// suits holds the version that the term asks for, or else the version skew policy: not newer than the control plane, and not too
// old for it. An image that does not tell its version is the user's to judge, unless a version or OKE's images are asked for.
func (f filter) suits(b build) bool {
	asked := f.term.KubernetesVersion
	switch {
	case asked != "" && asked != autoVersion:
		return b.kubernetes != nil && "v"+b.kubernetes.String() == asked
	case f.term.Name != "":
		return true
	case b.kubernetes == nil:
		return f.term.OSFamily == "" && asked == ""
	case f.controlPlane == nil:
		return true
	}
	return !f.controlPlane.LessThan(b.kubernetes) && b.kubernetes.Major() == f.controlPlane.Major() &&
		b.kubernetes.Minor()+maxMinorSkew >= f.controlPlane.Minor()
}
