// Package image finds the images that a node class selects: the newest that the control plane can serve, one for each
// architecture and GPU build, and decides when a newer one takes the place of the one in use.
package image

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/oracle/oci-go-sdk/v65/containerengine"
	"github.com/oracle/oci-go-sdk/v65/core"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/utils/clock"
	"sigs.k8s.io/karpenter/pkg/scheduling"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/selection"
)

// API is the part of the OCI client that this package calls.
type API interface {
	GetImage(ctx context.Context, id string) (core.Image, error)
	ListImages(ctx context.Context, compartmentID string) ([]core.Image, error)
	NodePoolOptions(ctx context.Context, clusterID string) (containerengine.NodePoolOptions, error)
}

// Query is what is asked of Resolve.
type Query struct {
	Terms []v1alpha1.ImageSelectorTerm
	// ControlPlane is the version that the images' kubelets must suit.
	ControlPlane *version.Version
	// InUse are the images that the node class uses now; none for a new class.
	InUse []v1alpha1.Image
	// Adoption and Soak say when a newer image takes the place of one in use.
	Adoption v1alpha1.ImageAdoption
	Soak     time.Duration
	// Held are OCIDs of images that are not adopted, and that are gone back from, while there is another of their variant. Pinned
	// classes stay where they are all the same.
	Held []string
}

// Provider resolves image selectors.
type Provider interface {
	// Resolve finds the images to use, each with the newer one that waits behind it. It returns *selection.UnresolvedError when
	// no image matches, and the OCI client's error when OCI could not be asked.
	Resolve(ctx context.Context, q Query) ([]v1alpha1.Image, error)
}

// Config are the settings of a DefaultProvider.
type Config struct {
	ClusterID string
	// CompartmentID is where images are looked up by name and tags.
	CompartmentID string
	// OKEImageCompartmentID is where OKE publishes its Oracle Linux images; empty learns it from the cluster's node pool
	// options.
	OKEImageCompartmentID string
	// Clock tells how long an image has soaked; nil is the real clock.
	Clock clock.PassiveClock
}

// DefaultProvider asks OCI's compute and container engine services.
type DefaultProvider struct {
	api       API
	cfg       Config
	published publishers
}

var _ Provider = (*DefaultProvider)(nil)

// NewProvider makes a provider; it asks OCI nothing yet.
func NewProvider(api API, cfg Config) *DefaultProvider {
	if cfg.Clock == nil {
		cfg.Clock = clock.RealClock{}
	}
	return &DefaultProvider{api: api, cfg: cfg}
}

// Resolve implements Provider. Terms are alternatives; over all of them the newest image wins for each variant, once it has
// soaked. Images selected by id or name are taken at the user's word: only the others are held to the version skew.
func (p *DefaultProvider) Resolve(ctx context.Context, q Query) ([]v1alpha1.Image, error) {
	filters, err := p.filters(ctx, q)
	if err != nil {
		return nil, err
	}
	found, err := p.find(ctx, filters)
	if err != nil {
		return nil, err
	}
	if err := p.confirmInUse(ctx, q.InUse, filters, found); err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, selection.Unresolved("no image %s for Kubernetes v%s; check imageSelector", describe(q.Terms), q.ControlPlane)
	}
	byVariant := map[variant][]build{}
	for _, b := range found {
		byVariant[b.variant] = append(byVariant[b.variant], b)
	}
	images := make([]v1alpha1.Image, 0, len(byVariant))
	for _, builds := range byVariant {
		slices.SortFunc(builds, newestFirst)
		images = append(images, adopt(builds, q, p.cfg.Clock.Now()))
	}
	// amd64 before arm64 and plain before GPU builds, so that the first image in the status is the usual one.
	slices.SortFunc(images, func(a, b v1alpha1.Image) int {
		return strings.Compare(requirementKey(a.Requirements), requirementKey(b.Requirements))
	})
	return images, nil
}

// filter is a term together with the compartment that it looks in.
type filter struct {
	term          v1alpha1.ImageSelectorTerm
	compartmentID string
	controlPlane  *version.Version
}

func (p *DefaultProvider) filters(ctx context.Context, q Query) ([]filter, error) {
	out := make([]filter, 0, len(q.Terms))
	for _, term := range q.Terms {
		f := filter{term: term, compartmentID: term.CompartmentID, controlPlane: q.ControlPlane}
		if f.compartmentID == "" && term.ID == "" {
			f.compartmentID = p.cfg.CompartmentID
			if term.OSFamily != "" {
				var err error
				if f.compartmentID, err = p.publisher(ctx, term.OSFamily); err != nil {
					return nil, err
				}
			}
		}
		out = append(out, f)
	}
	return out, nil
}

// find reads the images that pass any filter, by id. A compartment is listed once however many terms look in it.
func (p *DefaultProvider) find(ctx context.Context, filters []filter) (map[string]build, error) {
	found := map[string]build{}
	listed := map[string][]core.Image{}
	for _, f := range filters {
		if f.term.ID != "" {
			image, err := p.api.GetImage(ctx, f.term.ID)
			if oci.ClassOf(err) == oci.ClassNotFound {
				continue
			}
			if err != nil {
				return nil, err
			}
			if b := parse(image); f.passes(b) {
				found[f.term.ID] = b
			}
			continue
		}
		images, ok := listed[f.compartmentID]
		if !ok {
			var err error
			if images, err = p.api.ListImages(ctx, f.compartmentID); err != nil {
				return nil, fmt.Errorf("listing the images of compartment %s: %w", f.compartmentID, err)
			}
			listed[f.compartmentID] = images
		}
		for _, image := range images {
			if b := parse(image); f.passes(b) {
				found[b.id()] = b
			}
		}
	}
	return found, nil
}

// confirmInUse asks for each image in use that was not found: it is believed gone only when OCI says so about the image itself,
// since a list may be behind and a fleet would be replaced for it.
func (p *DefaultProvider) confirmInUse(ctx context.Context, inUse []v1alpha1.Image, filters []filter, found map[string]build) error {
	for _, used := range inUse {
		if _, ok := found[used.ID]; ok || used.ID == "" {
			continue
		}
		image, err := p.api.GetImage(ctx, used.ID)
		if oci.ClassOf(err) == oci.ClassNotFound {
			continue
		}
		if err != nil {
			return err
		}
		b := parse(image)
		if slices.ContainsFunc(filters, func(f filter) bool { return f.passes(b) }) {
			found[used.ID] = b
		}
	}
	return nil
}

// ForInstanceType picks the image of a node class that an instance type can boot; false when there is none. An image made for
// the type's GPUs, or for types without any, goes before one that says nothing about GPUs.
func ForInstanceType(images []v1alpha1.Image, instanceType scheduling.Requirements) (v1alpha1.Image, bool) {
	var best v1alpha1.Image
	found := false
	for _, image := range images {
		if found && len(image.Requirements) <= len(best.Requirements) {
			continue
		}
		if instanceType.Compatible(scheduling.NewNodeSelectorRequirements(image.Requirements...), scheduling.AllowUndefinedWellKnownLabels) == nil {
			best, found = image, true
		}
	}
	return best, found
}

func describe(terms []v1alpha1.ImageSelectorTerm) string {
	parts := make([]string, 0, len(terms))
	for _, t := range terms {
		words := selection.Describe(t.Selector())
		if t.OSFamily != "" {
			words = strings.TrimSuffix(fmt.Sprintf("is OKE's %s %s and %s", t.OSFamily, t.OSVersion, words), " and ")
		}
		if t.KubernetesVersion != "" && t.KubernetesVersion != autoVersion {
			words += " and carries Kubernetes " + t.KubernetesVersion
		}
		parts = append(parts, words)
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
