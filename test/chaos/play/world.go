package play

import (
	"context"
	_ "embed"
	"fmt"
	"strings"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/core"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
)

//go:embed manifests.yaml
var manifests string

// userAgent marks this package's own calls to OCI.
const userAgent = "karpenter-oke-chaos"

// pools are the NodePools of the manifests; each has a workload of its name.
var pools = []string{"alpha", "beta"}

const namespace = "default"

func deployment(pool string) *appsv1.Deployment {
	labels := map[string]string{"app": pool}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: pool, Namespace: namespace},
		Spec: appsv1.DeploymentSpec{
			Replicas: ptr.To[int32](0), Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{
					NodeSelector:                  map[string]string{karpv1.NodePoolLabelKey: pool},
					Tolerations:                   []corev1.Toleration{{Key: "oci.oraclecloud.com/oke-is-preemptible", Operator: corev1.TolerationOpExists}},
					TerminationGracePeriodSeconds: ptr.To[int64](1),
					Containers: []corev1.Container{{
						Name: "main", Image: "registry.example/app:1",
						Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
							corev1.ResourceCPU: resource.MustParse("1500m"), corev1.ResourceMemory: resource.MustParse("2Gi"),
						}},
					}},
				},
			},
		},
	}
}

func (r *runner) scale(ctx context.Context, replicas []int) error {
	for i, pool := range pools {
		d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: pool, Namespace: namespace}}
		patch := client.RawPatch("application/merge-patch+json", fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, replicas[i]))
		if err := r.e.Client().Patch(ctx, d, patch); err != nil {
			return fmt.Errorf("scaling %s: %w", pool, err)
		}
	}
	return nil
}

// foreigner is an instance that is none of this cluster's, however much it looks like one.
type foreigner struct {
	what string
	id   string
}

// launchForeigners puts instances of another cluster with equal names, and of nobody, into the controller's compartment.
func (r *runner) launchForeigners(ctx context.Context) ([]foreigner, error) {
	provider, err := common.ConfigurationProviderFromFile(r.e.OCIConfig(), "")
	if err != nil {
		return nil, fmt.Errorf("reading OCI credentials: %w", err)
	}
	compute, err := core.NewComputeClientWithConfigurationProvider(provider)
	if err != nil {
		return nil, fmt.Errorf("making an OCI client: %w", err)
	}
	compute.Host, compute.UserAgent = r.e.SimulatorURL(), userAgent
	w := r.e.Simulator().World()
	images, err := compute.ListImages(ctx, core.ListImagesRequest{CompartmentId: &w.ImageCompartmentID, Shape: ptr.To("VM.Standard.E4.Flex")})
	if err != nil || len(images.Items) == 0 {
		return nil, fmt.Errorf("finding an image: %w", err)
	}
	tags := func(cluster, pool string) map[string]string {
		return map[string]string{
			v1alpha1.TagClusterID: cluster, v1alpha1.TagNodePool: pool, v1alpha1.TagNodeClaim: "alpha-x7x7x/5c0f4d4e-0000-4000-8000-000000000001",
			v1alpha1.TagNodeClass: "chaos",
		}
	}
	other := strings.Replace(w.ClusterID, "cluster.", "cluster.other-", 1)
	var out []foreigner
	for _, f := range []struct {
		what string
		tags map[string]string
	}{
		{"of another cluster with the same NodePool", tags(other, "alpha/5c0f4d4e-0000-4000-8000-000000000002")},
		{"without tags", nil},
	} {
		got, err := compute.LaunchInstance(ctx, core.LaunchInstanceRequest{LaunchInstanceDetails: core.LaunchInstanceDetails{
			AvailabilityDomain: &w.ADs[0], CompartmentId: &w.CompartmentID, DisplayName: ptr.To("alpha-x7x7x"), Shape: ptr.To("VM.Standard.E4.Flex"),
			ShapeConfig:       &core.LaunchInstanceShapeConfigDetails{Ocpus: ptr.To[float32](2), MemoryInGBs: ptr.To[float32](16)},
			SourceDetails:     core.InstanceSourceViaImageDetails{ImageId: images.Items[0].Id},
			CreateVnicDetails: &core.CreateVnicDetails{SubnetId: &w.NodeSubnetIDs[0], AssignPublicIp: ptr.To(false)},
			FreeformTags:      f.tags,
		}})
		if err != nil {
			return nil, fmt.Errorf("launching an instance %s: %w", f.what, err)
		}
		out = append(out, foreigner{what: f.what, id: ptr.Deref(got.Id, "")})
	}
	return out, nil
}

// apply installs classes, pools and workloads.
func (r *runner) apply(ctx context.Context) error {
	if err := r.e.Apply(ctx, manifests); err != nil {
		return err
	}
	for _, pool := range pools {
		if err := r.e.Client().Create(ctx, deployment(pool)); err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("making the workload %s: %w", pool, err)
		}
	}
	return nil
}

// remove deletes what apply installed.
func (r *runner) remove(ctx context.Context) error {
	for _, pool := range pools {
		if err := client.IgnoreNotFound(r.e.Client().Delete(ctx, deployment(pool), client.PropagationPolicy(metav1.DeletePropagationBackground))); err != nil {
			return fmt.Errorf("deleting the workload %s: %w", pool, err)
		}
	}
	return r.e.Delete(ctx, manifests)
}

// insist does something again and again until it works or the patience ends: the API server may be away.
func (r *runner) insist(ctx context.Context, what string, do func(context.Context) error) error {
	end := r.clock.Now().Add(time.Minute)
	for {
		err := do(ctx)
		if err == nil || ctx.Err() != nil || r.clock.Now().After(end) {
			if err != nil {
				return fmt.Errorf("%s: %w", what, err)
			}
			return nil
		}
		sleep(ctx, r.clock, 250*time.Millisecond)
	}
}
