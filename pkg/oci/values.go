package oci

import (
	"strings"

	"github.com/oracle/oci-go-sdk/v65/common"
)

// Value reads an SDK pointer; nil gives the zero value. OCI leaves out members that its documentation calls mandatory, so no
// SDK pointer is dereferenced in any other way.
func Value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// Zone is the part of an availability domain's name after the colon, which is what OKE writes into topology.kubernetes.io/zone:
// PHX-AD-1 of Uocm:PHX-AD-1. A name without a colon is a zone already.
func Zone(availabilityDomain string) string {
	if _, zone, ok := strings.Cut(availabilityDomain, ":"); ok {
		return zone
	}
	return availabilityDomain
}

// RegionLabel is what OKE's cloud controller writes into topology.kubernetes.io/region for a region: the short key for the
// two oldest regions, the region's own name elsewhere (oci-cloud-controller-manager; instance.region has the same form).
func RegionLabel(region string) string {
	switch common.StringToRegion(region) {
	case common.RegionPHX:
		return "phx"
	case common.RegionIAD:
		return "iad"
	default:
		return region
	}
}
