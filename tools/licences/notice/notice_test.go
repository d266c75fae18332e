package notice

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
)

const mit = `MIT License

Copyright (c) 2026 Somebody

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation files (the
"Software"), to deal in the Software without restriction, including without limitation the rights to use, copy, modify, merge, publish,
distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is furnished to do so, subject to
the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF
MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR
ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE
SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
`

// fixture is a module with a licence at its top, another below a package that is used, and one below a package that is not.
func fixture(t *testing.T, top string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module example.com/app\n\ngo 1.26\n", "main.go": "package main\n\nimport _ \"example.com/app/used/deep\"\n\nfunc main() {}\n",
		"LICENSE": top, "license_test.go": "package main\n", "used/deep/deep.go": "package deep\n", "used/NOTICE.txt": "made by many\n", "used/LICENCE.md": mit,
		"unused/unused.go": "package unused\n", "unused/LICENSE": "all rights reserved",
	} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	return dir
}

func TestLicencesAboveWhatIsLinkedAreFound(t *testing.T) {
	modules, err := Linked(t.Context(), fixture(t, mit), []string{"linux/amd64", "linux/arm64"}, ".")
	require.NoError(t, err)
	app, ok := lo.Find(modules, func(m Module) bool { return m.Main })
	require.True(t, ok)
	require.Equal(t, "example.com/app", app.Path)
	require.Equal(t, []string{"LICENSE", "used/LICENCE.md", "used/NOTICE.txt"}, lo.Map(app.Files, func(f File, _ int) string { return f.Name }))
	require.Equal(t, []string{"MIT"}, app.Licences)
	require.True(t, app.Understood())
	std, ok := lo.Find(modules, func(m Module) bool { return m.Path == Std })
	require.True(t, ok)
	require.Contains(t, std.Licences, "BSD-3-Clause")
	require.True(t, std.Understood())
}

func TestALicenceThatNobodyKnowsIsNotUnderstood(t *testing.T) {
	modules, err := Linked(t.Context(), fixture(t, "You may use this on Sundays."), []string{"linux/amd64"}, ".")
	require.NoError(t, err)
	app, _ := lo.Find(modules, func(m Module) bool { return m.Main })
	require.Equal(t, []string{"MIT"}, app.Licences, "of the file below")
	require.False(t, app.Understood())
	require.False(t, Module{}.Understood())
}

func TestClassify(t *testing.T) {
	require.Equal(t, []string{"MIT"}, Classify([]byte(mit)))
	require.Empty(t, Classify([]byte("one two three four")))
}

func TestWhatTheGoCommandRefusesIsSaid(t *testing.T) {
	_, err := Linked(t.Context(), fixture(t, mit), []string{"linux/amd64"}, "./nowhere")
	require.ErrorContains(t, err, "nowhere")
	_, err = Linked(t.Context(), ".", []string{"linux"}, ".")
	require.ErrorContains(t, err, `platform "linux" is not written os/arch`)
}
