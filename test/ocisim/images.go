package ocisim

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/samber/lo"
)

func imageOperations() []operation {
	return []operation{
		{name: "ListImages", method: http.MethodGet, path: "/20160918/images", handle: listImages},
		{name: "GetImage", method: http.MethodGet, path: "/20160918/images/{id}", handle: getImage},
		{name: "ListImageShapeCompatibilityEntries", method: http.MethodGet, path: "/20160918/images/{id}/shapes", handle: listImageShapes},
	}
}

// imageTraits are the properties of an image that decide which shapes it runs on, read from its name.
type imageTraits struct{ arm, nvidia, amd, anyShape bool }

func traitsOf(image core.Image) imageTraits {
	name := lo.FromPtr(image.DisplayName)
	return imageTraits{
		arm: strings.Contains(name, "aarch64") || strings.Contains(name, "arm64"), nvidia: strings.Contains(name, "-Gen2-GPU-"),
		amd:      strings.Contains(name, "-Gen2-AMD-GPU-"),
		anyShape: strings.Contains(strings.ToLower(name), "ubuntu"), // one Ubuntu image serves shapes with and without GPUs
	}
}

// compatible says whether the shape can boot the image: same architecture, and GPU images for GPU shapes only. Arm shapes with GPUs take the plain arm
// images, as the catalogue has no other.
func compatible(image core.Image, shape core.Shape) bool {
	t, name := traitsOf(image), *shape.Shape
	if t.arm != arm(name) {
		return false
	}
	if t.anyShape || t.arm {
		return true
	}
	isGPU := lo.FromPtr(shape.Gpus) > 0
	isAMD := isGPU && strings.Contains(name, ".MI")
	return t.amd == isAMD && t.nvidia == (isGPU && !isAMD)
}

// listImages answers the images of the compartment and, for every compartment, the platform images, which belong to none. Newest first by default.
func listImages(s *Simulator, c *call) (*reply, error) {
	compartment, err := s.inCompartment(c)
	if err != nil {
		return nil, err
	}
	var shape *core.Shape
	if name := c.query.Get("shape"); name != "" {
		found, known := s.shape(name)
		if !known {
			return nil, shapeNotFound(name)
		}
		shape = &found
	}
	out := lo.Filter(s.state.images.all(), func(m core.Image, _ int) bool {
		return (m.CompartmentId == nil || *m.CompartmentId == compartment) && c.is("displayName", lo.FromPtr(m.DisplayName)) &&
			c.is("operatingSystem", lo.FromPtr(m.OperatingSystem)) && c.is("operatingSystemVersion", lo.FromPtr(m.OperatingSystemVersion)) &&
			c.is("lifecycleState", string(m.LifecycleState)) && (shape == nil || compatible(m, *shape))
	})
	byTime := func(a, b core.Image) int { return a.TimeCreated.Compare(b.TimeCreated.Time) }
	byName := func(a, b core.Image) int {
		return strings.Compare(lo.FromPtr(a.DisplayName), lo.FromPtr(b.DisplayName))
	}
	if err := sortList(c, out, byTime, byName); err != nil {
		return nil, err
	}
	return list(c, out, func(m core.Image) string { return *m.Id })
}

// sortList applies sortBy and sortOrder: TIMECREATED (the default) descends and DISPLAYNAME ascends unless told otherwise.
func sortList[T any](c *call, items []T, byTime, byName func(a, b T) int) error {
	compare, descending := byTime, true
	switch by := c.query.Get("sortBy"); by {
	case "", "TIMECREATED":
	case "DISPLAYNAME":
		compare, descending = byName, false
	default:
		return invalid("sortBy %q is neither TIMECREATED nor DISPLAYNAME", by)
	}
	switch order := c.query.Get("sortOrder"); order {
	case "":
	case "ASC", "DESC":
		descending = order == "DESC"
	default:
		return invalid("sortOrder %q is neither ASC nor DESC", order)
	}
	slices.SortStableFunc(items, func(a, b T) int {
		if descending {
			return compare(b, a)
		}
		return compare(a, b)
	})
	return nil
}

func getImage(s *Simulator, c *call) (*reply, error) {
	m, known := s.state.images.get(c.path("id"))
	if !known {
		return nil, notFound("image %s", c.path("id"))
	}
	return ok(m).with("etag", "1"), nil
}

func listImageShapes(s *Simulator, c *call) (*reply, error) {
	image, known := s.state.images.get(c.path("id"))
	if !known {
		return nil, notFound("image %s", c.path("id"))
	}
	var out []core.ImageShapeCompatibilitySummary
	for _, shape := range s.state.shapes {
		if compatible(image, shape) {
			out = append(out, core.ImageShapeCompatibilitySummary{ImageId: image.Id, Shape: shape.Shape})
		}
	}
	return list(c, out, func(e core.ImageShapeCompatibilitySummary) string { return *e.Shape })
}

// ImageSpec describes an image to publish.
type ImageSpec struct {
	DisplayName            string            `json:"displayName"`                      // decides architecture and GPU kind, as the real names do
	CompartmentID          string            `json:"compartmentId,omitempty"`          // empty means OKE's image compartment
	OperatingSystem        string            `json:"operatingSystem,omitempty"`        // empty means Oracle Linux
	OperatingSystemVersion string            `json:"operatingSystemVersion,omitempty"` // empty means 8
	FreeformTags           map[string]string `json:"freeformTags,omitempty"`           // an OKE image carries k8s_version
	// DefinedTags are the image's defined tags, by namespace and key.
	DefinedTags map[string]map[string]any `json:"definedTags,omitempty"`
}

// PublishImage makes a new image appear, as when Oracle releases one, and returns its OCID.
func (s *Simulator) PublishImage(spec ImageSpec) (string, error) {
	if spec.DisplayName == "" {
		return "", fmt.Errorf("an image needs a display name")
	}
	setDefault(&spec.CompartmentID, s.world.ImageCompartmentID)
	setDefault(&spec.OperatingSystem, "Oracle Linux")
	setDefault(&spec.OperatingSystemVersion, "8")
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.state.compartment(spec.CompartmentID); err != nil {
		return "", err
	}
	id := s.newID("image")
	s.state.images.put(id, core.Image{CompartmentId: lo.ToPtr(spec.CompartmentID), CreateImageAllowed: lo.ToPtr(true), Id: lo.ToPtr(id),
		LifecycleState: core.ImageLifecycleStateAvailable, OperatingSystem: lo.ToPtr(spec.OperatingSystem),
		OperatingSystemVersion: lo.ToPtr(spec.OperatingSystemVersion), TimeCreated: stamp(s.clock.Now()), DisplayName: lo.ToPtr(spec.DisplayName),
		FreeformTags: emptyIfNil(spec.FreeformTags), DefinedTags: emptyIfNil(spec.DefinedTags), LaunchMode: core.ImageLaunchModeParavirtualized,
		SizeInMBs: lo.ToPtr(int64(47719)), BillableSizeInGBs: lo.ToPtr(int64(8))})
	return id, nil
}

// WithdrawImage deletes an image; launches that name it fail from then on.
func (s *Simulator) WithdrawImage(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.state.images.get(id); !known {
		return notFound("image %s", id)
	}
	s.state.images.remove(id)
	return nil
}
