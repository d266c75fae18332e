package environment

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/core"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/karpenter-oke/karpenter-oke/test/cluster"
	"github.com/karpenter-oke/karpenter-oke/test/cluster/kubelets"
	"github.com/karpenter-oke/karpenter-oke/test/cluster/kubelets/simsource"
	"github.com/karpenter-oke/karpenter-oke/test/environment/record"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

// poolTag is the freeform tag with the node pool's name on the instances of the fixed pools.
const poolTag = "oke-pool-name"

// The names of the fixed pools.
const (
	statefulPool = "stateful"
	systemPool   = "system"
)

// pool is a managed node pool of fixed size, as OKE would run it.
type pool struct {
	name   string
	nodes  int
	shape  string
	ocpus  float32
	memory float32 // GB
	labels map[string]string
	taints []string
}

// fixedPools are the pools that a platform team sizes by hand.
func fixedPools(o Options) []pool {
	nameLabel := "oke.oraclecloud.com/pool.name"
	return []pool{
		{name: systemPool, nodes: *o.SystemNodes, shape: "VM.Standard.E4.Flex", ocpus: 2, memory: 16, labels: map[string]string{nameLabel: systemPool}},
		{
			name: statefulPool, nodes: *o.FixedNodes, shape: "VM.Standard.E4.Flex", ocpus: 2, memory: 16,
			labels: map[string]string{nameLabel: statefulPool, "workload-type": "stateful"}, taints: []string{"workload-type=stateful:NoSchedule"},
		},
	}
}

// ociClients are the environment's own clients, marked so that their requests are not counted as the controller's.
type ociClients struct {
	compute core.ComputeClient
	storage core.BlockstorageClient
}

func newOCIClients(sim *ocisim.Server) (*ociClients, error) {
	provider, err := sim.ConfigurationProvider()
	if err != nil {
		return nil, fmt.Errorf("making OCI credentials: %w", err)
	}
	compute, err := core.NewComputeClientWithConfigurationProvider(provider)
	if err != nil {
		return nil, fmt.Errorf("making an OCI compute client: %w", err)
	}
	storage, err := core.NewBlockstorageClientWithConfigurationProvider(provider)
	if err != nil {
		return nil, fmt.Errorf("making an OCI block storage client: %w", err)
	}
	for _, c := range []*common.BaseClient{&compute.BaseClient, &storage.BaseClient} {
		c.Host, c.UserAgent = sim.URL, UserAgent
		c.HTTPClient = &http.Client{Timeout: 30 * time.Second}
	}
	return &ociClients{compute: compute, storage: storage}, nil
}

// nodeImage is the newest OKE image for amd64 whose Kubernetes version is the newest not above the cluster's.
func nodeImage(ctx context.Context, c *ociClients, w ocisim.World) (string, error) {
	var best core.Image
	var page *string
	for {
		got, err := c.compute.ListImages(ctx, core.ListImagesRequest{CompartmentId: &w.ImageCompartmentID, Page: page})
		if err != nil {
			return "", fmt.Errorf("listing OKE images: %w", err)
		}
		for _, i := range got.Items {
			name := ptr.Deref(i.DisplayName, "")
			version := i.FreeformTags["k8s_version"]
			if strings.Contains(name, "aarch64") || strings.Contains(name, "GPU") || version == "" || newer(version, w.KubernetesVersion) {
				continue
			}
			if best.Id == nil || newer(version, best.FreeformTags["k8s_version"]) {
				best = i
			}
		}
		if page = got.OpcNextPage; page == nil {
			break
		}
	}
	if best.Id == nil {
		return "", fmt.Errorf("no OKE image for Kubernetes %s or older in compartment %s", w.KubernetesVersion, w.ImageCompartmentID)
	}
	return *best.Id, nil
}

// newer compares versions of the form v1.36.3.
func newer(a, b string) bool {
	var x, y [3]int
	_, _ = fmt.Sscanf(a, "v%d.%d.%d", &x[0], &x[1], &x[2])
	_, _ = fmt.Sscanf(b, "v%d.%d.%d", &y[0], &y[1], &y[2])
	for i := range x {
		if x[i] != y[i] {
			return x[i] > y[i]
		}
	}
	return false
}

// launchFixed launches the instances of the fixed pools through the real SDK, as OKE's node pools do: they carry no tag of the controller.
func (e *Environment) launchFixed(ctx context.Context) error {
	w := e.sim.World()
	image, err := nodeImage(ctx, e.oci, w)
	if err != nil {
		return err
	}
	for _, p := range fixedPools(e.o) {
		poolID := fmt.Sprintf("ocid1.nodepool.oc1.%s.%s-%s", strings.ToLower(w.RegionKey), p.name, e.o.Name)
		for i := range p.nodes {
			id, err := e.launchOne(ctx, p, poolID, image, i)
			if err != nil {
				return fmt.Errorf("launching node %d of pool %s: %w", i, p.name, err)
			}
			e.cloud.markFixed(id)
		}
	}
	return nil
}

func (e *Environment) launchOne(ctx context.Context, p pool, poolID, image string, i int) (string, error) {
	w := e.sim.World()
	got, err := e.oci.compute.LaunchInstance(ctx, core.LaunchInstanceRequest{
		OpcRetryToken: ptr.To(fmt.Sprintf("%s-%d", poolID, i)),
		LaunchInstanceDetails: core.LaunchInstanceDetails{
			AvailabilityDomain: &w.ADs[i%len(w.ADs)], CompartmentId: &w.CompartmentID, DisplayName: ptr.To(fmt.Sprintf("oke-%s-%s-%d", e.o.Name, p.name, i)),
			Shape: &p.shape, ShapeConfig: &core.LaunchInstanceShapeConfigDetails{Ocpus: &p.ocpus, MemoryInGBs: &p.memory},
			SourceDetails:     core.InstanceSourceViaImageDetails{ImageId: &image, BootVolumeSizeInGBs: ptr.To[int64](100)},
			CreateVnicDetails: &core.CreateVnicDetails{SubnetId: &w.NodeSubnetIDs[0], AssignPublicIp: ptr.To(false), NsgIds: w.NSGIDs[:1]},
			FreeformTags:      map[string]string{poolTag: p.name},
			Metadata: kubelets.ManagedMetadata(kubelets.ManagedNode{
				Endpoint: simsource.Endpoint(w), CA: e.plane.CA(), ClusterDNS: cluster.DefaultDNSServiceIP, NodePoolID: poolID, Labels: p.labels, Taints: p.taints,
			}),
		},
	})
	if err != nil {
		return "", err
	}
	return ptr.Deref(got.Id, ""), nil
}

// awaitNodes waits until every node that the cluster starts with is ready.
func (e *Environment) awaitNodes(ctx context.Context) error {
	want := map[record.Layer]int{record.LayerSystem: *e.o.SystemNodes, record.LayerFixed: *e.o.FixedNodes, record.LayerVirtual: *e.o.VirtualNodes}
	return e.poll(ctx, "the cluster's first nodes to be ready", e.Err, func(ctx context.Context) (bool, string) {
		nodes := &corev1.NodeList{}
		if err := e.client.List(ctx, nodes); err != nil {
			return false, err.Error()
		}
		have := map[record.Layer]int{}
		for i := range nodes.Items {
			if nodeReady(&nodes.Items[i]) {
				have[record.LayerOf(&nodes.Items[i])]++
			}
		}
		all, words := true, []string(nil)
		for _, layer := range record.Layers {
			all = all && have[layer] >= want[layer]
			if want[layer] > 0 {
				words = append(words, fmt.Sprintf("%d of %d %s", have[layer], want[layer], layer.Title()))
			}
		}
		return all, strings.Join(words, ", ")
	})
}

func nodeReady(n *corev1.Node) bool {
	for _, t := range n.Spec.Taints {
		if t.Effect == corev1.TaintEffectNoExecute || strings.HasPrefix(t.Key, "node.cloudprovider.kubernetes.io/") {
			return false
		}
	}
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// Leftovers lists what still exists in OCI on behalf of instances that did not come with the cluster.
func (e *Environment) Leftovers(ctx context.Context) (record.Leftovers, error) {
	var out record.Leftovers
	w := e.sim.World()
	for _, i := range e.sim.Instances() {
		if !e.cloud.isFixed(i.ID) && i.State != "TERMINATED" {
			out.Instances = append(out.Instances, i.ID+" "+i.State)
		}
	}
	var page *string
	for {
		got, err := e.oci.compute.ListVnicAttachments(ctx, core.ListVnicAttachmentsRequest{CompartmentId: &w.CompartmentID, Page: page})
		if err != nil {
			return out, fmt.Errorf("listing VNIC attachments: %w", err)
		}
		for _, a := range got.Items {
			if a.LifecycleState != core.VnicAttachmentLifecycleStateDetached && !e.cloud.isFixed(ptr.Deref(a.InstanceId, "")) {
				out.VNICs = append(out.VNICs, fmt.Sprintf("%s %s", ptr.Deref(a.VnicId, ""), a.LifecycleState))
			}
		}
		if page = got.OpcNextPage; page == nil {
			break
		}
	}
	volumes, err := e.leftVolumes(ctx, w)
	out.BootVolumes = volumes
	return out, err
}

// leftVolumes lists the boot volumes that belong to no fixed instance.
func (e *Environment) leftVolumes(ctx context.Context, w ocisim.World) ([]string, error) {
	var out []string
	var page *string
	owner := map[string]string{}
	for _, ad := range w.ADs {
		for {
			got, err := e.oci.compute.ListBootVolumeAttachments(ctx, core.ListBootVolumeAttachmentsRequest{CompartmentId: &w.CompartmentID, AvailabilityDomain: &ad, Page: page})
			if err != nil {
				return out, fmt.Errorf("listing boot volume attachments: %w", err)
			}
			for _, a := range got.Items {
				owner[ptr.Deref(a.BootVolumeId, "")] = ptr.Deref(a.InstanceId, "")
			}
			if page = got.OpcNextPage; page == nil {
				break
			}
		}
	}
	for {
		got, err := e.oci.storage.ListBootVolumes(ctx, core.ListBootVolumesRequest{CompartmentId: &w.CompartmentID, Page: page})
		if err != nil {
			return out, fmt.Errorf("listing boot volumes: %w", err)
		}
		for _, v := range got.Items {
			if v.LifecycleState != core.BootVolumeLifecycleStateTerminated && !e.cloud.isFixed(owner[ptr.Deref(v.Id, "")]) {
				out = append(out, fmt.Sprintf("%s %s", ptr.Deref(v.Id, ""), v.LifecycleState))
			}
		}
		if page = got.OpcNextPage; page == nil {
			return out, nil
		}
	}
}
