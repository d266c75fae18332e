package ocisim

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"regexp"
	"strings"
)

// World names the fixed things of a simulated region. All of them exist from the start.
type World struct {
	Region                   string   `json:"region"`    // public name, us-phoenix-1
	RegionKey                string   `json:"regionKey"` // three letters, PHX
	TenancyID                string   `json:"tenancyId"`
	TenancyName              string   `json:"tenancyName"`
	UserID                   string   `json:"userId"`
	CompartmentID            string   `json:"compartmentId"` // holds the cluster, the network and the nodes
	ClusterID                string   `json:"clusterId"`
	ClusterName              string   `json:"clusterName"`
	KubernetesVersion        string   `json:"kubernetesVersion"`
	VCNID                    string   `json:"vcnId"`
	EndpointSubnetID         string   `json:"endpointSubnetId"`
	NodeSubnetIDs            []string `json:"nodeSubnetIds"`
	PodSubnetIDs             []string `json:"podSubnetIds"`
	VirtualPodSubnetID       string   `json:"virtualPodSubnetId"`
	NSGIDs                   []string `json:"nsgIds"`                   // nodes, pods
	ImageCompartmentID       string   `json:"imageCompartmentId"`       // OKE's Oracle Linux images
	UbuntuImageCompartmentID string   `json:"ubuntuImageCompartmentId"` // OKE's Ubuntu images
	ADs                      []string `json:"availabilityDomains"`      // full names, Uocm:PHX-AD-1
	FDs                      []string `json:"faultDomains"`             // in every AD
	PrivateEndpoint          string   `json:"privateEndpoint"`          // host:port of the API server in the VCN
	VirtualNodePoolIDs       []string `json:"virtualNodePoolIds"`
	StreamID                 string   `json:"streamId"` // gets the events of the compartment
}

// The compartments in which Oracle publishes the images of the embedded catalogue.
const (
	okeImageCompartment    = "ocid1.compartment.oc1..aaaaaaaab4u67dhgtj5gpdpp3z42xqqsdnufxkatoild46u3hb67vzojfmzq"
	ubuntuImageCompartment = "ocid1.compartment.oc1..aaaaaaaawapv5zqax243hxuvi5xs6ekpsntos2ylg2xyx6qnncctcab53hya"
)

var regionPattern = regexp.MustCompile(`^[a-z]{2,}(-[a-z]+)+-\d$`)

// regionKeys are the keys of regions whose key is used in OCIDs and as the instances' region; for the others (and here for every region not named)
// the public name stands in both places.
var regionKeys = map[string]string{"us-phoenix-1": "phx", "us-ashburn-1": "iad"}

// airportKeys are the three letters that AD names carry. A region not named here gets the first three letters of its city.
var airportKeys = map[string]string{
	"us-phoenix-1": "PHX", "us-ashburn-1": "IAD", "us-sanjose-1": "SJC", "us-chicago-1": "ORD", "eu-frankfurt-1": "FRA", "eu-amsterdam-1": "AMS",
	"eu-zurich-1": "ZRH", "uk-london-1": "LHR", "ap-tokyo-1": "NRT", "ap-seoul-1": "ICN", "ap-mumbai-1": "BOM", "ap-sydney-1": "SYD",
	"sa-saopaulo-1": "GRU", "ca-toronto-1": "YYZ",
}

// regionInIDs is how a region is spelt inside OCIDs and in Instance.region.
func regionInIDs(region string) string {
	if key, ok := regionKeys[region]; ok {
		return key
	}
	return region
}

func airportKey(region string) string {
	if key, ok := airportKeys[region]; ok {
		return key
	}
	return strings.ToUpper(strings.Split(region, "-")[1])[:min(3, len(strings.Split(region, "-")[1]))]
}

// adPrefix is the tenancy-specific prefix of AD names.
const adPrefix = "Uocm:"

func newWorld(o Options) World {
	w := World{
		Region: o.Region, RegionKey: airportKey(o.Region), TenancyName: "simulated", ClusterName: "mixed", KubernetesVersion: o.KubernetesVersion,
		ImageCompartmentID: okeImageCompartment, UbuntuImageCompartmentID: ubuntuImageCompartment, PrivateEndpoint: o.PrivateEndpoint,
		FDs: []string{"FAULT-DOMAIN-1", "FAULT-DOMAIN-2", "FAULT-DOMAIN-3"},
	}
	id := func(kind string, n int) string { return ocid(kind, o, fmt.Sprint("world-", n)) }
	w.TenancyID, w.UserID, w.CompartmentID = globalOCID("tenancy", o.Seed), globalOCID("user", o.Seed), globalOCID("compartment", o.Seed)
	w.ClusterID, w.VCNID, w.EndpointSubnetID, w.VirtualPodSubnetID = id("cluster", 0), id("vcn", 0), id("subnet", 1000), id("subnet", 2000)
	for i := range o.NodeSubnetCIDRs {
		w.NodeSubnetIDs = append(w.NodeSubnetIDs, id("subnet", i))
	}
	for i := range o.PodSubnetCIDRs {
		w.PodSubnetIDs = append(w.PodSubnetIDs, id("subnet", 100+i))
	}
	w.NSGIDs = []string{id("networksecuritygroup", 0), id("networksecuritygroup", 1)}
	w.VirtualNodePoolIDs = []string{id("virtualnodepool", 0)}
	w.StreamID = id("stream", 0)
	for i := 1; i <= 3; i++ {
		w.ADs = append(w.ADs, fmt.Sprintf("%s%s-AD-%d", adPrefix, w.RegionKey, i))
	}
	return w
}

// ocid makes an identifier of a regional resource. It depends on the seed, the kind and the name alone.
func ocid(kind string, o Options, name string) string {
	return fmt.Sprintf("ocid1.%s.oc1.%s.%s", kind, regionInIDs(o.Region), uniquePart(o.Seed, kind, name))
}

// globalOCID makes an identifier of a resource that belongs to no region.
func globalOCID(kind, seed string) string {
	return fmt.Sprintf("ocid1.%s.oc1..%s", kind, uniquePart(seed, kind, ""))
}

// uniquePart imitates the 60 lower-case characters that end an OCID; they fit into a label value (63).
func uniquePart(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return "aaaaaaaa" + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:]))
}
