package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/tools/licences/notice"
)

func TestCheck(t *testing.T) {
	licence := func(name string, ids ...string) notice.Module {
		return notice.Module{Path: name, Version: "v1", Licences: ids, Files: []notice.File{{Name: "LICENSE", Licences: ids}}}
	}
	require.NoError(t, check([]notice.Module{licence("a", "MIT"), licence("b", "Apache-2.0", "BSD-3-Clause"), licence(notice.Std, "BSD-3-Clause", "OpenSSL")}))
	err := check([]notice.Module{licence("a", "MIT"), licence("free", "GPL-3.0"), licence("strange"), licence("c", "MIT", "OpenSSL"), {Path: "bare"}})
	require.ErrorContains(t, err, "free v1: GPL-3.0 is not among the licences")
	require.ErrorContains(t, err, "strange v1: no licence file is understood")
	require.ErrorContains(t, err, "c v1: OpenSSL is not among", "what is excused is excused for one module only")
	require.ErrorContains(t, err, "bare : no licence file is understood")
	require.Len(t, strings.Split(err.Error(), "\n"), 4)
}

func TestThisProgramsOwnModulesMayBeShipped(t *testing.T) {
	t.Chdir("../..")
	out := &bytes.Buffer{}
	require.NoError(t, run(t.Context(), out, []string{"./tools/licences"}))
	require.Regexp(t, `github.com/google/licensecheck +v\S+ +BSD-3-Clause`, out.String())
	require.Regexp(t, `std +go\S+ +BSD-3-Clause`, out.String())
	require.Regexp(t, `karpenter-oke/karpenter-oke +Apache-2.0`, out.String())
}

func TestTheTextsThatGoWithAProgramAreWritten(t *testing.T) {
	t.Chdir("../..")
	folder := t.TempDir()
	require.NoError(t, run(t.Context(), &bytes.Buffer{}, []string{"--quiet", "--platforms", "linux/amd64", "--write", folder, "./tools/licences"}))
	own, err := os.ReadFile("LICENSE")
	require.NoError(t, err)
	written, err := os.ReadFile(filepath.Join(folder, "github.com/karpenter-oke/karpenter-oke/LICENSE"))
	require.NoError(t, err)
	require.Equal(t, string(own), string(written))
	linked, err := filepath.Glob(filepath.Join(folder, "github.com/google/licensecheck@v*/LICENSE"))
	require.NoError(t, err)
	require.Len(t, linked, 1)
	require.ErrorContains(t, run(t.Context(), &bytes.Buffer{}, []string{"--quiet", "--platforms", "linux", "./tools/licences"}), "is not written os/arch")
}
