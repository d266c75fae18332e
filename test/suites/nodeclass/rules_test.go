package nodeclass_test

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// rule is something that the schema demands. The fragments are laid over a valid spec.
type rule struct {
	says    string // what a rejection says, in whole for our own rules
	accepts []string
	rejects []string
}

// rules are all rules, by a sentence that tells what each demands.
func rules(t *testing.T) map[string]rule {
	t.Helper()
	all := map[string]rule{}
	for _, group := range []map[string]rule{selectorRules, imageRules, networkRules, storageRules, placementRules, instanceRules, bootstrapRules, kubeletRules, tagRules} {
		for name, r := range group {
			require.NotContains(t, all, name)
			all[name] = r
		}
	}
	return all
}

func TestEveryRuleAcceptsAndRejects(t *testing.T) {
	for name, r := range rules(t) {
		t.Run(name, func(t *testing.T) {
			require.NotEmpty(t, r.accepts)
			require.NotEmpty(t, r.rejects)
			for _, fragment := range r.accepts {
				assert.Empty(t, causes(t, class(t, fragment)), "must be accepted: %s", fragment)
			}
			for _, fragment := range r.rejects {
				complaints := causes(t, class(t, fragment))
				assert.True(t, slices.ContainsFunc(complaints, func(c metav1.StatusCause) bool { return strings.Contains(c.Message, r.says) }),
					"must be rejected with %q: %s\nthe API server says: %v", r.says, fragment, complaints)
			}
		})
	}
}

// TestEveryRuleOfTheSchemaIsTried fails when a rule is added to the schema without a test here.
func TestEveryRuleOfTheSchemaIsTried(t *testing.T) {
	tried := map[string]bool{}
	for _, r := range rules(t) {
		tried[r.says] = true
	}
	var untried []string
	walk(specSchema(t), "spec", func(path string, node schema) {
		for _, validation := range node.list("x-kubernetes-validations") {
			if message := validation.text("message"); !tried[message] {
				untried = append(untried, path+": "+message)
			}
		}
	})
	require.Empty(t, untried)
}

// TestEveryLimitOfTheSchemaIsTried does the same for limits: some fragment must exceed each, in a field of that name.
func TestEveryLimitOfTheSchemaIsTried(t *testing.T) {
	exceeded := map[string]bool{}
	for _, r := range rules(t) {
		for _, fragment := range r.rejects {
			for _, c := range causes(t, class(t, fragment)) {
				for _, limit := range limitsIn(c.Message) {
					exceeded[leaf(c.Field)+" "+limit] = true
				}
			}
		}
	}
	untried := map[string]bool{}
	walk(specSchema(t), "spec", func(path string, node schema) {
		for limit := range complaintsOf {
			if _, has := node[limit]; has && !exceeded[leaf(path)+" "+limit] {
				untried[path+" "+limit] = true
			}
		}
	})
	require.Empty(t, slices.Sorted(maps.Keys(untried)))
}

// complaintsOf gives what the API server says when a limit of the schema is exceeded.
var complaintsOf = map[string]string{
	"enum": "Unsupported value", "minimum": "greater than or equal to", "maximum": "less than or equal to", "multipleOf": "multiple of",
	"minLength": "at least 1 chars long|at least 2 chars long", "maxLength": "may not be more than", "minItems": "should have at least 1 items",
	"maxItems": "must have at most [0-9]+ item", "minProperties": "should have at least 1 properties", "maxProperties": "must have at most [0-9]+ (item|propert)",
}

func limitsIn(message string) []string {
	var limits []string
	for limit, complaint := range complaintsOf {
		if regexp.MustCompile(complaint).MatchString(message) {
			limits = append(limits, limit)
		}
	}
	return limits
}

// mapFields are the fields that are maps: below them a path has keys that users choose.
var mapFields = []string{"freeFormTags", "definedTags", "tags", "metaData", "systemReserved", "kubeReserved", "evictionHard", "evictionSoft", "evictionSoftGracePeriod"}

// leaf is the last name of a path without the place in a list; below a map, the map's name and .* for each key.
func leaf(path string) string {
	parts := strings.Split(regexp.MustCompile(`\[[^\]]*\]`).ReplaceAllString(path, ""), ".")
	for i, part := range parts {
		if slices.Contains(mapFields, part) {
			return part + strings.Repeat(".*", len(parts)-1-i)
		}
	}
	return parts[len(parts)-1]
}
