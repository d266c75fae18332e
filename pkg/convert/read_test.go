package convert_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/pkg/convert"
	"github.com/karpenter-oke/karpenter-oke/pkg/manifest"
)

func TestAFieldOfAWrongTypeIsAnError(t *testing.T) {
	for name, c := range map[string]struct{ spec, want string }{
		"a text for a number":    {"volumeConfig: {bootVolumeConfig: {sizeInGBs: big}}", "spec.volumeConfig.bootVolumeConfig.sizeInGBs can not be a string"},
		"a map for a list":       {"shapeConfigs: {ocpus: 1}", "spec.shapeConfigs can not be a object"},
		"a text for a class":     {"networkConfig: none", "spec.networkConfig can not be a string"},
		"a number for a text":    {"nodeCompartmentId: 7", "spec.nodeCompartmentId can not be a number"},
		"a list of texts":        {"shapeConfigs: [big]", "spec.shapeConfigs"},
		"a fraction for a count": {"kubeletConfig: {maxPods: 1.5}", "spec.kubeletConfig.maxPods can not be a number 1.5"},
	} {
		t.Run(name, func(t *testing.T) {
			documents, err := manifest.Read("in.yaml", []byte("apiVersion: oci.oraclecloud.com/v1beta1\nkind: OCINodeClass\nmetadata: {name: a}\nspec: {"+c.spec+"}"))
			require.NoError(t, err)
			_, err = convert.Convert(documents, convert.Options{})
			require.ErrorContains(t, err, "in.yaml: OCINodeClass a: "+c.want)
		})
	}
}

func TestOtherKindsKeepTheirTextToTheLetter(t *testing.T) {
	const text = "# why\napiVersion: v1\nkind: ConfigMap # what\nmetadata: {name:  odd}\ndata:\n  script: |\n    a: [\n     --- not a separator\n"
	out, warnings := converted(t, []byte(text), convert.Options{})
	require.Equal(t, text, out)
	require.Empty(t, warnings)
}

func TestANodePoolIsConvertedAlthoughItsClassIsElsewhere(t *testing.T) {
	out, warnings := converted(t, []byte(`
apiVersion: karpenter.sh/v1
kind: NodePool
metadata: {name: a}
spec: {template: {spec: {nodeClassRef: {group: oci.oraclecloud.com, kind: OCINodeClass, name: c}, requirements: []}}}
`), convert.Options{NodePoolSuffix: "-oke"})
	require.Contains(t, out, "group: karpenter.k8s.oracle")
	require.Contains(t, out, "name: a-oke")
	require.Empty(t, warnings)
}

func TestOtherVersionsAndNodeClaimsAreLeftAloneAndReported(t *testing.T) {
	text := "apiVersion: oci.oraclecloud.com/v1alpha7\nkind: OCINodeClass\nmetadata: {name: a}\n---\n" +
		"apiVersion: karpenter.sh/v1\nkind: NodeClaim\nmetadata: {name: b}\nspec: {nodeClassRef: {group: oci.oraclecloud.com, kind: OCINodeClass, name: a}}\n"
	out, warnings := converted(t, []byte(text), convert.Options{})
	require.Equal(t, text, out)
	require.Equal(t, 2, strings.Count(warnings, "\n"))
	require.Contains(t, warnings, "v1alpha7 is not known")
	require.Contains(t, warnings, "NodeClaim/b")
}

// FuzzConvert: no input makes the conversion panic, and what it writes can be read again.
func FuzzConvert(f *testing.F) {
	for _, text := range cases(f) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		documents, err := manifest.Read("in.yaml", text)
		if err != nil {
			return
		}
		result, err := convert.Convert(documents, convert.Options{})
		if err != nil {
			return
		}
		var out strings.Builder
		require.NoError(t, manifest.Write(&out, result.Documents))
	})
}
