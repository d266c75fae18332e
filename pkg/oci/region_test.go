package oci

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRegionOf(t *testing.T) {
	for ocid, want := range map[string]string{
		"ocid1.cluster.oc1.phx.aaaa":            "us-phoenix-1",
		"ocid1.cluster.oc1.iad.aaaa":            "us-ashburn-1",
		"ocid1.cluster.oc1.eu-frankfurt-1.aaaa": "eu-frankfurt-1",
		"ocid1.cluster.oc1.fra.aaaa":            "eu-frankfurt-1",
		"ocid1.cluster.oc2.us-langley-1.aaaa":   "us-langley-1",
		"ocid1.cluster.oc99.xx-newcity-1.aaaa":  "xx-newcity-1",
		"ocid1.cluster.oc1.nowhere.aaaa":        "",
		"ocid1.compartment.oc1..aaaa":           "",
		"ocid1.cluster.oc1.phx":                 "",
		"":                                      "",
		"phx":                                   "",
	} {
		require.Equal(t, want, RegionOf(ocid), ocid)
	}
}
