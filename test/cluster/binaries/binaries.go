// Package binaries finds the programs that `make tools` builds and tells a missing or half-built one apart from a good one.
package binaries

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Mend is the command that builds what is missing; errors of this package name it.
const Mend = "make tools"

// Stamp is what the builder writes beside a finished binary, in .stamps/<name>.json.
type Stamp struct {
	Hash    string `json:"hash"`    // of everything the binary was made from
	Size    int64  `json:"size"`    // bytes of the finished binary
	Version string `json:"version"` // of the program
}

// Missing lists programs that are absent or not whole.
type Missing struct {
	Dir     string
	Reasons []string
}

func (m *Missing) Error() string {
	return fmt.Sprintf("%s is not complete (%s): run `%s`", m.Dir, strings.Join(m.Reasons, "; "), Mend)
}

// Check returns *Missing when one of the named programs in dir is absent, not executable, has no stamp or another size than its stamp says.
func Check(dir string, names ...string) error {
	var reasons []string
	for _, name := range names {
		if err := check(dir, name); err != nil {
			reasons = append(reasons, err.Error())
		}
	}
	if len(reasons) > 0 {
		return &Missing{Dir: dir, Reasons: reasons}
	}
	return nil
}

func check(dir, name string) error {
	info, err := os.Stat(filepath.Join(dir, name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s is missing", name)
	case err != nil:
		return fmt.Errorf("%s cannot be read: %w", name, err)
	case info.IsDir() || info.Mode()&0o111 == 0:
		return fmt.Errorf("%s is not a program", name)
	}
	stamp, err := ReadStamp(dir, name)
	if err != nil {
		return fmt.Errorf("%s has no stamp of a finished build", name)
	}
	if stamp.Size != info.Size() {
		return fmt.Errorf("%s is half built (%d of %d bytes)", name, info.Size(), stamp.Size)
	}
	return nil
}

// ReadStamp reads the stamp of one program.
func ReadStamp(dir, name string) (Stamp, error) {
	var s Stamp
	data, err := os.ReadFile(filepath.Join(dir, ".stamps", name+".json"))
	if err != nil {
		return s, fmt.Errorf("reading the stamp of %s: %w", name, err)
	}
	if err := json.Unmarshal(data, &s); err != nil {
		return s, fmt.Errorf("reading the stamp of %s: %w", name, err)
	}
	return s, nil
}

// Find returns the bin folder of the repository that contains the working directory: $KARPENTER_OKE_BIN when set, else
// bin/ beside the nearest go.mod above.
func Find() (string, error) {
	if dir := os.Getenv("KARPENTER_OKE_BIN"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("finding the repository: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(dir, "bin"), nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("finding the repository: no go.mod above the working directory; set KARPENTER_OKE_BIN to the bin folder")
		}
		dir = up
	}
}
