package convert

import (
	"fmt"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
)

const (
	pathPrimary   = "spec.networkConfig.primaryVnicConfig"
	pathSecondary = "spec.networkConfig.secondaryVnicConfigs"
)

// sourcePodIPCount is how many addresses the source gives to a secondary VNIC that does not say (in a cluster with IPv4; the FAQ of
// its documentation).
const sourcePodIPCount = 32

// network is the node's own VNIC.
func (c *classConversion) network() {
	from := c.from.NetworkConfig.PrimaryVnicConfig
	if term, ok := c.subnet(from.SubnetConfig, pathPrimary+".subnetConfig"); ok {
		c.to.SubnetSelector = []v1alpha1.SubnetSelectorTerm{term}
	}
	c.to.SecurityGroupSelector = c.securityGroups(from.NetworkSecurityGroupConfigs, pathPrimary)
	vnic := v1alpha1.PrimaryVNIC{AssignPublicIP: from.AssignPublicIP, AssignIPv6IP: from.AssignIPV6IP, SkipSourceDestCheck: from.SkipSourceDestCheck}
	if vnic != (v1alpha1.PrimaryVNIC{}) {
		c.to.PrimaryVNIC = &vnic
	}
}

// podNetwork is where pods get their addresses: the source asks for secondary VNICs one by one, the target for one kind of them.
func (c *classConversion) podNetwork() {
	vnics := c.from.NetworkConfig.SecondaryVnicConfigs
	if len(vnics) == 0 {
		return
	}
	to := &v1alpha1.PodNetworking{Type: v1alpha1.PodNetworkingVCNNative}
	groups := []v1alpha1.SecurityGroupSelectorTerm{}
	total, said := int32(0), false
	for i, vnic := range vnics {
		path := fmt.Sprintf("%s[%d]", pathSecondary, i)
		if term, ok := c.subnet(vnic.SubnetConfig, path+".subnetConfig"); ok {
			to.PodSubnetSelector = appendNew(to.PodSubnetSelector, term)
		}
		for _, term := range c.securityGroups(vnic.NetworkSecurityGroupConfigs, path) {
			groups = appendNew(groups, term)
		}
		if vnic.IPCount == nil {
			total += sourcePodIPCount
			continue
		}
		total, said = total+*vnic.IPCount, true
	}
	// Left out it would mean the node's groups; in the source it means none.
	if len(groups) > 0 || len(c.to.SecurityGroupSelector) > 0 {
		to.PodSecurityGroupSelector = &groups
	}
	if said || len(vnics) > 1 {
		to.IPCount = c.ipCount(total)
	}
	if len(vnics) > 1 {
		c.warn(pathSecondary, "%d secondary VNICs become one with %d addresses, in one of their subnets and with all their security groups; check spec.podNetworking", len(vnics), *to.IPCount)
	}
	c.to.PodNetworking = to
}

// ipCount is the greatest power of two that is not more than the addresses asked for, at most 256.
func (c *classConversion) ipCount(total int32) *int32 {
	count := int32(1)
	for count < 256 && count*2 <= total {
		count *= 2
	}
	if count != total {
		c.warn(pathSecondary, "%d addresses are no power of two up to 256; ipCount %d is written", total, count)
	}
	return &count
}

func (c *classConversion) subnet(from sourceSubnet, path string) (v1alpha1.SubnetSelectorTerm, bool) {
	s, ok := c.selector(from.SubnetID, from.SubnetFilter, path, "subnetFilter")
	return v1alpha1.SubnetSelectorTerm(s), ok
}

func (c *classConversion) securityGroups(from []sourceSecurityGroup, path string) []v1alpha1.SecurityGroupSelectorTerm {
	var out []v1alpha1.SecurityGroupSelectorTerm
	for i, g := range from {
		s, ok := c.selector(g.NetworkSecurityGroupID, g.NetworkSecurityGroupFilter, fmt.Sprintf("%s.networkSecurityGroupConfigs[%d]", path, i), "networkSecurityGroupFilter")
		if ok {
			out = append(out, v1alpha1.SecurityGroupSelectorTerm(s))
		}
	}
	return out
}

// selector is an id or a filter as a selector; false, with a warning, when they say nothing that selects.
func (c *classConversion) selector(id string, filter *sourceFilter, path, field string) (v1alpha1.Selector, bool) {
	switch {
	case id != "":
		return v1alpha1.Selector{ID: id}, true
	case filter == nil:
		c.warn(path, "selects nothing; it is left out")
		return v1alpha1.Selector{}, false
	case filter.DisplayName == "" && len(filter.FreeformTags) == 0 && len(filter.DefinedTags) == 0:
		c.warn(path+"."+field, "a compartment alone selects nothing; it is left out, select by id, name or tags instead")
		return v1alpha1.Selector{}, false
	}
	return v1alpha1.Selector{
		Name: filter.DisplayName, FreeFormTags: filter.FreeformTags, DefinedTags: tagSelector(filter.DefinedTags), CompartmentID: filter.CompartmentID,
	}, true
}
