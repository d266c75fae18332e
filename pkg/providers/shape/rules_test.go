package shape

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/test/ocisim/data"
)

func TestEveryRuleNamesItsCertaintyAndIsCautiousWhereItAssumes(t *testing.T) {
	for family, p := range processors {
		for _, source := range []certainty{p.vcpuSource, p.spotSource} {
			require.Contains(t, []certainty{documented, observed, assumed}, source, family)
		}
		require.Contains(t, []string{ArchAMD64, ArchARM64}, p.arch, family)
		if p.vcpuSource == assumed {
			require.Equal(t, 1, p.vcpusPerOCPU, "%s: never more CPUs than there may be", family)
		}
		if p.spotSource == assumed {
			require.False(t, p.preemptible, "%s: a launch would be refused", family)
		}
		if p.arch == ArchAMD64 {
			require.Equal(t, 2, p.vcpusPerOCPU, "%s: every x86 OCPU has two threads", family)
		}
	}
}

func TestEveryRuleIsUsedByAShapeOrIsOfASoldOutFamily(t *testing.T) {
	records, err := data.Shapes()
	require.NoError(t, err)
	seen := map[string]bool{"DenseIO1": true} // gone from every list, still preemptible where nodes of it are left
	for _, record := range records {
		seen[parseName(*record.Shape).model] = true
	}
	for family := range processors {
		require.True(t, seen[family], "no shape is of the family %s", family)
	}
}
