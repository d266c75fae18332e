package image

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/util/version"
	testclock "k8s.io/utils/clock/testing"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
	"github.com/karpenter-oke/karpenter-oke/test/ocitest"
)

var noon = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// region is a simulated region on a clock that a test moves, with a class's images as the status would hold them.
type region struct {
	*ocitest.Region
	t        *testing.T
	clock    *testclock.FakeClock
	provider *DefaultProvider
	query    Query
}

func newRegion(t *testing.T) *region {
	clk := testclock.NewFakeClock(noon)
	r := &region{Region: ocitest.Start(t, ocisim.Options{Clock: clk}), t: t, clock: clk}
	r.provider = NewProvider(r.Client, Config{ClusterID: r.World.ClusterID, CompartmentID: r.World.CompartmentID, Clock: clk})
	r.query = Query{Terms: []v1alpha1.ImageSelectorTerm{{OSFamily: "Oracle Linux", OSVersion: "9"}}, ControlPlane: version.MustParseGeneric("v1.36.3"),
		Adoption: v1alpha1.ImageAdoptionAutomatic, Soak: 24 * time.Hour}
	return r
}

func (r *region) publish(n int) string {
	r.t.Helper()
	id, err := r.PublishImage(ocisim.ImageSpec{DisplayName: fmt.Sprintf("Oracle-Linux-9.8-2026.11.01-0-OKE-1.36.1-%d", n), OperatingSystemVersion: "9"})
	require.NoError(r.t, err)
	return id
}

// resolve finds the images in use, keeps them for the next time as the status does, and returns the plain one for amd64.
func (r *region) resolve() v1alpha1.Image {
	r.t.Helper()
	images, err := r.provider.Resolve(r.t.Context(), r.query)
	require.NoError(r.t, err)
	r.query.InUse = images
	return images[0]
}

func TestANewImageIsAdoptedAfterItsSoakAndNeverExchangedBack(t *testing.T) {
	r := newRegion(t)
	first := r.publish(1)
	require.Equal(t, first, r.resolve().ID, "a class without an image does not wait")

	r.clock.Step(time.Hour)
	second := r.publish(2)
	r.clock.Step(2 * time.Hour)
	third := r.publish(3)
	image := r.resolve()
	require.Equal(t, first, image.ID)
	require.Equal(t, second, image.Successor.ID, "the next to be adopted is shown")
	require.Equal(t, noon.Add(25*time.Hour), image.Successor.AdoptAfter.UTC())

	r.clock.Step(22*time.Hour - time.Millisecond)
	require.Equal(t, first, r.resolve().ID)
	r.clock.Step(time.Millisecond)
	image = r.resolve()
	require.Equal(t, second, image.ID)
	require.Equal(t, third, image.Successor.ID)

	r.query.Soak = 48 * time.Hour
	require.Equal(t, second, r.resolve().ID, "a longer soak does not bring an older image back")
	r.query.Soak = 0
	image = r.resolve()
	require.Equal(t, third, image.ID)
	require.Nil(t, image.Successor)
}

func TestAListThatIsBehindDoesNotChangeTheImage(t *testing.T) {
	r := newRegion(t)
	first := r.publish(1)
	r.resolve()
	stale := stalled{API: r.Client, hidden: first}
	r.provider.api = stale
	require.Equal(t, first, r.resolve().ID, "the image itself is asked for before it is believed gone")
}

// stalled is a client whose lists do not show one image.
type stalled struct {
	API
	hidden string
}

func (s stalled) ListImages(ctx context.Context, compartmentID string) ([]core.Image, error) {
	images, err := s.API.ListImages(ctx, compartmentID)
	return lo.Reject(images, func(i core.Image, _ int) bool { return *i.Id == s.hidden }), err
}

func TestAnImageThatIsGoneIsReplacedByOneThatHasSoaked(t *testing.T) {
	r := newRegion(t)
	old := r.resolve().ID
	used := r.publish(1)
	r.clock.Step(25 * time.Hour)
	require.Equal(t, used, r.resolve().ID)
	fresh := r.publish(2)
	require.NoError(t, r.WithdrawImage(used))
	image := r.resolve()
	require.Equal(t, old, image.ID, "an image that is an hour old is no safer because another is gone")
	require.Equal(t, fresh, image.Successor.ID)
}

func TestAPinnedImageStaysUntilItIsGoneOrTheSelectorChanges(t *testing.T) {
	r := newRegion(t)
	r.query.Adoption, r.query.Soak = v1alpha1.ImageAdoptionPinned, 0
	first := r.publish(1)
	require.Equal(t, first, r.resolve().ID)
	r.clock.Step(time.Hour)
	r.publish(2)
	r.clock.Step(time.Hour)
	newest := r.publish(3)
	r.clock.Step(1000 * time.Hour)
	image := r.resolve()
	require.Equal(t, first, image.ID)
	require.Equal(t, newest, image.Successor.ID)
	require.Nil(t, image.Successor.AdoptAfter, "no time will bring it")

	r.query.Terms[0].OSVersion = "9.8"
	require.Equal(t, first, r.resolve().ID, "the selector changed and still selects it")
	require.NoError(t, r.WithdrawImage(first))
	require.Equal(t, newest, r.resolve().ID)
	r.query.Terms = []v1alpha1.ImageSelectorTerm{{ID: lo.Must(r.PublishImage(ocisim.ImageSpec{DisplayName: "Oracle-Linux-mine"}))}}
	require.Equal(t, r.query.Terms[0].ID, r.resolve().ID)
}

func TestAnUpgradeOfTheControlPlaneAdoptsWhatHasSoakedLongAgo(t *testing.T) {
	r := newRegion(t)
	r.query.Terms = []v1alpha1.ImageSelectorTerm{{OSFamily: "Oracle Linux", OSVersion: "8", FreeFormTags: v1alpha1.TagSelector{"k8s_version": "*"}}}
	before, err := r.provider.Resolve(t.Context(), r.query)
	require.NoError(t, err)
	r.query.InUse, r.query.ControlPlane = before, version.MustParseGeneric("v1.36.4")
	after, err := r.provider.Resolve(t.Context(), r.query)
	require.NoError(t, err)
	require.Equal(t, "v1.36.1", before[0].KubernetesVersion)
	require.Equal(t, "v1.36.4", after[0].KubernetesVersion)
}

func TestTheChoiceDoesNotDependOnTheOrderOfTheList(t *testing.T) {
	at := func(h int) *common.SDKTime { return &common.SDKTime{Time: noon.Add(time.Duration(h) * time.Hour)} }
	images := []core.Image{
		{Id: lo.ToPtr("a"), TimeCreated: at(1), FreeformTags: map[string]string{"k8s_version": "v1.35.0"}},
		{Id: lo.ToPtr("b"), TimeCreated: at(9)}, {Id: lo.ToPtr("c")}, {Id: lo.ToPtr("d")},
		{Id: lo.ToPtr("e"), TimeCreated: at(0), FreeformTags: map[string]string{"k8s_version": "v1.36.0"}},
		{Id: lo.ToPtr("f"), TimeCreated: at(0), FreeformTags: map[string]string{"k8s_version": "v1.36.0"}},
	}
	for _, x := range images {
		for _, y := range images {
			require.Equal(t, -newestFirst(parse(x), parse(y)), newestFirst(parse(y), parse(x)), "%s %s", *x.Id, *y.Id)
			for _, z := range images {
				if newestFirst(parse(x), parse(y)) < 0 && newestFirst(parse(y), parse(z)) < 0 {
					require.Negative(t, newestFirst(parse(x), parse(z)))
				}
			}
		}
	}
}

func TestAHeldImageIsGoneBackFromAndNotAdopted(t *testing.T) {
	r := newRegion(t)
	first := r.publish(1)
	require.Equal(t, first, r.resolve().ID)
	r.clock.Step(time.Hour)
	second := r.publish(2)
	r.clock.Step(25 * time.Hour)
	require.Equal(t, second, r.resolve().ID)

	r.query.Held = []string{second}
	image := r.resolve()
	require.Equal(t, first, image.ID, "the class goes back")
	require.Nil(t, image.Successor, "and waits for nothing")
	require.Equal(t, first, r.resolve().ID)

	third := r.publish(3)
	require.Equal(t, third, r.resolve().Successor.ID, "an image after it has its chance")
	r.clock.Step(25 * time.Hour)
	require.Equal(t, third, r.resolve().ID)

	r.query.Terms, r.query.Held = []v1alpha1.ImageSelectorTerm{{ID: second}}, []string{second}
	require.Equal(t, second, r.resolve().ID, "a class without another image uses the one it has")
}

func TestAPinnedClassDoesNotMoveForAHeldImage(t *testing.T) {
	r := newRegion(t)
	r.query.Adoption = v1alpha1.ImageAdoptionPinned
	r.publish(1)
	r.clock.Step(time.Hour)
	second := r.publish(2)
	require.Equal(t, second, r.resolve().ID)
	r.query.Held = []string{second}
	require.Equal(t, second, r.resolve().ID)
}
