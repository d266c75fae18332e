package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"debug/elf"
	"encoding/pem"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/samber/lo"
	"golang.org/x/crypto/x509roots/fallback/bundle"

	"github.com/karpenter-oke/karpenter-oke/tools/image/ociarchive"
	"github.com/karpenter-oke/karpenter-oke/tools/image/sbom"
	"github.com/karpenter-oke/karpenter-oke/tools/licences/notice"
)

const (
	programName = "karpenter-oke"
	mainPackage = "./cmd/controller"
	user        = "65532" // as the chart's security context says
	sources     = "https://github.com/karpenter-oke/karpenter-oke"

	certificatesPath = "etc/ssl/certs/ca-certificates.crt" // where Go looks first
	billPath         = "usr/share/sbom/" + programName + ".cdx.json"
	licencesPath     = "licenses"
)

// checkProgram refuses what would not run in an image without libraries.
func checkProgram(program []byte, platform string) error {
	f, err := elf.NewFile(bytes.NewReader(program))
	if err != nil {
		return fmt.Errorf("the program for %s is no Linux program: %w", platform, err)
	}
	machines := map[elf.Machine]string{elf.EM_X86_64: "linux/amd64", elf.EM_AARCH64: "linux/arm64"}
	if is := machines[f.Machine]; is != platform {
		return fmt.Errorf("the program for %s is one for %s", platform, f.Machine)
	}
	for _, segment := range f.Progs {
		if segment.Type == elf.PT_INTERP {
			return fmt.Errorf("the program for %s needs a dynamic linker, which the image does not have: build it with CGO_ENABLED=0", platform)
		}
	}
	return nil
}

// contents are the layers of the image for a platform, and the program's bill of materials.
func (s *settings) contents(ctx context.Context, platform string, program []byte) (layers []ociarchive.Layer, bill []byte, err error) {
	modules, err := notice.Linked(ctx, ".", []string{platform}, mainPackage)
	if err != nil {
		return nil, nil, err
	}
	bom, err := sbom.Of(program, sbom.Subject{
		Name: programName, Version: s.Version, Platform: platform, Created: s.Created,
		Licences: lo.SliceToMap(modules, func(m notice.Module) (string, []string) { return m.Path, m.Licences }),
	})
	if err != nil {
		return nil, nil, err
	}
	out := &bytes.Buffer{}
	if err := sbom.Encode(out, bom); err != nil {
		return nil, nil, err
	}
	certificates, err := certificates(s.Created)
	if err != nil {
		return nil, nil, err
	}
	return []ociarchive.Layer{
		{About: "certificates and the user", Files: []ociarchive.File{
			{Path: certificatesPath, Mode: 0o444, Data: certificates},
			{Path: "etc/passwd", Mode: 0o444, Data: []byte("root:x:0:0:root:/:/sbin/nologin\nnonroot:x:" + user + ":" + user + ":nonroot:/:/sbin/nologin\n")},
			{Path: "etc/group", Mode: 0o444, Data: []byte("root:x:0:\nnonroot:x:" + user + ":\n")},
			{Path: "etc/nsswitch.conf", Mode: 0o444, Data: []byte("hosts: files dns\n")},
		}},
		{About: "licences and the bill of materials", Files: append(licenceFiles(modules, s.Version), ociarchive.File{Path: billPath, Mode: 0o444, Data: out.Bytes()})},
		{About: "the program", Files: []ociarchive.File{{Path: programName, Mode: 0o555, Data: program}}},
	}, out.Bytes(), nil
}

// licenceFiles are the texts that have to go with the program: licenses/<module>@<version>/<file>.
func licenceFiles(modules []notice.Module, version string) []ociarchive.File {
	return lo.FlatMap(modules, func(m notice.Module, _ int) []ociarchive.File {
		dir := path.Join(licencesPath, m.Path+"@"+lo.CoalesceOrEmpty(m.Version, version))
		return lo.Map(m.Files, func(f notice.File, _ int) ociarchive.File {
			return ociarchive.File{Path: path.Join(dir, f.Name), Mode: 0o444, Data: f.Text}
		})
	})
}

// certificates are the authorities that browsers trust, in PEM. Those that are trusted with conditions, or no longer at the time, are left
// out: a file can not say conditions.
func certificates(at time.Time) ([]byte, error) {
	out := &bytes.Buffer{}
	count := 0
	for root := range bundle.Roots() {
		certificate, err := x509.ParseCertificate(root.Certificate)
		if err != nil {
			return nil, fmt.Errorf("reading a root certificate: %w", err)
		}
		if root.Constraint != nil || certificate.NotAfter.Before(at) {
			continue
		}
		fmt.Fprintf(out, "# %s\n", certificate.Subject)
		if err := pem.Encode(out, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}); err != nil {
			return nil, fmt.Errorf("encoding a root certificate: %w", err)
		}
		count++
	}
	if count == 0 {
		return nil, errors.New("there are no root certificates")
	}
	return out.Bytes(), nil
}

// labels are the image's, and the annotations of the index.
func (s *settings) labels() map[string]string {
	return map[string]string{
		v1.AnnotationTitle: programName, v1.AnnotationDescription: "Karpenter for Oracle Kubernetes Engine, with virtual nodes", v1.AnnotationVersion: s.Version,
		v1.AnnotationRevision: s.Revision, v1.AnnotationCreated: s.Created.Format(time.RFC3339), v1.AnnotationLicenses: "Apache-2.0",
		v1.AnnotationSource: sources, v1.AnnotationURL: sources, v1.AnnotationDocumentation: sources + "/tree/main/docs", v1.AnnotationVendor: "karpenter-oke",
	}
}

// image is the image for a platform.
func (s *settings) image(platform string, layers []ociarchive.Layer) ociarchive.Image {
	goos, goarch, _ := strings.Cut(platform, "/")
	return ociarchive.Image{
		Platform: v1.Platform{OS: goos, Architecture: goarch},
		Config: v1.ImageConfig{
			User: user + ":" + user, Entrypoint: []string{"/" + programName}, WorkingDir: "/",
			ExposedPorts: map[string]struct{}{"8080/tcp": {}, "8081/tcp": {}}, Labels: s.labels(),
		},
		Layers: layers,
	}
}
