// Package notice finds the licences of everything that is linked into a program: of each module, the licence and notice files that
// lie beside or above the packages which are used, and what they say by name (SPDX identifiers).
package notice

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"github.com/google/licensecheck"
	"github.com/samber/lo"
)

// Std is the path of the standard library, as a module.
const Std = "std"

// leastCovered is the percentage of a file's words that must belong to known licences for the file to count as understood. What remains
// are lines of copyright and introductions.
const leastCovered = 75

var (
	licenceName = regexp.MustCompile(`(?i)^(licen[cs]es?|copying|unlicen[cs]e)([-._].*)?$`)
	noticeName  = regexp.MustCompile(`(?i)^(notice|notices|patents|third[-_]?party.*)([-._].*)?$`)
	code        = regexp.MustCompile(`(?i)\.(go|s|c|h|sh|py|ya?ml|json)$`)
)

// Module is a module of which packages are linked.
type Module struct {
	Path     string // Std for the standard library
	Version  string // empty for the main module
	Main     bool
	Files    []File
	Licences []string // SPDX identifiers of all files, sorted; empty when none was understood
}

// File is a licence or notice that has to go with the program.
type File struct {
	Name     string // below the module's folder, with slashes
	Text     []byte
	Licences []string // SPDX identifiers; empty for a notice, and for a licence that was not understood
}

// Understood tells whether a licence of this module is known and no licence file of it is unknown.
func (m Module) Understood() bool {
	return len(m.Licences) > 0 && !slices.ContainsFunc(m.Files, func(f File) bool {
		return licenceName.MatchString(filepath.Base(f.Name)) && len(f.Licences) == 0
	})
}

// Linked lists the modules whose packages are linked into the main packages on any of the platforms ("linux/amd64"), sorted by path.
// It asks the go command in the folder repo, which must be within the main module.
func Linked(ctx context.Context, repo string, platforms []string, packages ...string) ([]Module, error) {
	found := map[string]*Module{}
	seen := map[string]bool{}
	for _, platform := range platforms {
		list, err := listed(ctx, repo, platform, packages)
		if err != nil {
			return nil, err
		}
		for i := range list {
			if err := list[i].addTo(found, seen); err != nil {
				return nil, err
			}
		}
	}
	modules := lo.Map(lo.Values(found), func(m *Module, _ int) Module {
		m.Licences = lo.Uniq(lo.FlatMap(m.Files, func(f File, _ int) []string { return f.Licences }))
		slices.Sort(m.Licences)
		slices.SortFunc(m.Files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
		return *m
	})
	slices.SortFunc(modules, func(a, b Module) int { return strings.Compare(a.Path, b.Path) })
	return modules, nil
}

// goPackage is what the go command says of a package.
type goPackage struct {
	ImportPath, Dir string
	Standard        bool
	Module          *struct {
		Path, Version, Dir string
		Main               bool
	}
}

// listed asks the go command what is linked on a platform.
func listed(ctx context.Context, repo, platform string, packages []string) ([]goPackage, error) {
	goos, goarch, ok := strings.Cut(platform, "/")
	if !ok {
		return nil, fmt.Errorf("platform %q is not written os/arch", platform)
	}
	cmd := exec.CommandContext(ctx, "go", append([]string{"list", "-deps", "-json=ImportPath,Dir,Standard,Module"}, packages...)...)
	cmd.Dir = repo
	cmd.Env = append(os.Environ(), "GOOS="+goos, "GOARCH="+goarch, "CGO_ENABLED=0")
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("listing what is linked into %s: %w: %s", strings.Join(packages, " "), err, said.String())
	}
	var list []goPackage
	for decoder := json.NewDecoder(&out); ; {
		var p goPackage
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return list, nil
		} else if err != nil {
			return nil, fmt.Errorf("reading the go command's list: %w", err)
		}
		list = append(list, p)
	}
}

// addTo adds the package's module, and the files that lie between the package and the module's folder.
func (p *goPackage) addTo(found map[string]*Module, seen map[string]bool) error {
	m := Module{Path: Std, Version: runtime.Version()}
	root := runtime.GOROOT() //nolint:staticcheck // this program is run by the go command, whose root it is
	switch {
	case p.Module != nil:
		m, root = Module{Path: p.Module.Path, Version: p.Module.Version, Main: p.Module.Main}, p.Module.Dir
	case !p.Standard:
		return fmt.Errorf("package %s belongs to no module", p.ImportPath)
	case root == "":
		return errors.New("the standard library's folder is not known: run this by the go command")
	}
	if found[m.Path] == nil {
		found[m.Path] = &m
	}
	for dir := p.Dir; ; dir = filepath.Dir(dir) {
		if rel, err := filepath.Rel(root, dir); err != nil || strings.HasPrefix(rel, "..") {
			break // the standard library's own copies of other modules lie within it
		}
		if !seen[dir] {
			seen[dir] = true
			files, err := filesOf(root, dir)
			if err != nil {
				return fmt.Errorf("reading the licences of %s: %w", m.Path, err)
			}
			found[m.Path].Files = append(found[m.Path].Files, files...)
		}
		if dir == root {
			break
		}
	}
	return nil
}

// filesOf reads the licences and notices in a folder.
func filesOf(root, dir string) ([]File, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var files []File
	for _, entry := range entries {
		name := entry.Name()
		isLicence := licenceName.MatchString(name)
		if !entry.Type().IsRegular() || code.MatchString(name) || !isLicence && !noticeName.MatchString(name) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		rel, err := filepath.Rel(root, filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		file := File{Name: filepath.ToSlash(rel), Text: text}
		if isLicence {
			file.Licences = Classify(text)
		}
		files = append(files, file)
	}
	return files, nil
}

// Classify names the licences in a text by their SPDX identifiers, sorted; nil when too much of the text belongs to none.
func Classify(text []byte) []string {
	coverage := licensecheck.Scan(text)
	if coverage.Percent < leastCovered {
		return nil
	}
	names := lo.Uniq(lo.FilterMap(coverage.Match, func(m licensecheck.Match, _ int) (string, bool) { return m.ID, !m.IsURL }))
	slices.Sort(names)
	return names
}
