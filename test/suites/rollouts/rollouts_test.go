// Package rollouts_test asks today's controller about clusters as earlier ones left them: nothing that happens without a person's wish, a new
// release least of all, may replace a node. testdata holds a recording for each release; command record makes them.
package rollouts_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	"k8s.io/client-go/kubernetes/scheme"
	testclock "k8s.io/utils/clock/testing"
	controllerruntime "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	coredisruption "sigs.k8s.io/karpenter/pkg/controllers/nodeclaim/disruption"
	"sigs.k8s.io/karpenter/pkg/test"
	"sigs.k8s.io/yaml"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/cloudprovider"
	"github.com/karpenter-oke/karpenter-oke/pkg/controllers/nodeclaim"
	"github.com/karpenter-oke/karpenter-oke/pkg/controllers/nodeclass"
	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/capacity"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/cluster"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/image"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instancetype"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instancetype/resources"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/network"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/placement"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/pricing"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/shape"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
	"github.com/karpenter-oke/karpenter-oke/test/ocitest"
)

// recordings are the releases whose clusters are known.
func recordings(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob("testdata/*/nodeclaims.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, found, "without a recording this suite shows nothing")
	return lo.Map(found, func(path string, _ int) string { return filepath.Base(filepath.Dir(path)) })
}

// fleet is a recorded cluster, three hours after it was recorded, under today's code.
type fleet struct {
	t         *testing.T
	region    *ocitest.Region
	clock     *testclock.FakeClock
	kube      client.Client
	discounts []pricing.Discount

	shapes   *shape.DefaultProvider
	provider *cloudprovider.CloudProvider
	status   *nodeclass.StatusController
	inUse    *nodeclaim.InUseController
	drift    *coredisruption.Controller
}

func load(t *testing.T, version string) *fleet {
	t.Helper()
	classes := read[v1alpha1.OciNodeClass](t, version, "ocinodeclasses")
	pools := read[karpv1.NodePool](t, version, "nodepools")
	claims := read[karpv1.NodeClaim](t, version, "nodeclaims")
	require.GreaterOrEqual(t, len(claims), len(pools), "every NodePool has a node")
	newest := slices.MaxFunc(claims, func(a, b *karpv1.NodeClaim) int { return a.CreationTimestamp.Compare(b.CreationTimestamp.Time) })
	f := &fleet{t: t, clock: testclock.NewFakeClock(newest.CreationTimestamp.Add(3 * time.Hour))} // core looks at the types of nodes of an hour
	f.region = ocitest.Start(t, ocisim.Options{Clock: f.clock})                                   // one seed, one world: the OCIDs are those of the recording
	b := fake.NewClientBuilder().WithScheme(scheme.Scheme).WithStatusSubresource(&v1alpha1.OciNodeClass{}, &karpv1.NodePool{}, &karpv1.NodeClaim{})
	for _, o := range slices.Concat(objects(classes), objects(pools), objects(claims)) {
		b = b.WithObjects(o)
	}
	f.kube = b.Build()
	f.start()
	return f
}

func read[T any](t *testing.T, version, kind string) []*T {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", version, kind+".yaml"))
	require.NoError(t, err)
	var out []*T
	for _, document := range strings.Split(string(text), "---\n") {
		if strings.TrimSpace(document) == "" {
			continue
		}
		o := new(T)
		require.NoError(t, yaml.Unmarshal([]byte(document), o))
		out = append(out, o)
	}
	return out
}

func objects[T client.Object](items []T) []client.Object {
	return lo.Map(items, func(item T, _ int) client.Object { return item })
}

// start makes what a controller that was just started has.
func (f *fleet) start() {
	f.t.Helper()
	c, world, ctx := f.region.Client, f.region.World, f.t.Context()
	clusters := cluster.NewProvider(c, world.ClusterID, cluster.Overrides{CABundle: []byte("ca"), DNSIP: "10.96.5.5"})
	require.NoError(f.t, clusters.Refresh(ctx))
	shapes, err := shape.NewProvider(c, world.CompartmentID)
	require.NoError(f.t, err)
	prices, err := pricing.NewProvider(pricing.Settings{Discounts: f.discounts})
	require.NoError(f.t, err)
	f.shapes, f.inUse = shapes, nodeclaim.NewInUseController(f.kube)
	outcomes := nodeclass.NewLaunchOutcomes(f.clock)
	types := instancetype.NewProvider(
		instancetype.Dependencies{Shapes: shapes, Prices: prices, Unavailable: capacity.NewUnavailable(f.clock).WithShapes(shapes), InUse: f.inUse},
		instancetype.Settings{Region: oci.RegionLabel(c.Region()), Pods: resources.PodLimits{VCNNative: true}})
	f.provider = cloudprovider.New(cloudprovider.Dependencies{Kube: f.kube, Recorder: test.NewEventRecorder(), Launches: outcomes, InstanceTypes: types})
	f.status = nodeclass.NewStatusController(nodeclass.Dependencies{
		Kube: f.kube, OCI: c, Cluster: clusters, Network: network.NewProvider(c, world.CompartmentID), Placement: placement.NewProvider(c),
		Images:   image.NewProvider(c, image.Config{ClusterID: world.ClusterID, CompartmentID: world.CompartmentID, Clock: f.clock}),
		Launches: outcomes, CompartmentID: world.CompartmentID, Clock: f.clock,
	})
	f.drift = coredisruption.NewController(f.clock, f.kube, f.provider)
}

func (f *fleet) claims() []karpv1.NodeClaim {
	f.t.Helper()
	list := &karpv1.NodeClaimList{}
	require.NoError(f.t, f.kube.List(f.t.Context(), list))
	return list.Items
}

// eachClaim changes every NodeClaim, as an earlier or another controller would have written it.
func (f *fleet) eachClaim(change func(*karpv1.NodeClaim)) {
	f.t.Helper()
	for _, c := range f.claims() {
		change(&c)
		require.NoError(f.t, f.kube.Update(f.t.Context(), &c))
	}
}

func (f *fleet) class(name string, change func(*v1alpha1.OciNodeClass)) {
	f.t.Helper()
	class := &v1alpha1.OciNodeClass{}
	require.NoError(f.t, f.kube.Get(f.t.Context(), client.ObjectKey{Name: name}, class))
	change(class)
	class.Generation++
	require.NoError(f.t, f.kube.Update(f.t.Context(), class))
}

// drifted lets every controller that has a say look at the fleet, and gives the reasons of core for replacing nodes, by NodePool.
func (f *fleet) drifted() map[string]string {
	f.t.Helper()
	ctx := f.t.Context()
	require.NoError(f.t, f.shapes.Refresh(ctx))
	classes := &v1alpha1.OciNodeClassList{}
	require.NoError(f.t, f.kube.List(ctx, classes))
	for i := range classes.Items {
		_, err := f.status.Reconcile(ctx, &classes.Items[i])
		require.NoError(f.t, err)
		require.True(f.t, classes.Items[i].StatusConditions().Root().IsTrue(), "%s: %v", classes.Items[i].Name, classes.Items[i].Status.Conditions)
	}
	_, err := f.inUse.Reconcile(ctx, controllerruntime.Request{})
	require.NoError(f.t, err)
	reasons := map[string]string{}
	for _, c := range f.claims() {
		_, err := f.drift.Reconcile(ctx, &c)
		require.NoError(f.t, err)
		if condition := c.StatusConditions().Get(karpv1.ConditionTypeDrifted); condition.IsTrue() {
			reasons[c.Labels[karpv1.NodePoolLabelKey]] = condition.Reason
		}
	}
	return reasons
}

func publish(f *fleet, names ...string) {
	f.t.Helper()
	for _, name := range names {
		version := strings.TrimPrefix(strings.Split(name, ".")[0], "Oracle-Linux-")
		_, err := f.region.PublishImage(ocisim.ImageSpec{DisplayName: name, OperatingSystemVersion: version})
		require.NoError(f.t, err)
	}
}

var newImages = []string{
	"Oracle-Linux-8.10-2027.01.01-0-OKE-1.36.3-9001", "Oracle-Linux-8.10-aarch64-2027.01.01-0-OKE-1.36.3-9001",
	"Oracle-Linux-8.10-Gen2-GPU-2027.01.01-0-OKE-1.36.3-9001", "Oracle-Linux-9.8-2027.01.01-0-OKE-1.36.3-9001",
}

func TestNothingThatHappensByItselfReplacesANode(t *testing.T) {
	for _, version := range recordings(t) {
		for _, c := range []struct {
			name   string
			change func(*fleet)
		}{
			{"another controller than the one that made the nodes", func(*fleet) {}},
			{"a release that hashes classes in another way", func(f *fleet) {
				f.eachClaim(func(c *karpv1.NodeClaim) {
					c.Annotations[v1alpha1.AnnotationNodeClassHash], c.Annotations[v1alpha1.AnnotationNodeClassHashVersion] = "of-another-kind", "v0"
				})
			}},
			{"a release whose core hashes NodePools in another way", func(f *fleet) {
				f.eachClaim(func(c *karpv1.NodeClaim) {
					c.Annotations[karpv1.NodePoolHashAnnotationKey], c.Annotations[karpv1.NodePoolHashVersionAnnotationKey] = "of-another-kind", "v0"
				})
			}},
			{"labels and annotations that nodes did not have yet", func(f *fleet) {
				required := map[string]bool{v1alpha1.LabelInstanceShapeName: true, v1alpha1.LabelInstanceFamily: true, v1alpha1.LabelNodeClass: true}
				f.eachClaim(func(c *karpv1.NodeClaim) {
					c.Labels = lo.PickBy(c.Labels, func(key, _ string) bool { return !strings.HasPrefix(key, v1alpha1.Group+"/") || required[key] })
					c.Annotations = lo.PickBy(c.Annotations, func(key, _ string) bool { return !strings.HasPrefix(key, v1alpha1.Group+"/") })
				})
			}},
			{"prices that move", func(f *fleet) {
				f.discounts = []pricing.Discount{{Match: "VM.Standard.E5*", Factor: 1}, {Match: "*", Factor: 0.2}}
				f.start()
			}},
			{"shapes that are not sold any more", func(f *fleet) {
				for _, name := range []string{"VM.Standard.E5.Flex", "VM.Standard.E4.Flex", "VM.Standard.A1.Flex", "VM.Standard.A2.Flex", "VM.GPU.A10.1"} {
					for _, ad := range f.region.World.ADs {
						require.NoError(f.t, f.region.SetShapeOffered(name, ad, false))
					}
				}
				require.NoError(f.t, f.shapes.Refresh(f.t.Context()))
				f.clock.Step(24 * time.Hour) // long enough to be believed
			}},
			{"images that were published and wait", func(f *fleet) {
				publish(f, newImages...)
				f.clock.Step(time.Hour)
			}},
			{"a service that does not answer", func(f *fleet) {
				require.Empty(f.t, f.drifted())
				f.region.Fail(ocisim.Fault{Operation: "ListImages", Kind: ocisim.ErrorAnswer, Status: 500, Code: "InternalError", Message: "no", Times: 20})
			}},
		} {
			t.Run(version+"/"+c.name, func(t *testing.T) {
				f := load(t, version)
				require.NoError(t, f.shapes.Refresh(t.Context()))
				c.change(f)
				require.Empty(t, f.drifted())
			})
		}
	}
}

// What people ask for does replace nodes, and only those that it concerns; without this the test above could not fail.
func TestWhatIsAskedForReplacesNodes(t *testing.T) {
	for _, version := range recordings(t) {
		t.Run(version+"/an image after its soak, where the class is not pinned", func(t *testing.T) {
			f := load(t, version)
			require.Empty(t, f.drifted())
			publish(f, newImages...)
			f.clock.Step(60 * 24 * time.Hour)
			reason := string(cloudprovider.DriftReasonImage)
			require.Equal(t, map[string]string{"fitted": reason, "preemptible": reason, "arm": reason, "gpu": reason}, f.drifted())
		})
		t.Run(version+"/a changed class", func(t *testing.T) {
			f := load(t, version)
			f.class("rich", func(class *v1alpha1.OciNodeClass) { class.Spec.BootConfig.BootVolumeSizeInGBs = lo.ToPtr(int64(200)) })
			require.Equal(t, map[string]string{"rich": "BootVolumeDrifted"}, f.drifted())
		})
	}
}
