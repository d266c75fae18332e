package oci

import (
	"regexp"
	"strings"

	"github.com/oracle/oci-go-sdk/v65/common"
)

// publicRegion is the form of a region's name that needs no table: eu-frankfurt-1.
var publicRegion = regexp.MustCompile(`^[a-z]{2,}(-[a-z]+)+-\d+$`)

// RegionOf is the region that a resource's OCID names, such as us-phoenix-1 for ocid1.cluster.oc1.phx.aaaa; "" when the OCID names
// none or one that the SDK does not know.
func RegionOf(ocid string) string {
	parts := strings.Split(ocid, ".")
	if len(parts) < 5 || parts[3] == "" {
		return ""
	}
	region := common.StringToRegion(parts[3])
	if _, err := region.RealmID(); err != nil && !publicRegion.MatchString(string(region)) {
		return ""
	}
	return string(region)
}
