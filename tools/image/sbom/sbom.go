// Package sbom writes a program's software bill of materials as CycloneDX JSON, from what the linker recorded in the program itself.
package sbom

import (
	"bytes"
	"debug/buildinfo"
	"fmt"
	"io"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	cyclonedx "github.com/CycloneDX/cyclonedx-go"
	"github.com/google/uuid"
	"github.com/samber/lo"
)

// Subject is the program that the bill is about.
type Subject struct {
	Name     string
	Version  string
	Platform string // os/arch
	Created  time.Time
	Licences map[string][]string // SPDX identifiers by module path; "std" is the standard library
}

// Of makes the bill of a program that was built by Go.
func Of(program []byte, s Subject) (*cyclonedx.BOM, error) {
	info, err := buildinfo.Read(bytes.NewReader(program))
	if err != nil {
		return nil, fmt.Errorf("reading what was linked into %s: %w", s.Name, err)
	}
	main := cyclonedx.Component{
		BOMRef: purl(info.Main.Path, s.Version, s.Platform), PackageURL: purl(info.Main.Path, s.Version, s.Platform),
		Type: cyclonedx.ComponentTypeApplication, Name: s.Name, Version: s.Version, Licenses: licences(s.Licences[info.Main.Path]),
	}
	components := []cyclonedx.Component{library("std", info.GoVersion, "", s.Licences["std"])}
	for _, dep := range info.Deps {
		used := lo.CoalesceOrEmpty(dep.Replace, dep)
		components = append(components, library(used.Path, used.Version, used.Sum, s.Licences[dep.Path]))
	}
	slices.SortFunc(components, func(a, b cyclonedx.Component) int { return strings.Compare(a.BOMRef, b.BOMRef) })
	bom := cyclonedx.NewBOM()
	// The number follows from the program, so that the same program has the same bill.
	bom.SerialNumber = uuid.NewSHA1(uuid.NameSpaceURL, program).URN()
	bom.Metadata = &cyclonedx.Metadata{Timestamp: s.Created.UTC().Format(time.RFC3339), Component: &main, Properties: settings(info)}
	bom.Components = &components
	refs := lo.Map(components, func(c cyclonedx.Component, _ int) string { return c.BOMRef })
	bom.Dependencies = &[]cyclonedx.Dependency{{Ref: main.BOMRef, Dependencies: &refs}}
	return bom, nil
}

// Encode writes the bill as JSON.
func Encode(w io.Writer, bom *cyclonedx.BOM) error {
	if err := cyclonedx.NewBOMEncoder(w, cyclonedx.BOMFileFormatJSON).SetPretty(true).SetEscapeHTML(false).EncodeVersion(bom, cyclonedx.SpecVersion1_6); err != nil {
		return fmt.Errorf("encoding the bill of materials: %w", err)
	}
	return nil
}

func library(path, version, sum string, ids []string) cyclonedx.Component {
	c := cyclonedx.Component{
		BOMRef: purl(path, version, ""), PackageURL: purl(path, version, ""), Type: cyclonedx.ComponentTypeLibrary, Name: path, Version: version, Licenses: licences(ids),
	}
	if sum != "" {
		c.Properties = &[]cyclonedx.Property{{Name: "go.sum", Value: sum}}
	}
	return c
}

// purl is a package URL; the go command writes modules in it as they are, escaped once.
func purl(path, version, platform string) string {
	text := "pkg:golang/" + strings.TrimPrefix((&url.URL{Path: path}).EscapedPath(), "./") + "@" + url.PathEscape(version)
	if goos, goarch, ok := strings.Cut(platform, "/"); ok {
		text += "?type=module&goos=" + goos + "&goarch=" + goarch
	}
	return text
}

func licences(ids []string) *cyclonedx.Licenses {
	if len(ids) == 0 {
		return nil
	}
	choices := cyclonedx.Licenses(lo.Map(ids, func(id string, _ int) cyclonedx.LicenseChoice {
		return cyclonedx.LicenseChoice{License: &cyclonedx.License{ID: id}}
	}))
	return &choices
}

// settings are those of the build that decide what is in the program.
func settings(info *debug.BuildInfo) *[]cyclonedx.Property {
	properties := lo.FilterMap(info.Settings, func(s debug.BuildSetting, _ int) (cyclonedx.Property, bool) {
		return cyclonedx.Property{Name: "go." + strings.TrimPrefix(s.Key, "-"), Value: s.Value}, lo.Contains([]string{"CGO_ENABLED", "GOARCH", "GOOS", "GOAMD64", "GOARM64", "-trimpath"}, s.Key)
	})
	return &properties
}
