package docs

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/oracle/oci-go-sdk/v65/containerengine"
	"github.com/oracle/oci-go-sdk/v65/events"
	"github.com/oracle/oci-go-sdk/v65/identity"
	"github.com/oracle/oci-go-sdk/v65/streaming"
	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	"github.com/zclconf/go-cty/cty"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/karpenter-oke/karpenter-oke/pkg/virtualnode"
)

// given are values for the variables of the module iam that tell every place from the others.
func given(features ...string) map[string]cty.Value {
	list := cty.SetValEmpty(cty.String)
	if len(features) > 0 {
		list = cty.SetVal(lo.Map(features, func(f string, _ int) cty.Value { return cty.StringVal(f) }))
	}
	return map[string]cty.Value{
		"tenancy_id": cty.StringVal("ocid1.tenancy.t"), "cluster_id": cty.StringVal("ocid1.cluster.c"),
		"cluster_compartment_id": cty.StringVal("cluster"), "node_compartment_id": cty.StringVal("nodes"),
		"network_compartment_id": cty.StringVal("network"), "stream_compartment_id": cty.StringVal("stream"),
		"key_compartment_id": cty.StringVal("keys"), "features": list,
	}
}

const workloadCondition = " where all {request.principal.type = 'workload', request.principal.namespace = 'karpenter', " +
	"request.principal.service_account = 'karpenter-oke', request.principal.cluster_id = 'ocid1.cluster.c'}"

func TestTheModuleGrantsTheRightsOfThePageAndNoOthers(t *testing.T) {
	module, parts := readModule(t, "iam"), rightsOfPage(t)
	delete(parts, basePart)
	features := lo.Keys(parts)
	slices.Sort(features)
	t.Run("the variable takes the page's features", func(t *testing.T) {
		require.NoError(t, module.validate(given(features...), "features"))
		require.Error(t, module.validate(given("no-such-feature"), "features"))
	})
	for _, chosen := range append([][]string{nil, features}, lo.Map(features, func(f string, _ int) []string { return []string{f} })...) {
		t.Run("with "+strings.Join(chosen, ","), func(t *testing.T) {
			want := sets.New[string]()
			all := rightsOfPage(t)
			for _, part := range append([]string{basePart}, chosen...) {
				for _, r := range all[part] {
					for _, place := range r.places {
						in := "compartment id " + place
						if place == "tenancy" {
							in = place
						}
						want.Insert("Allow any-user to " + r.right + " in " + in + workloadCondition)
					}
				}
			}
			if slices.Contains(chosen, "vault-keys") {
				want.Insert("Allow service blockstorage to use keys in compartment id keys")
			}
			got := module.texts(t, given(chosen...), "oci_identity_policy", "controller", "statements")
			require.ElementsMatch(t, sets.List(want), got)
		})
	}
}

func TestPlacesThatAreLeftOutAreTheNodesCompartment(t *testing.T) {
	values := given("interruptions", "vault-keys")
	for _, name := range []string{"network_compartment_id", "stream_compartment_id", "key_compartment_id"} {
		delete(values, name)
	}
	got := readModule(t, "iam").texts(t, values, "oci_identity_policy", "controller", "statements")
	require.Contains(t, got, "Allow any-user to use subnets in compartment id nodes"+workloadCondition)
	require.Contains(t, got, "Allow any-user to use stream-pull in compartment id nodes"+workloadCondition)
	require.Len(t, sets.New(got...), len(got), "no statement twice")
}

func TestTheStatementsForNodesAndEventsAreThoseOfThePage(t *testing.T) {
	page := strings.NewReplacer("<", "", ">", "").Replace(readFile(t, iamPage))
	iam := readModule(t, "iam")
	join := iam.texts(t, given(), "oci_identity_policy", "nodes", "statements")
	require.Equal(t, []string{"Allow dynamic-group id oci_identity_dynamic_group.nodes.id to {CLUSTER_JOIN} in compartment id cluster where target.cluster.id = 'ocid1.cluster.c'"}, join)
	require.Contains(t, page, "to {CLUSTER_JOIN} in compartment id cluster where target.cluster.id = 'cluster OCID'")
	rule := iam.texts(t, given(), "oci_identity_dynamic_group", "nodes", "matching_rule")
	require.Contains(t, page, rule[0])

	values := map[string]cty.Value{"node_compartment_id": cty.StringVal("nodes"), "stream_compartment_id": cty.StringVal("stream")}
	interruptions := readModule(t, "interruptions")
	push := interruptions.texts(t, values, "oci_identity_policy", "rule", "statements")
	require.Contains(t, page, push[0])
	var condition struct {
		EventType []string `json:"eventType"`
	}
	require.NoError(t, json.Unmarshal([]byte(interruptions.texts(t, values, "oci_events_rule", "interruptions", "condition")[0]), &condition))
	require.NotEmpty(t, condition.EventType)
	for _, kind := range condition.EventType {
		require.Contains(t, page, `"`+kind+`"`)
	}
}

func TestVirtualNodesBearTheTaintAndTheLabelThatTheFilterGoesBy(t *testing.T) {
	pool := readModule(t, "virtual-nodes").resource(t, "oci_containerengine_virtual_node_pool", "this")
	values := func(block string) map[string]string {
		found := lo.Filter(pool.Blocks, func(b blockText, _ int) bool { return b.kind == block })
		require.Len(t, found, 1)
		return found[0].literals
	}
	taint := values("taints")
	require.Equal(t, virtualnode.DefaultTaint, fmt.Sprintf("%s=%s:%s", taint["key"], taint["value"], taint["effect"]))
	label := values("initial_virtual_node_labels")
	require.Contains(t, strings.Split(virtualnode.DefaultMarkers, ","), fmt.Sprintf("label:%s=%s", label["key"], label["value"]))
}

// TestEveryArgumentIsAFieldOfTheAPI holds the arguments of resources against what the SDK sends to make them: Oracle's Terraform
// provider is generated from the same API and names them alike, in snake case.
func TestEveryArgumentIsAFieldOfTheAPI(t *testing.T) {
	made := map[string]any{
		"oci_identity_policy":                   identity.CreatePolicyDetails{},
		"oci_identity_dynamic_group":            identity.CreateDynamicGroupDetails{},
		"oci_streaming_stream":                  streaming.CreateStreamDetails{},
		"oci_events_rule":                       events.CreateRuleDetails{},
		"oci_containerengine_virtual_node_pool": containerengine.CreateVirtualNodePoolDetails{},
	}
	seen := sets.New[string]()
	for _, name := range []string{"iam", "interruptions", "virtual-nodes"} {
		for _, resource := range readModule(t, name).resources(t) {
			details, ok := made[resource.labels[0]]
			require.True(t, ok, "no API type is known for %s", resource.labels[0])
			seen.Insert(resource.labels[0])
			checkFields(t, resource.labels[0], resource, reflect.TypeOf(details))
		}
	}
	require.Len(t, seen, len(made))
}

// ofTerraform are arguments that Terraform itself has for every resource.
var ofTerraform = sets.New("depends_on", "lifecycle", "provider", "count", "for_each")

func checkFields(t *testing.T, path string, block blockText, of reflect.Type) {
	t.Helper()
	fields := map[string]reflect.StructField{}
	mandatory := sets.New[string]()
	for i := range of.NumField() {
		field := of.Field(i)
		name := snakeCase(strings.Split(field.Tag.Get("json"), ",")[0])
		fields[name] = field
		if field.Tag.Get("mandatory") == "true" {
			mandatory.Insert(name)
		}
	}
	given := sets.New(block.arguments...)
	for _, inner := range block.Blocks {
		given.Insert(inner.kind)
		field, ok := fields[inner.kind]
		require.True(t, ok, "%s has no block %s", path, inner.kind)
		if target := structOf(field.Type); target != nil {
			checkFields(t, path+"."+inner.kind, inner, target)
		}
	}
	for _, argument := range block.arguments {
		_, ok := fields[argument]
		require.True(t, ok || ofTerraform.Has(argument), "%s has no argument %s", path, argument)
	}
	require.Empty(t, sets.List(mandatory.Difference(given)), "%s lacks what the API requires", path)
}

// structOf is the struct behind pointers and lists; nil for others. An interface, as that of the actions of a rule, has one of
// several forms: the one that this project uses.
func structOf(of reflect.Type) reflect.Type {
	for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice {
		of = of.Elem()
	}
	if of == reflect.TypeFor[events.ActionDetails]() {
		return reflect.TypeFor[streamAction]()
	}
	if of.Kind() != reflect.Struct {
		return nil
	}
	return of
}

// streamAction is events.CreateStreamingServiceActionDetails with the discriminator that it is sent with.
type streamAction struct {
	ActionType  string `json:"actionType" mandatory:"true"`
	IsEnabled   *bool  `json:"isEnabled" mandatory:"true"`
	StreamID    string `json:"streamId" mandatory:"true"`
	Description string `json:"description"`
}

var upper = regexp.MustCompile(`([a-z0-9])([A-Z])`)

func snakeCase(name string) string { return strings.ToLower(upper.ReplaceAllString(name, "${1}_${2}")) }

// TestTheExampleGivesModulesWhatTheyAskFor checks calls of modules: every required variable is given, none that is not there.
func TestTheExampleGivesModulesWhatTheyAskFor(t *testing.T) {
	example := readModuleAt(t, filepath.Join(root, "deploy", "terraform", "example"))
	own := sets.New(lo.Keys(example.variables)...)
	calls := example.blocks(t, "module")
	require.NotEmpty(t, calls)
	for _, call := range calls {
		source := call.literals["source"]
		module := readModuleAt(t, filepath.Join(example.folder, source))
		givenHere := sets.New(call.arguments...).Difference(sets.New("source", "providers", "version"))
		require.Empty(t, sets.List(givenHere.Difference(sets.New(lo.Keys(module.variables)...))), "%s has no such variables", source)
		require.Empty(t, sets.List(module.required().Difference(givenHere)), "%s needs them", source)
		for _, used := range call.uses["var"] {
			require.Contains(t, sets.List(own), used)
		}
	}
	for _, used := range example.blocks(t, "output") {
		for _, name := range used.uses["module"] {
			output := strings.SplitN(name, ".", 2)
			call, ok := lo.Find(calls, func(b blockText) bool { return b.labels[0] == output[0] })
			require.True(t, ok, "no module %s", output[0])
			outputs := readModuleAt(t, filepath.Join(example.folder, call.literals["source"])).blocks(t, "output")
			require.True(t, slices.ContainsFunc(outputs, func(b blockText) bool { return b.labels[0] == output[1] }), "no output %s", name)
		}
	}
}

func TestTerraformIsFormattedAndDocumented(t *testing.T) {
	folders, err := filepath.Glob(filepath.Join(root, "deploy", "terraform", "modules", "*"))
	require.NoError(t, err)
	require.Len(t, folders, 3)
	for _, folder := range append(folders, filepath.Join(root, "deploy", "terraform", "example")) {
		module := readModuleAt(t, folder)
		for _, kind := range []string{"variable", "output"} {
			for _, b := range module.blocks(t, kind) {
				require.NotEmpty(t, b.literals["description"], "%s: %s %s", folder, kind, b.labels[0])
			}
		}
		used := module.usesOf("var")
		require.Equal(t, sets.List(sets.New(lo.Keys(module.variables)...)), sets.List(used), "%s: variables that are declared, and that are used", folder)
		files, err := filepath.Glob(filepath.Join(folder, "*.tf"))
		require.NoError(t, err)
		for _, file := range files {
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Equal(t, formatted(data), string(data), "%s is not formatted as `terraform fmt` does", file)
		}
	}
}
