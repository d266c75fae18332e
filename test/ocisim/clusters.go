package ocisim

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/oracle/oci-go-sdk/v65/containerengine"
	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/samber/lo"
)

// ClusterState is what can be changed about the cluster's record.
type ClusterState struct {
	KubernetesVersion string   `json:"kubernetesVersion"`
	LifecycleState    string   `json:"lifecycleState"` // ACTIVE, UPDATING, ...
	Type              string   `json:"type"`           // ENHANCED_CLUSTER or BASIC_CLUSTER
	CNI               string   `json:"cni"`            // CNINative or CNIFlannel
	IPFamilies        []string `json:"ipFamilies"`     // IPv4, IPv6 or both, in their order
	PodsCIDR          string   `json:"podsCidr"`
	ServicesCIDR      string   `json:"servicesCidr"`
	PrivateEndpoint   string   `json:"privateEndpoint"`          // 10.0.0.14:6443
	PublicEndpoint    string   `json:"publicEndpoint,omitempty"` // empty for a private cluster
	created           time.Time
}

func (st *state) addCluster(o Options, _ World, now time.Time) {
	st.oke = ClusterState{KubernetesVersion: o.KubernetesVersion, LifecycleState: string(containerengine.ClusterLifecycleStateActive),
		Type: string(containerengine.ClusterTypeEnhancedCluster), CNI: o.CNI, IPFamilies: slices.Clone(o.IPFamilies), PodsCIDR: "10.244.0.0/16", ServicesCIDR: "10.96.0.0/16",
		PrivateEndpoint: o.PrivateEndpoint, created: now}
	for _, name := range []string{"CoreDNS", "KubeProxy", "OciVcnIpNative"} {
		if name == "OciVcnIpNative" && o.CNI != CNINative {
			name = "Flannel"
		}
		st.addons = append(st.addons, containerengine.Addon{Name: lo.ToPtr(name), LifecycleState: containerengine.AddonLifecycleStateActive,
			Version: lo.ToPtr("v3.2.0"), CurrentInstalledVersion: lo.ToPtr("v3.2.0"), TimeCreated: stamp(now)})
	}
	st.addVirtualPool(o, now)
}

// SetCluster changes the cluster's record, as an upgrade or an edit in the console would.
func (s *Simulator) SetCluster(change func(*ClusterState)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.state.oke)
}

// Cluster returns the cluster's record.
func (s *Simulator) Cluster() ClusterState {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state.oke
}

func clusterOperations() []operation {
	return []operation{
		{name: "ListClusters", method: http.MethodGet, path: "/20180222/clusters", handle: listClusters},
		{name: "GetCluster", method: http.MethodGet, path: "/20180222/clusters/{id}", handle: getCluster},
		{name: "ListAddons", method: http.MethodGet, path: "/20180222/clusters/{id}/addons", handle: listAddons},
		{name: "GetAddon", method: http.MethodGet, path: "/20180222/clusters/{id}/addons/{name}", handle: getAddon},
		{name: "GetNodePoolOptions", method: http.MethodGet, path: "/20180222/nodePoolOptions/{id}", handle: getNodePoolOptions},
	}
}

// cluster renders the cluster's record.
func (s *Simulator) cluster() containerengine.Cluster {
	o, w := s.state.oke, s.world
	network := containerengine.ClusterPodNetworkOptionDetails(containerengine.OciVcnIpNativeClusterPodNetworkOptionDetails{})
	if o.CNI == CNIFlannel {
		network = containerengine.FlannelOverlayClusterPodNetworkOptionDetails{}
	}
	return containerengine.Cluster{Id: lo.ToPtr(w.ClusterID), Name: lo.ToPtr(w.ClusterName), CompartmentId: lo.ToPtr(w.CompartmentID), VcnId: lo.ToPtr(w.VCNID),
		EndpointConfig: &containerengine.ClusterEndpointConfig{SubnetId: lo.ToPtr(w.EndpointSubnetID), IsPublicIpEnabled: lo.ToPtr(o.PublicEndpoint != "")},
		Options: &containerengine.ClusterCreateOptions{KubernetesNetworkConfig: &containerengine.KubernetesNetworkConfig{PodsCidr: lo.ToPtr(o.PodsCIDR), ServicesCidr: lo.ToPtr(o.ServicesCIDR)},
			IpFamilies: lo.Map(o.IPFamilies, func(f string, _ int) containerengine.ClusterCreateOptionsIpFamiliesEnum {
				return containerengine.ClusterCreateOptionsIpFamiliesEnum(f)
			})},
		KubernetesVersion: lo.ToPtr(o.KubernetesVersion), LifecycleState: containerengine.ClusterLifecycleStateEnum(o.LifecycleState),
		Endpoints: &containerengine.ClusterEndpoints{PrivateEndpoint: lo.ToPtr(o.PrivateEndpoint), PublicEndpoint: lo.EmptyableToPtr(o.PublicEndpoint),
			Kubernetes: lo.ToPtr(lo.CoalesceOrEmpty(o.PublicEndpoint, o.PrivateEndpoint))},
		AvailableKubernetesUpgrades: []string{}, ClusterPodNetworkOptions: []containerengine.ClusterPodNetworkOptionDetails{network},
		Type: containerengine.ClusterTypeEnum(o.Type), Metadata: &containerengine.ClusterMetadata{TimeCreated: stamp(o.created)},
		FreeformTags: map[string]string{}, DefinedTags: map[string]map[string]any{}, SystemTags: map[string]map[string]any{}}
}

func (s *Simulator) clusterOf(c *call) error {
	if c.path("id") != s.world.ClusterID {
		return notFound("cluster %s", c.path("id"))
	}
	return nil
}

func getCluster(s *Simulator, c *call) (*reply, error) {
	if err := s.clusterOf(c); err != nil {
		return nil, err
	}
	return ok(s.cluster()).with("etag", "1"), nil
}

func listClusters(s *Simulator, c *call) (*reply, error) {
	compartment, err := s.inCompartment(c)
	if err != nil {
		return nil, err
	}
	var out []containerengine.ClusterSummary
	if m := s.cluster(); *m.CompartmentId == compartment && c.is("name", *m.Name) && c.oneOf("lifecycleState", string(m.LifecycleState)) {
		out = append(out, containerengine.ClusterSummary{Id: m.Id, Name: m.Name, CompartmentId: m.CompartmentId, EndpointConfig: m.EndpointConfig, VcnId: m.VcnId,
			KubernetesVersion: m.KubernetesVersion, Options: m.Options, Metadata: m.Metadata, LifecycleState: m.LifecycleState, Endpoints: m.Endpoints,
			AvailableKubernetesUpgrades: m.AvailableKubernetesUpgrades, ClusterPodNetworkOptions: m.ClusterPodNetworkOptions, Type: m.Type,
			FreeformTags: m.FreeformTags, DefinedTags: m.DefinedTags, SystemTags: m.SystemTags})
	}
	return list(c, out, func(m containerengine.ClusterSummary) string { return *m.Id })
}

func listAddons(s *Simulator, c *call) (*reply, error) {
	if err := s.clusterOf(c); err != nil {
		return nil, err
	}
	out := lo.Map(s.state.addons, func(a containerengine.Addon, _ int) containerengine.AddonSummary {
		return containerengine.AddonSummary{Name: a.Name, LifecycleState: a.LifecycleState, Version: a.Version, CurrentInstalledVersion: a.CurrentInstalledVersion, TimeCreated: a.TimeCreated}
	})
	return list(c, out, func(a containerengine.AddonSummary) string { return *a.Name })
}

func getAddon(s *Simulator, c *call) (*reply, error) {
	if err := s.clusterOf(c); err != nil {
		return nil, err
	}
	a, known := lo.Find(s.state.addons, func(a containerengine.Addon) bool { return *a.Name == c.path("name") })
	if !known {
		return nil, notFound("add-on %s", c.path("name"))
	}
	return ok(a).with("etag", "1"), nil
}

var okeImageName = regexp.MustCompile(`-OKE-(\d+\.\d+\.\d+)`)

// getNodePoolOptions lists the images and shapes of managed nodes for "all" or for the cluster, narrowed by operating system, architecture and version.
func getNodePoolOptions(s *Simulator, c *call) (*reply, error) {
	if c.path("id") != "all" {
		if err := s.clusterOf(c); err != nil {
			return nil, err
		}
	}
	everyPatch, err := c.flag("shouldListAllPatchVersions", false)
	if err != nil {
		return nil, err
	}
	var options containerengine.NodePoolOptions
	newest := map[string]bool{} // without every patch: one image for each kind and version
	images := slices.Clone(s.state.images.all())
	slices.SortStableFunc(images, func(a, b core.Image) int { return b.TimeCreated.Compare(a.TimeCreated.Time) })
	for _, image := range images {
		name := lo.FromPtr(image.DisplayName)
		version := okeImageName.FindStringSubmatch(name)
		if version == nil || !nodePoolImage(c, image, "v"+version[1]) {
			continue
		}
		traits := traitsOf(image)
		kind := lo.FromPtr(image.OperatingSystem) + lo.FromPtr(image.OperatingSystemVersion) + version[1]
		kind += lo.Ternary(traits.arm, "/arm", "") + lo.Ternary(traits.nvidia, "/gpu", "")
		if newest[kind] && !everyPatch {
			continue
		}
		newest[kind] = true
		options.Images = append(options.Images, name)
		options.Sources = append(options.Sources, containerengine.NodeSourceViaImageOption{SourceName: lo.ToPtr(name), ImageId: image.Id})
		options.KubernetesVersions = append(options.KubernetesVersions, "v"+version[1])
	}
	options.KubernetesVersions = lo.Uniq(options.KubernetesVersions)
	slices.Sort(options.KubernetesVersions)
	options.Shapes = lo.Map(s.state.shapes, func(shape core.Shape, _ int) string { return *shape.Shape })
	return ok(options), nil
}

// nodePoolImage applies the filters of GetNodePoolOptions.
func nodePoolImage(c *call, image core.Image, version string) bool {
	kind := "UBUNTU"
	if os := lo.FromPtr(image.OperatingSystem); os == "Oracle Linux" {
		kind = "OL" + strings.SplitN(lo.FromPtr(image.OperatingSystemVersion), ".", 2)[0]
	}
	return c.is("nodePoolOsType", kind) && c.is("nodePoolOsArch", lo.Ternary(traitsOf(image).arm, "AARCH64", "X86_64")) && c.is("nodePoolK8sVersion", version)
}
