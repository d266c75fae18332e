package convert

import (
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/karpenter-oke/karpenter-oke/pkg/manifest"
)

// TestTheTableHasOneRowForEachFieldOfTheSource compares with the list of fields in the source's schema.
func TestTheTableHasOneRowForEachFieldOfTheSource(t *testing.T) {
	text, err := os.ReadFile("testdata/v1beta1-fields.txt")
	require.NoError(t, err)
	var paths []string
	for _, r := range Rows {
		paths = append(paths, r.Path)
	}
	require.Len(t, byPath, len(Rows), "no path twice")
	require.ElementsMatch(t, strings.Fields(string(text)), paths)
}

// TestTheTypesHaveTheFieldsOfTheTable compares with the types that inputs are read into.
func TestTheTypesHaveTheFieldsOfTheTable(t *testing.T) {
	var found []string
	leaves(reflect.TypeFor[sourceSpec](), "spec", &found)
	var paths []string
	for _, r := range Rows {
		paths = append(paths, r.Path)
	}
	require.ElementsMatch(t, paths, found)
}

// leaves collects the JSON paths of a type down to values, lists of values and maps.
func leaves(typ reflect.Type, path string, out *[]string) {
	for typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	switch {
	case typ.Kind() == reflect.Slice && typ.Elem().Kind() == reflect.Struct:
		leaves(typ.Elem(), path+"[]", out)
	case typ.Kind() == reflect.Struct:
		for field := range typ.Fields() {
			if name := field.Tag.Get("json"); name != "" {
				leaves(field.Type, path+"."+name, out)
			} else {
				leaves(field.Type, path, out)
			}
		}
	default:
		*out = append(*out, path)
	}
}

// TestEveryTargetIsAFieldOfOciNodeClass looks the targets up in the schema.
func TestEveryTargetIsAFieldOfOciNodeClass(t *testing.T) {
	text, err := os.ReadFile("../apis/crds/karpenter.k8s.oracle_ocinodeclasses.yaml")
	require.NoError(t, err)
	var definition map[string]any
	require.NoError(t, yaml.Unmarshal(text, &definition))
	versions, _ := manifest.At(definition, "spec", "versions").([]any)
	require.NotEmpty(t, versions)
	schema := manifest.At(versions[0], "schema", "openAPIV3Schema")
	for _, r := range Rows {
		if r.Target == "" {
			require.True(t, r.Warn, "%s: a field without a target is reported", r.Path)
			require.NotEmpty(t, r.Note, r.Path)
			continue
		}
		if strings.HasPrefix(r.Target, "NodePool: ") {
			continue
		}
		at := schema
		for _, key := range strings.Split(r.Target, ".") {
			at = property(at, key)
			require.NotNil(t, at, "%s: %s of %s", r.Path, key, r.Target)
		}
	}
}

func property(schema any, key string) any {
	out := manifest.At(schema, "properties", strings.TrimSuffix(key, "[]"))
	if strings.HasSuffix(key, "[]") {
		out = manifest.At(out, "items")
	}
	return out
}

// samples are values for fields whose type is not a plain text.
var samples = map[string]any{
	"imageType": "Custom", "osFilter": "Ubuntu", "osVersionFilter": "24.04", "sizeInGBs": 100, "vpusPerGB": 30, "pvEncryptionInTransit": true,
	"assignPublicIp": true, "assignIpV6Ip": true, "skipSourceDestCheck": true, "nicIndex": 1, "ipCount": 8, "ocpus": 2, "memoryInGbs": 16,
	"baselineOcpuUtilization": "BASELINE_1_8", "consistentVolumeNamingEnabled": true, "sshAuthorizedKeys": []any{"ssh-ed25519 AAAA a"},
	"agentList": []any{"Bastion"}, "metadata": map[string]any{"a": "b"}, "extraArgs": "--v=4", "maxPods": 20, "podsPerCore": 2,
	"evictionMaxPodGracePeriod": 5, "imageGCHighThresholdPercent": 90, "imageGCLowThresholdPercent": 10, "clusterDNS": []any{"10.0.0.1"},
	"evictionSoftGracePeriod": map[string]any{"memory.available": "1m"}, "preBootstrapInitScript": "ZWNobwo=", "postBootstrapInitScript": "ZWNobwo=",
}

func sample(path string) any {
	field := path[strings.LastIndexByte(path, '.')+1:]
	if s, ok := samples[field]; ok {
		return s
	}
	switch field {
	case "securityAttributes", "definedTags":
		return map[string]any{"a": map[string]any{"b": "c"}}
	case "freeformTags", "nodeLabels", "systemReserved", "kubeReserved", "evictionHard", "evictionSoft":
		return map[string]any{"a": "b"}
	}
	return "some-text"
}

// TestEachFieldGoesWhereTheTableSays converts each field by itself, beside the fewest that it needs: its target is then there, or a
// warning with its path.
func TestEachFieldGoesWhereTheTableSays(t *testing.T) {
	for _, r := range Rows {
		t.Run(r.Path, func(t *testing.T) {
			spec := map[string]any{}
			put(spec, strings.Split(strings.TrimPrefix(r.Path, "spec."), "."), sample(r.Path))
			switch prefix, field := cutLast(r.Path); field {
			case "osVersionFilter":
				put(spec, strings.Split(strings.TrimPrefix(prefix, "spec.")+".osFilter", "."), "Ubuntu")
			case "compartmentId":
				put(spec, strings.Split(strings.TrimPrefix(prefix, "spec.")+".freeformTags", "."), map[string]any{"k": "v"})
			case "memoryInGbs":
				put(spec, []string{"shapeConfigs[]", "ocpus"}, 2)
			}
			pool := map[string]any{"apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": map[string]any{"name": "p"}, "spec": map[string]any{
				"template": map[string]any{"spec": map[string]any{"nodeClassRef": map[string]any{"group": SourceGroup, "kind": SourceKind, "name": "c"}}},
			}}
			class := map[string]any{"apiVersion": SourceGroup + "/" + SourceVersion, "kind": SourceKind, "metadata": map[string]any{"name": "c"}, "spec": spec}
			result, err := Convert([]manifest.Document{{Object: class}, {Object: pool}}, Options{})
			require.NoError(t, err)
			reported := slices.ContainsFunc(result.Warnings, func(w Warning) bool { return w.Path == strings.ReplaceAll(r.Path, "[]", "[0]") })
			if r.Target == "" {
				require.True(t, reported, "%v", result.Warnings)
				require.NotContains(t, fmt.Sprint(result.Documents[0].Object), "some-text")
				return
			}
			from, target := result.Documents[0].Object, r.Target
			if in, ok := strings.CutPrefix(target, "NodePool: "); ok {
				from, target = result.Documents[1].Object, in
			}
			require.NotNil(t, get(from, strings.Split(target, ".")), "%s of %v", target, from)
		})
	}
}

func cutLast(path string) (before, after string) {
	i := strings.LastIndexByte(path, '.')
	return path[:i], path[i+1:]
}

// TestNoValueOfAFieldMakesTheConversionPanic writes hostile values into every field of a class and into places of a NodePool.
func TestNoValueOfAFieldMakesTheConversionPanic(t *testing.T) {
	hostile := []any{
		"", "=", ",", "a", "-v", "--", "--max-pods", "--node-labels", "<>", "ocid1.", "\x00", "$(reboot)", "H4sI", 1e300, -1.0, 0.0, 0.5, true, false, nil,
		[]any{}, []any{nil}, []any{"a", 1.0}, map[string]any{}, map[string]any{"": ""}, map[string]any{"a": nil}, map[string]any{"a": map[string]any{"b": []any{}}},
	}
	paths := []string{"spec"}
	for path := range inner {
		paths = append(paths, path)
	}
	for _, r := range Rows {
		paths = append(paths, r.Path)
	}
	converted, refused := 0, 0
	for _, path := range paths {
		for _, value := range hostile {
			class := map[string]any{"apiVersion": SourceGroup + "/" + SourceVersion, "kind": SourceKind}
			put(class, strings.Split(path, "."), value)
			if _, err := Convert([]manifest.Document{{Object: class}}, Options{}); err != nil {
				refused++
				continue
			}
			converted++
		}
	}
	for _, path := range []string{"metadata", "metadata.annotations", "spec.template.metadata", "spec.template.metadata.labels", "spec.template.spec.taints", "spec.template.spec.requirements", "spec.template.spec.requirements[].key", "spec.template.spec.requirements[].values", "spec.template.spec.requirements[].operator"} {
		for _, value := range hostile {
			pool := map[string]any{"apiVersion": "karpenter.sh/v1", "kind": "NodePool"}
			put(pool, strings.Split("spec.template.spec.nodeClassRef", "."), map[string]any{"group": SourceGroup, "kind": SourceKind})
			put(pool, strings.Split(path, "."), value)
			if _, err := Convert([]manifest.Document{{Object: pool}}, Options{}); err != nil {
				refused++
				continue
			}
			converted++
		}
	}
	require.NotZero(t, converted)
	require.NotZero(t, refused)
}

// put sets a value at a path whose lists have one element.
func put(fields map[string]any, path []string, value any) {
	key, isList := strings.CutSuffix(path[0], "[]")
	if len(path) == 1 {
		fields[key] = value
		return
	}
	inner, _ := fields[key].(map[string]any)
	if list, ok := fields[key].([]any); ok {
		inner, _ = list[0].(map[string]any)
	}
	if inner == nil {
		inner = map[string]any{}
	}
	put(inner, path[1:], value)
	if fields[key] = inner; isList {
		fields[key] = []any{inner}
	}
}

// get reads the value at a path, of the first element of lists.
func get(value any, path []string) any {
	for _, key := range path {
		key, isList := strings.CutSuffix(key, "[]")
		value = manifest.At(value, key)
		if isList {
			list, _ := value.([]any)
			if len(list) == 0 {
				return nil
			}
			value = list[0]
		}
	}
	return value
}
