package docs

import (
	"flag"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/util/sets"
	coreoptions "sigs.k8s.io/karpenter/pkg/operator/options"

	_ "github.com/karpenter-oke/karpenter-oke/pkg/operator/options" // adds the controller's own flags to core's
	"github.com/karpenter-oke/karpenter-oke/test/docs/markdown"
)

var (
	makeTarget = regexp.MustCompile(`(?m)^([a-z][a-z0-9-]*):`)
	makeName   = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)
	helmSet    = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9.]*)=`)
	valuePath  = regexp.MustCompile("`((?:settings|rbac|metrics|layerRouting|networkPolicy|image|serviceAccount)\\.[A-Za-z.]+)[`=]")
)

// TestEveryCommandOfThePagesExists checks what of a command is this project's: targets of make, charts and their values, flags of the
// controller, files and packages. kubectl's and helm's own words are theirs; those of the plugin are checked beside it.
func TestEveryCommandOfThePagesExists(t *testing.T) {
	targets := sets.New[string]()
	for _, m := range makeTarget.FindAllStringSubmatch(readFile(t, "Makefile"), -1) {
		targets.Insert(m[1])
	}
	flags := controllerFlags()
	checked := 0
	for _, page := range pages(t) {
		for _, command := range markdown.Commands(readFile(t, page)) {
			at, words := command.Line, command.Words
			switch filepath.Base(words[0]) {
			case "make":
				for _, word := range words[1:] {
					if makeName.MatchString(word) && words[0] == "make" {
						require.True(t, targets.Has(word), "%s:%d: there is no target %s", page, at, word)
						checked++
					}
				}
			case "helm":
				checkHelm(t, page, command)
				checked++
			case "karpenter-oke":
				for _, word := range words[1:] {
					if name, _, _ := strings.Cut(strings.TrimLeft(word, "-"), "="); strings.HasPrefix(word, "--") && name != "help" && name != "version" {
						require.True(t, flags.Has(name), "%s:%d: the controller has no flag %s", page, at, word)
						checked++
					}
				}
			case "go":
				for _, word := range words[1:] {
					if path, local := strings.CutPrefix(word, "./"); local {
						_, err := os.Stat(filepath.Join(root, strings.TrimSuffix(strings.TrimSuffix(path, "..."), "/")))
						require.NoError(t, err, "%s:%d", page, at)
						checked++
					}
				}
			}
		}
	}
	require.Greater(t, checked, 15)
}

func checkHelm(t *testing.T, page string, command markdown.Command) {
	t.Helper()
	values := "charts/karpenter-oke/values.yaml"
	for _, word := range command.Words {
		if !strings.HasPrefix(word, "charts/") {
			continue
		}
		_, err := os.Stat(filepath.Join(root, word, "Chart.yaml"))
		require.NoError(t, err, "%s:%d", page, command.Line)
		values = word + "/values.yaml"
	}
	for i, word := range command.Words {
		if i == 0 || command.Words[i-1] != "--set" {
			continue
		}
		for _, pair := range strings.Split(word, ",") {
			m := helmSet.FindStringSubmatch(pair)
			// A page that shows what a typo is answered shows one.
			if m != nil && !slices.Contains([]string{"settings.clusterID"}, m[1]) {
				require.True(t, hasValue(t, values, m[1]), "%s:%d: %s has no %s", page, command.Line, values, m[1])
			}
		}
	}
}

func TestEveryValueThatThePagesNameIsTheCharts(t *testing.T) {
	checked := 0
	for _, page := range pages(t) {
		for _, m := range valuePath.FindAllStringSubmatch(readFile(t, page), -1) {
			require.True(t, hasValue(t, "charts/karpenter-oke/values.yaml", m[1]), "%s names %s", page, m[1])
			checked++
		}
	}
	require.Greater(t, checked, 10)
}

func hasValue(t *testing.T, file, path string) bool {
	t.Helper()
	var at any = readYAML(t, file)
	for _, key := range strings.Split(path, ".") {
		below, ok := at.(map[string]any)
		if !ok {
			return false
		}
		if len(below) == 0 {
			return true // takes any key
		}
		if at, ok = below[key]; !ok {
			return false
		}
	}
	return true
}

func controllerFlags() sets.Set[string] {
	fs := &coreoptions.FlagSet{FlagSet: flag.NewFlagSet("controller", flag.ContinueOnError)}
	fs.SetOutput(io.Discard)
	for _, injectable := range coreoptions.Injectables {
		injectable.AddFlags(fs)
	}
	out := sets.New[string]()
	fs.VisitAll(func(f *flag.Flag) { out.Insert(f.Name) })
	return out
}

// TestEveryFlagThatThePagesNameIsThere checks code within lines that looks like a flag of the controller's own: other programs have none
// that begin with these words.
func TestEveryFlagThatThePagesNameIsThere(t *testing.T) {
	known := controllerFlags()
	flagSpan := regexp.MustCompile("`--((?:oci|oke|virtual|price|flex|shape|interruption|maintenance|preemption|compartment)-[a-z-]*)[` =]")
	checked := 0
	for _, page := range pages(t) {
		if !strings.HasPrefix(page, "docs/") && page != "README.md" {
			continue // designs also speak of what was turned down
		}
		for _, m := range flagSpan.FindAllStringSubmatch(readFile(t, page), -1) {
			require.True(t, known.Has(m[1]), "%s names the flag --%s", page, m[1])
			checked++
		}
	}
	require.Greater(t, checked, 20)
}
