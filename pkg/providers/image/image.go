// Package image finds the images that a node class selects: the newest that the control plane can serve, one for each
// architecture and GPU build.
package image

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/oracle/oci-go-sdk/v65/containerengine"
	"github.com/oracle/oci-go-sdk/v65/core"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/version"
	"sigs.k8s.io/karpenter/pkg/scheduling"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
)

// maxMinorSkew is how many minor versions a kubelet may be older than the API server (Kubernetes version skew policy, >= 1.28).
const maxMinorSkew = 3

// API is the part of the OCI client that this package calls.
type API interface {
	GetImage(ctx context.Context, id string) (core.Image, error)
	ListImages(ctx context.Context, compartmentID string) ([]core.Image, error)
	NodePoolOptions(ctx context.Context, clusterID string) (containerengine.NodePoolOptions, error)
}

// Provider resolves image selectors.
type Provider interface {
	// Resolve finds the images for the terms. controlPlane is the version that the images' kubelets must suit. It returns
	// *NothingFoundError when no image matches, and the OCI client's error when OCI could not be asked.
	Resolve(ctx context.Context, terms []v1alpha1.ImageSelectorTerm, controlPlane *version.Version) ([]v1alpha1.Image, error)
}

// NothingFoundError says that a selector matches no usable image; the message tells what to change.
type NothingFoundError struct{ Message string }

func (e *NothingFoundError) Error() string { return e.Message }

// Config are the settings of a DefaultProvider.
type Config struct {
	ClusterID string
	// CompartmentID is where images are looked up by name.
	CompartmentID string
	// OKEImageCompartmentID is where OKE publishes its images; empty learns it from the cluster's node pool options.
	OKEImageCompartmentID string
}

// DefaultProvider asks OCI's compute and container engine services.
type DefaultProvider struct {
	api            API
	cfg            Config
	okeCompartment atomic.Pointer[string] // learned once: OKE's image compartment is fixed for a region
}

var _ Provider = (*DefaultProvider)(nil)

// NewProvider makes a provider; it asks OCI nothing yet.
func NewProvider(api API, cfg Config) *DefaultProvider { return &DefaultProvider{api: api, cfg: cfg} }

// Resolve implements Provider. Terms are alternatives; over all of them the newest image wins for each variant. Images named
// by id or name are taken at the user's word: only those found by operating system are held to the version skew.
func (p *DefaultProvider) Resolve(ctx context.Context, terms []v1alpha1.ImageSelectorTerm, controlPlane *version.Version) ([]v1alpha1.Image, error) {
	var found []build
	for _, term := range terms {
		builds, err := p.resolveTerm(ctx, term, controlPlane)
		if err != nil {
			return nil, err
		}
		found = append(found, builds...)
	}
	if len(found) == 0 {
		return nil, &NothingFoundError{Message: fmt.Sprintf("no image matches %s for Kubernetes %s; check imageSelector", describe(terms), controlPlane)}
	}
	newest := map[variant]build{}
	for _, b := range found {
		if best, ok := newest[b.variant]; !ok || newer(b, best) {
			newest[b.variant] = b
		}
	}
	images := make([]v1alpha1.Image, 0, len(newest))
	for _, b := range newest {
		images = append(images, b.status())
	}
	// amd64 before arm64 and plain before GPU builds, so that the first image in the status is the usual one.
	slices.SortFunc(images, func(a, b v1alpha1.Image) int {
		return strings.Compare(requirementKey(a.Requirements), requirementKey(b.Requirements))
	})
	return images, nil
}

func (p *DefaultProvider) resolveTerm(ctx context.Context, term v1alpha1.ImageSelectorTerm, controlPlane *version.Version) ([]build, error) {
	switch {
	case term.ID != "":
		image, err := p.api.GetImage(ctx, term.ID)
		if oci.ClassOf(err) == oci.ClassNotFound {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		return []build{parse(image)}, nil
	case term.Name != "":
		compartment := term.CompartmentID
		if compartment == "" {
			compartment = p.cfg.CompartmentID
		}
		return p.list(ctx, compartment, func(b build) bool { return oci.Value(b.image.DisplayName) == term.Name })
	default:
		compartment := term.CompartmentID
		if compartment == "" {
			var err error
			if compartment, err = p.okeImageCompartment(ctx); err != nil {
				return nil, err
			}
		}
		return p.list(ctx, compartment, func(b build) bool { return matchesOS(b, term) && suits(b, term, controlPlane) })
	}
}

func (p *DefaultProvider) list(ctx context.Context, compartmentID string, keep func(build) bool) ([]build, error) {
	images, err := p.api.ListImages(ctx, compartmentID)
	if err != nil {
		return nil, err
	}
	var out []build
	for _, image := range images {
		if b := parse(image); keep(b) {
			out = append(out, b)
		}
	}
	return out, nil
}

// okeImageCompartment learns where OKE publishes its images: the compartment of any image that the cluster's node pool
// options list.
func (p *DefaultProvider) okeImageCompartment(ctx context.Context) (string, error) {
	if p.cfg.OKEImageCompartmentID != "" {
		return p.cfg.OKEImageCompartmentID, nil
	}
	if known := p.okeCompartment.Load(); known != nil {
		return *known, nil
	}
	options, err := p.api.NodePoolOptions(ctx, p.cfg.ClusterID)
	if err != nil {
		return "", fmt.Errorf("finding the compartment of OKE's images (or set --oke-image-compartment-id): %w", err)
	}
	for _, source := range options.Sources {
		viaImage, ok := source.(containerengine.NodeSourceViaImageOption)
		if !ok || !okeName.MatchString(oci.Value(viaImage.SourceName)) {
			continue
		}
		image, err := p.api.GetImage(ctx, oci.Value(viaImage.ImageId))
		if err != nil {
			return "", fmt.Errorf("finding the compartment of OKE's images (or set --oke-image-compartment-id): %w", err)
		}
		if id := oci.Value(image.CompartmentId); id != "" {
			p.okeCompartment.Store(&id)
			return id, nil
		}
	}
	return "", errors.New("the cluster's node pool options list no OKE image; set --oke-image-compartment-id")
}

// ForInstanceType picks the image of a node class that an instance type can boot; false when there is none.
func ForInstanceType(images []v1alpha1.Image, instanceType scheduling.Requirements) (v1alpha1.Image, bool) {
	for _, image := range images {
		if instanceType.Compatible(scheduling.NewNodeSelectorRequirements(image.Requirements...), scheduling.AllowUndefinedWellKnownLabels) == nil {
			return image, true
		}
	}
	return v1alpha1.Image{}, false
}

func matchesOS(b build, term v1alpha1.ImageSelectorTerm) bool {
	if b.osVersion == "" || oci.Value(b.image.OperatingSystem) != term.OSFamily {
		return false
	}
	return b.osVersion == term.OSVersion || strings.HasPrefix(b.osVersion, term.OSVersion+".")
}

// suits holds the version skew policy: not newer than the control plane, and not too old for it.
func suits(b build, term v1alpha1.ImageSelectorTerm, controlPlane *version.Version) bool {
	if b.kubernetes == nil {
		return false
	}
	if term.KubernetesVersion != "" && term.KubernetesVersion != "auto" {
		return "v"+b.kubernetes.String() == term.KubernetesVersion
	}
	return !controlPlane.LessThan(b.kubernetes) && b.kubernetes.Major() == controlPlane.Major() &&
		b.kubernetes.Minor()+maxMinorSkew >= controlPlane.Minor()
}

// newer orders by Kubernetes version, then by time of creation: several builds share one date in their names.
func newer(a, b build) bool {
	if a.kubernetes != nil && b.kubernetes != nil && !a.kubernetes.EqualTo(b.kubernetes) {
		return b.kubernetes.LessThan(a.kubernetes)
	}
	created := func(i core.Image) int64 {
		if i.TimeCreated == nil {
			return 0
		}
		return i.TimeCreated.UnixNano()
	}
	if created(a.image) != created(b.image) {
		return created(a.image) > created(b.image)
	}
	return oci.Value(a.image.Id) > oci.Value(b.image.Id)
}

func describe(terms []v1alpha1.ImageSelectorTerm) string {
	parts := make([]string, 0, len(terms))
	for _, t := range terms {
		switch {
		case t.ID != "":
			parts = append(parts, t.ID)
		case t.Name != "":
			parts = append(parts, fmt.Sprintf("name %q", t.Name))
		default:
			parts = append(parts, fmt.Sprintf("%s %s", t.OSFamily, t.OSVersion))
		}
	}
	return strings.Join(parts, " or ")
}

func requirementKey(requirements []corev1.NodeSelectorRequirement) string {
	var b strings.Builder
	for _, r := range requirements {
		b.WriteString(strings.Join(r.Values, ","))
		b.WriteByte('/')
	}
	return b.String()
}
