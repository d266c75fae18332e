package v1alpha1

import (
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ImageSelectorTerm selects images: one by its id, or all that meet every other condition of the term.
// +kubebuilder:validation:XValidation:rule="has(self.id) || has(self.name) || has(self.osFamily) || has(self.freeFormTags) || has(self.definedTags)",message="an image selector term needs 'id', 'name', 'osFamily' with 'osVersion', 'freeFormTags' or 'definedTags'"
// +kubebuilder:validation:XValidation:rule="!has(self.id) || !(has(self.name) || has(self.osFamily) || has(self.freeFormTags) || has(self.definedTags))",message="'id' selects one image by itself; remove it or the other conditions of the term"
// +kubebuilder:validation:XValidation:rule="!has(self.name) || !has(self.osFamily)",message="'name' and 'osFamily' exclude each other; make two terms of them"
// +kubebuilder:validation:XValidation:rule="has(self.osFamily) == has(self.osVersion)",message="'osFamily' and 'osVersion' go together; give both or none"
// +kubebuilder:validation:XValidation:rule="!has(self.kubernetesVersion) || !(has(self.id) || has(self.name))",message="'kubernetesVersion' chooses among images found by 'osFamily' or tags; remove it where 'id' or 'name' is given"
type ImageSelectorTerm struct {
	// id is the OCID of an image.
	// +optional
	ID ImageID `json:"id,omitempty"`
	// name is the display name of an image.
	// +optional
	Name DisplayName `json:"name,omitempty"`
	// osFamily is the operating system of OKE's own images. Which architecture and GPU build is used follows the shape.
	// +kubebuilder:validation:Enum={"Oracle Linux","Ubuntu"}
	// +optional
	OSFamily string `json:"osFamily,omitempty"`
	// osVersion is the version of the operating system, such as "8", "8.10" or "24.04"; "8" also matches 8.10.
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="self.matches('^[0-9]+([.][0-9]+)?$')",message="give the version of the operating system as a number in quotes, such as \"8\", \"8.10\" or \"24.04\""
	// +optional
	OSVersion string `json:"osVersion,omitempty"`
	// kubernetesVersion is "auto", the default, for the newest version that the control plane can serve, or one version
	// such as v1.34.1.
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="self.matches('^(auto|v[0-9]+[.][0-9]+[.][0-9]+)$')",message="give 'auto' or a whole Kubernetes version such as v1.34.1"
	// +optional
	KubernetesVersion string `json:"kubernetesVersion,omitempty"`
	// freeFormTags selects images that have all these freeform tags; the value "*" stands for any value.
	// +optional
	FreeFormTags TagSelector `json:"freeFormTags,omitempty"`
	// definedTags selects images that have all these defined tags: namespace, then key, then value; the value "*" stands
	// for any value.
	// +optional
	DefinedTags DefinedTagSelector `json:"definedTags,omitempty"`
	// compartmentId is where images are looked up. Left out: the compartment of OKE's own images for osFamily, the
	// controller's compartment for name and tags. It is of no use with id.
	// +optional
	CompartmentID CompartmentID `json:"compartmentId,omitempty"`
}

// ImageAdoption says what happens when a newer image than the one in use matches the selector.
type ImageAdoption string

const (
	// ImageAdoptionAutomatic replaces the image, and with it the nodes, once the newer one has soaked.
	ImageAdoptionAutomatic ImageAdoption = "Automatic"
	// ImageAdoptionPinned keeps the image that was resolved first until imageSelector changes or the image is gone.
	ImageAdoptionPinned ImageAdoption = "Pinned"
)

// DefaultImageSoak is how long a published image is left alone before nodes are replaced for it. A day lets a class with a
// shorter soak, for example in a test cluster, meet a bad image first.
const DefaultImageSoak = 24 * time.Hour

// ImagePolicy controls when a newly published image is taken up.
type ImagePolicy struct {
	// adopt is Automatic, the default: a newer image that matches replaces the one in use after its soak, and nodes of the
	// older image drift. Pinned: the image that was resolved first stays until imageSelector changes or the image is
	// deleted; the newer one is shown in the status.
	// +kubebuilder:validation:Enum=Automatic;Pinned
	// +optional
	Adopt ImageAdoption `json:"adopt,omitempty"`
	// soak is the age that a newly published image must have before it replaces the one in use, such as 72h; 24h when left
	// out, 0s for at once. A class that has no image yet does not wait.
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('0s')",message="give a duration that is not negative, such as 72h or 30m"
	// +optional
	Soak *metav1.Duration `json:"soak,omitempty"`
}

// ImageFamily says how a node of an image joins the cluster.
type ImageFamily string

const (
	// ImageFamilyOracleOKELinux are OKE's Oracle Linux images, started with oke-install.sh.
	ImageFamilyOracleOKELinux ImageFamily = "OracleOKELinux"
	// ImageFamilyUbuntu are Ubuntu images with OKE's packages, started with "oke bootstrap".
	ImageFamilyUbuntu ImageFamily = "Ubuntu"
	// ImageFamilyCustom are images that join by themselves from the instance's metadata, or by userData.
	ImageFamilyCustom ImageFamily = "Custom"
)

// ImageFamily reads the free-form field: Custom, any name that begins with Ubuntu (such as Ubuntu2204), and for everything
// else OracleOKELinux.
func (in *OciNodeClass) ImageFamily() ImageFamily {
	family := strings.ToLower(in.Spec.ImageFamily)
	switch {
	case family == "custom":
		return ImageFamilyCustom
	case strings.HasPrefix(family, "ubuntu"):
		return ImageFamilyUbuntu
	default:
		return ImageFamilyOracleOKELinux
	}
}

// ImageAdoption is the policy for newer images, with the default filled in.
func (in *OciNodeClass) ImageAdoption() ImageAdoption {
	if in.Spec.ImagePolicy == nil || in.Spec.ImagePolicy.Adopt == "" {
		return ImageAdoptionAutomatic
	}
	return in.Spec.ImagePolicy.Adopt
}

// ImageSoak is the age that a newer image must reach before it is adopted, with the default filled in.
func (in *OciNodeClass) ImageSoak() time.Duration {
	if in.Spec.ImagePolicy == nil || in.Spec.ImagePolicy.Soak == nil {
		return DefaultImageSoak
	}
	return in.Spec.ImagePolicy.Soak.Duration
}
