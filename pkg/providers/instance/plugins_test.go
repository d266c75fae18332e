package instance

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
)

func TestPluginsThatRDMANeedsAreOnInComputeClusters(t *testing.T) {
	const authentication, configuration = "Compute HPC RDMA Authentication", "Compute HPC RDMA Auto-Configuration"
	for name, tt := range map[string]struct {
		enabled, disabled []string
		inCluster         bool
		want              []string
	}{
		"both":                             {nil, nil, true, []string{authentication, configuration}},
		"with the class's own":             {[]string{"Bastion"}, nil, true, []string{"Bastion", authentication, configuration}},
		"once where the class lists one":   {[]string{configuration}, nil, true, []string{configuration, authentication}},
		"but for what the class turns off": {nil, []string{configuration}, true, []string{authentication}},
		"none elsewhere":                   {[]string{"Bastion"}, nil, false, []string{"Bastion"}},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tt.want, plugins(&v1alpha1.OciNodeClassSpec{AgentList: tt.enabled, DisabledAgentList: tt.disabled}, tt.inCluster))
		})
	}
}
