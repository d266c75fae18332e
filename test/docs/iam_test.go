package docs

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/yaml"
)

const (
	iamPage  = "docs/iam.md"
	basePart = "base"
)

var verbs = []string{"inspect", "read", "use", "manage"}

// permissions is testdata/permissions.yaml: what Oracle's policy references say.
type permissions struct {
	Operations map[string]struct {
		Needs []string            `json:"needs"`
		Also  map[string][]string `json:"also"` // by part
	} `json:"operations"`
	Resources map[string]map[string][]string `json:"resources"` // by verb, without what smaller verbs give
}

func readPermissions(t *testing.T) permissions {
	t.Helper()
	data, err := os.ReadFile("testdata/permissions.yaml")
	require.NoError(t, err)
	var out permissions
	require.NoError(t, yaml.UnmarshalStrict(data, &out))
	return out
}

// needs is what an operation needs in a part of the page: in the base part, and in a part that is about other operations, all that it
// needs always; besides, what it needs only with the feature of the part.
func (p permissions) needs(t *testing.T, operation, part string) sets.Set[string] {
	t.Helper()
	known, ok := p.Operations[operation]
	require.True(t, ok, "testdata/permissions.yaml does not say what %s needs", operation)
	return sets.New(known.Needs...).Insert(known.Also[part]...)
}

// gives is what rights such as "use vnics" give together.
func (p permissions) gives(t *testing.T, rights ...string) sets.Set[string] {
	t.Helper()
	out := sets.New[string]()
	for _, right := range rights {
		if permission, ok := single(right); ok {
			out.Insert(permission)
			continue
		}
		verb, resource, _ := strings.Cut(right, " ")
		byVerb, ok := p.Resources[resource]
		require.True(t, ok, "testdata/permissions.yaml does not know the resource type %s", resource)
		require.Contains(t, verbs, verb)
		for _, v := range verbs[:slices.Index(verbs, verb)+1] {
			out.Insert(byVerb[v]...)
		}
	}
	return out
}

// single is the permission of a right that is one by its name, such as {CLUSTER_JOIN}, instead of a verb and a resource type.
func single(right string) (string, bool) {
	name, ok := strings.CutPrefix(right, "{")
	return strings.TrimSuffix(name, "}"), ok
}

// row is a line of a table of rights.
type row struct {
	right      string
	places     []string
	operations []string
}

var (
	partOfPage = regexp.MustCompile(`(?s)<!-- begin rights: ([a-z-]+) -->\n(.*?)<!-- end rights -->`)
	rowOfTable = regexp.MustCompile("(?m)^\\| `([a-z]+ [a-z-]+|\\{[A-Z_]+\\})` \\| ([a-z, ]+) \\| (.+) \\|$")
	quoted     = regexp.MustCompile("`([A-Za-z]+)`")
)

// rightsOfPage reads the tables of rights of docs/iam.md, by part.
func rightsOfPage(t *testing.T) map[string][]row {
	t.Helper()
	out := map[string][]row{}
	for _, part := range partOfPage.FindAllStringSubmatch(readFile(t, iamPage), -1) {
		lines := strings.Count(strings.TrimSpace(part[2]), "\n") - 1 // without head and rule
		for _, m := range rowOfTable.FindAllStringSubmatch(part[2], -1) {
			operations := lo.Map(quoted.FindAllStringSubmatch(m[3], -1), func(q []string, _ int) string { return q[1] })
			require.NotEmpty(t, operations, m[0])
			out[part[1]] = append(out[part[1]], row{right: m[1], places: strings.Split(m[2], ", "), operations: operations})
		}
		require.Len(t, out[part[1]], lines, "the table %s has lines that can not be read", part[1])
	}
	require.NotEmpty(t, out[basePart])
	return out
}

func rightsOf(rows []row) []string {
	return lo.Map(rows, func(r row, _ int) string { return r.right })
}

// granted are the rights of a controller that uses one feature.
func granted(parts map[string][]row, part string) []string {
	if part == basePart {
		return rightsOf(parts[basePart])
	}
	return append(rightsOf(parts[basePart]), rightsOf(parts[part])...)
}

func TestThePageListsEveryOperationThatTheCodeCalls(t *testing.T) {
	listed, called := sets.New[string](), operationsOfCode(t)
	for _, rows := range rightsOfPage(t) {
		for _, r := range rows {
			listed.Insert(r.operations...)
		}
	}
	require.Equal(t, sets.List(called), sets.List(listed), "expected: what pkg/oci calls; actual: what %s lists", iamPage)
}

func TestTheRightsOfThePageAllowItsOperations(t *testing.T) {
	known, parts := readPermissions(t), rightsOfPage(t)
	for part, rows := range parts {
		gives := known.gives(t, granted(parts, part)...)
		for _, r := range rows {
			for _, operation := range r.operations {
				missing := known.needs(t, operation, part).Difference(gives)
				require.Empty(t, sets.List(missing), "%s: %s is not allowed by the rights of this part and the base", part, operation)
			}
		}
	}
}

func TestEveryRightOfThePageIsNeededByTheOperationsBesideIt(t *testing.T) {
	known, parts := readPermissions(t), rightsOfPage(t)
	for part, rows := range parts {
		for _, r := range rows {
			for _, operation := range r.operations {
				used := known.needs(t, operation, part).Intersection(known.gives(t, r.right))
				require.NotEmpty(t, sets.List(used), "%s: %s needs nothing of %q", part, operation, r.right)
			}
			verb, resource, _ := strings.Cut(r.right, " ")
			if _, ok := single(r.right); ok {
				continue // nothing is smaller
			}
			if i := slices.Index(verbs, verb); i > 0 {
				smaller := known.gives(t, verbs[i-1]+" "+resource)
				enough := lo.EveryBy(r.operations, func(operation string) bool {
					used := known.needs(t, operation, part).Intersection(known.gives(t, r.right))
					return smaller.IsSuperset(used)
				})
				require.False(t, enough, "%s: %q gives all that is needed of %q", part, verbs[i-1]+" "+resource, r.right)
			}
		}
	}
}

// TestARefusalNamesARightOfThePage holds the statements that the controller suggests against the page.
func TestARefusalNamesARightOfThePage(t *testing.T) {
	all := sets.New[string]()
	for _, rows := range rightsOfPage(t) {
		all.Insert(rightsOf(rows)...)
	}
	words := regexp.MustCompile(`Refusal\{"([a-z-]+)", "([a-z]+)"\}`).FindAllStringSubmatch(readFile(t, "pkg/oci/rights.go"), -1)
	require.NotEmpty(t, words)
	for _, w := range words {
		require.Contains(t, sets.List(all), fmt.Sprintf("%s %s", w[2], w[1]), "pkg/oci/rights.go")
	}
	suggestion := regexp.MustCompile(`Statement\("([a-z]+)", "([a-z-]+)"`)
	suggested := 0
	require.NoError(t, filepath.WalkDir(filepath.Join(root, "pkg"), func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return err
		}
		data, err := os.ReadFile(path)
		for _, s := range suggestion.FindAllStringSubmatch(string(data), -1) {
			suggested++
			// A check at the start asks for less than the page where it tries less.
			require.True(t, slices.ContainsFunc(verbs[slices.Index(verbs, s[1]):], func(verb string) bool { return all.Has(verb + " " + s[2]) }),
				"%s suggests %s %s, which the page does not have", path, s[1], s[2])
		}
		return err
	}))
	require.Greater(t, suggested, 10)
}
