// Package docs holds what the documentation and the Terraform modules say against the code: rights against operations, manifests
// against the definitions, commands and links against what is there.
package docs

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// root is the top of the repository, as seen from this folder.
const root = "../.."

func readFile(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(path)))
	require.NoError(t, err)
	return string(data)
}
