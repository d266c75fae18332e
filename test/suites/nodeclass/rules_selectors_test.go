package nodeclass_test

import (
	"fmt"
)

// ids are one well-formed OCID of a kind and texts that are none.
func idRule(says, format, kind string) rule {
	id := func(s string) string { return fmt.Sprintf(format, s) }
	return rule{
		says: says,
		accepts: []string{
			id(ocid(kind)), id("ocid1." + kind + ".oc1..aaaa"), id("ocid1." + kind + ".oc16.us-sanjose-1.aaaa.bbbb_c-d"),
		},
		rejects: []string{
			id(`""`), id(ocid("instance")), id("ocid1." + kind + "."), id("ocid1." + kind + "s.oc1.phx.aaaa"), id(`"` + ocid(kind) + ` "`),
			id(`"` + ocid(kind) + `\n"`), id("x" + ocid(kind)), id(`"` + ocid(kind) + `'; reboot"`), id("my-" + kind),
		},
	}
}

var selectorRules = map[string]rule{
	"the VCN is given by its OCID":                   idRule("give the OCID of a VCN; it begins with ocid1.vcn.", "vcnId: %s", "vcn"),
	"a subnet's id is the OCID of a subnet":          idRule("give the OCID of a subnet; it begins with ocid1.subnet.", "subnetSelector: [{id: %s}]", "subnet"),
	"an image's id is the OCID of an image":          idRule("give the OCID of an image; it begins with ocid1.image.", "imageSelector: [{id: %s}]", "image"),
	"a security group's id is the OCID of one":       idRule("give the OCID of a network security group; it begins with ocid1.networksecuritygroup.", "securityGroupSelector: [{id: %s}]", "networksecuritygroup"),
	"a key's id is the OCID of a vault key":          idRule("give the OCID of a vault key; it begins with ocid1.key.", "bootConfig: {kmsKeyId: %s}", "key"),
	"a compartment is given by its OCID":             idRule("give the OCID of a compartment or of the tenancy; it begins with ocid1.compartment. or ocid1.tenancy.", "compartmentId: %s", "compartment"),
	"a placement's id is an OCID of such a thing":    idRule("give the OCID of a capacity reservation, compute cluster, cluster placement group or dedicated VM host", "placement: {capacityReservationSelector: [{id: %s}]}", "capacityreservation"),
	"a reservation's id is the OCID of one":          kindRule("capacityReservationSelector", "capacityreservation", "computecluster", "give the OCID of a capacity reservation; it begins with ocid1.capacityreservation."),
	"a compute cluster's id is the OCID of one":      kindRule("computeClusterSelector", "computecluster", "capacityreservation", "give the OCID of a compute cluster; it begins with ocid1.computecluster."),
	"a placement group's id is the OCID of one":      kindRule("clusterPlacementGroupSelector", "clusterplacementgroup", "computecluster", "give the OCID of a cluster placement group; it begins with ocid1.clusterplacementgroup."),
	"a dedicated host's id is the OCID of one":       kindRule("dedicatedVmHostSelector", "dedicatedvmhost", "computecluster", "give the OCID of a dedicated VM host; it begins with ocid1.dedicatedvmhost."),
	"a compartment may be the tenancy, old or young": {says: "give the OCID of a compartment or of the tenancy; it begins with ocid1.compartment. or ocid1.tenancy.", accepts: []string{"compartmentId: ocid1.tenancy.oc1..aaaa", "compartmentId: 'ocidv1:tenancy:oc1:phx:1460406592660:aaaaaaaab4faofrfkxecohhjuivjq262pu'"}, rejects: []string{"compartmentId: 'ocidv1:user:oc1:phx:1460406592660:aaaa'"}},
	"an OCID has at most 255 characters":             {says: "may not be more than 255", accepts: []string{"vcnId: ocid1.vcn.oc1.phx." + long(230)}, rejects: []string{"vcnId: ocid1.vcn.oc1.phx." + long(300), "compartmentId: ocid1.compartment.oc1.." + long(300), "bootConfig: {kmsKeyId: ocid1.key.oc1.phx." + long(300) + "}", "subnetSelector: [{id: ocid1.subnet.oc1.phx." + long(300) + "}]"}},
	"a name has 1 to 255 characters": {
		says: "", accepts: []string{"subnetSelector: [{name: a}]", "subnetSelector: [{name: " + long(255) + "}]", "subnetSelector: [{name: 'any $(text); \"here\"'}]"},
		rejects: []string{"subnetSelector: [{name: ''}]", "subnetSelector: [{name: " + long(256) + "}]"},
	},
	"a term's tags are 1 to 10, with values of at most 256 characters": {
		says: "",
		accepts: []string{
			"subnetSelector: [{freeFormTags: {k: '*'}}]", "subnetSelector: [{freeFormTags: {" + entries(10) + "}}]",
			"subnetSelector: [{definedTags: {n: {" + entries(10) + "}}}]", "subnetSelector: [{freeFormTags: {k: " + long(256) + "}}]",
		},
		rejects: []string{
			"subnetSelector: [{freeFormTags: {}}]", "subnetSelector: [{freeFormTags: {" + entries(11) + "}}]", "subnetSelector: [{freeFormTags: {k: " + long(257) + "}}]",
			"subnetSelector: [{definedTags: {}}]", "subnetSelector: [{definedTags: {n: {}}}]", "subnetSelector: [{definedTags: {n: {" + entries(11) + "}}}]",
			"subnetSelector: [{definedTags: {" + items(11, "n%d: {k: v}") + "}}]", "subnetSelector: [{definedTags: {n: {k: " + long(257) + "}}}]",
		},
	},
	"a subnet term asks for something": {
		says:    "a subnet selector term needs 'id', 'name', 'freeFormTags' or 'definedTags'",
		accepts: []string{"subnetSelector: [{name: a, freeFormTags: {b: c}, definedTags: {d: {e: f}}, compartmentId: " + ocid("compartment") + "}]"},
		rejects: []string{"subnetSelector: [{}]", "subnetSelector: [{name: a}, {compartmentId: " + ocid("compartment") + "}]"},
	},
	"a subnet term with an id asks for nothing else": {
		says:    "'id' selects one subnet by itself; remove it or the other conditions of the term",
		accepts: []string{"subnetSelector: [{id: " + ocid("subnet") + "}, {name: a}]"},
		rejects: []string{"subnetSelector: [{id: " + ocid("subnet") + ", name: a}]", "subnetSelector: [{id: " + ocid("subnet") + ", freeFormTags: {a: b}}]", "subnetSelector: [{id: " + ocid("subnet") + ", definedTags: {a: {b: c}}}]"},
	},
	"a security group term asks for something": {
		says:    "a security group selector term needs 'id', 'name', 'freeFormTags' or 'definedTags'",
		accepts: []string{"securityGroupSelector: [{definedTags: {d: {e: f}}}]", "securityGroupSelector: [{freeFormTags: {e: f}}]"},
		rejects: []string{"securityGroupSelector: [{}]", "securityGroupSelector: [{compartmentId: " + ocid("compartment") + "}]"},
	},
	"a security group term with an id asks for nothing else": {
		says:    "'id' selects one network security group by itself; remove it or the other conditions of the term",
		accepts: []string{"securityGroupSelector: [{id: " + ocid("networksecuritygroup") + "}]"},
		rejects: []string{"securityGroupSelector: [{id: " + ocid("networksecuritygroup") + ", name: a}]", "securityGroupSelector: [{id: " + ocid("networksecuritygroup") + ", definedTags: {a: {b: c}}}]"},
	},
	"a placement term asks for something": {
		says:    "a selector term needs 'id', 'name', 'freeFormTags' or 'definedTags'",
		accepts: []string{"placement: {computeClusterSelector: [{name: a, freeFormTags: {b: c}}]}"},
		rejects: []string{"placement: {computeClusterSelector: [{}]}", "placement: {dedicatedVmHostSelector: [{compartmentId: " + ocid("compartment") + "}]}"},
	},
	"a placement term with an id asks for nothing else": {
		says:    "'id' selects one by itself; remove it or the other conditions of the term",
		accepts: []string{"placement: {computeClusterSelector: [{id: " + ocid("computecluster") + ", compartmentId: " + ocid("compartment") + "}]}"},
		rejects: []string{"placement: {computeClusterSelector: [{id: " + ocid("computecluster") + ", name: a}]}", "placement: {clusterPlacementGroupSelector: [{id: " + ocid("clusterplacementgroup") + ", freeFormTags: {a: b}}]}"},
	},
	"lists of terms have their sizes": {
		says: "",
		accepts: []string{
			"imageSelector: [" + items(30, "{name: a%d}") + "]", "subnetSelector: [" + items(30, "{name: a%d}") + "]", "securityGroupSelector: []", "securityGroupSelector: [" + items(30, "{name: a%d}") + "]",
			"placement: {capacityReservationSelector: [" + items(30, "{name: a%d}") + "]}", "placement: {dedicatedVmHostSelector: [" + items(30, "{name: a%d}") + "]}",
			"placement: {computeClusterSelector: [" + items(10, "{name: a%d}") + "]}", "placement: {clusterPlacementGroupSelector: [" + items(10, "{name: a%d}") + "]}",
			"podNetworking: {podSubnetSelector: [" + items(30, "{name: a%d}") + "], podSecurityGroupSelector: []}", "podNetworking: {podSecurityGroupSelector: [" + items(30, "{name: a%d}") + "]}",
		},
		rejects: []string{
			"imageSelector: []", "imageSelector: [" + items(31, "{name: a%d}") + "]", "subnetSelector: []", "subnetSelector: [" + items(31, "{name: a%d}") + "]", "securityGroupSelector: [" + items(31, "{name: a%d}") + "]",
			"placement: {capacityReservationSelector: []}", "placement: {capacityReservationSelector: [" + items(31, "{name: a%d}") + "]}", "placement: {dedicatedVmHostSelector: []}", "placement: {dedicatedVmHostSelector: [" + items(31, "{name: a%d}") + "]}",
			"placement: {computeClusterSelector: []}", "placement: {computeClusterSelector: [" + items(11, "{name: a%d}") + "]}", "placement: {clusterPlacementGroupSelector: []}", "placement: {clusterPlacementGroupSelector: [" + items(11, "{name: a%d}") + "]}",
			"podNetworking: {podSubnetSelector: []}", "podNetworking: {podSubnetSelector: [" + items(31, "{name: a%d}") + "]}", "podNetworking: {podSecurityGroupSelector: [" + items(31, "{name: a%d}") + "]}",
		},
	},
	"images and subnets must be selected": {
		says:    "Required value",
		accepts: []string{"{}"},
		rejects: []string{"imageSelector: null", "subnetSelector: null"},
	},
}

// kindRule is the rule of a placement selector whose ids must be of one kind.
func kindRule(field, kind, other, says string) rule {
	term := func(k string) string { return "placement: {" + field + ": [{name: a}, {id: " + ocid(k) + "}]}" }
	return rule{says: says, accepts: []string{term(kind)}, rejects: []string{term(other)}}
}
