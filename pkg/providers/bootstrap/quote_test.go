package bootstrap

import (
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
)

// A true bash is the judge here: what it reads as one word must be what was quoted.
func TestShellQuoteIsOneWordToBash(t *testing.T) {
	bash, err := exec.LookPath("bash")
	require.NoError(t, err, "make needs bash as well")
	pieces := []string{"a", " ", "'", "''", `"`, `\`, `\\`, `\'`, "\r", "\r\n", "\n", "\t", "$", "$'", "$(reboot)", "`id`", "!", "!!", "~", "*", "é", "漢", "\ufeff", "\x01", "\x7f", "%s", "-n", "#", ";", "&", "\\r", "\\n", "EOF\n"}
	random := rand.New(rand.NewPCG(3, 4))
	const words = 500
	var script strings.Builder
	var want []string
	for range words {
		var word strings.Builder
		for range random.IntN(20) {
			word.WriteString(pieces[random.IntN(len(pieces))])
		}
		want = append(want, word.String())
		script.WriteString("printf '%s\\0' " + shellQuote(word.String()) + "\n")
	}
	command := exec.CommandContext(t.Context(), bash, "--noprofile", "--norc", "-s")
	command.Stdin = strings.NewReader(script.String())
	command.Env = []string{"PATH=/nowhere", "LC_ALL=C.UTF-8"}
	out, err := command.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Equal(t, want, strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00"))
}

// The whole script must be a script to a true bash too.
func TestScriptIsBash(t *testing.T) {
	for name, node := range everyFamily() {
		command := exec.CommandContext(t.Context(), "bash", "--noprofile", "--norc", "-n")
		command.Stdin = strings.NewReader(script(node, []string{"--v=2"}))
		out, err := command.CombinedOutput()
		require.NoError(t, err, "%s: %s", name, out)
	}
}

func everyFamily() map[string]Node {
	node := Node{Endpoint: "10.0.0.14", CABundle: caBundle, PreInstall: "it's\r\n", PostInstall: "exit 1", BlockDevices: []v1alpha1.BlockDevice{{MountPath: "/data"}}}
	ubuntu := node
	ubuntu.Family = v1alpha1.ImageFamilyUbuntu
	return map[string]Node{"Oracle Linux": node, "Ubuntu": ubuntu}
}
