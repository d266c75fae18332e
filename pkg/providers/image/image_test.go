package image

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/version"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/scheduling"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/selection"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
	"github.com/karpenter-oke/karpenter-oke/test/ocitest"
)

func names(images []v1alpha1.Image) []string {
	out := make([]string, 0, len(images))
	for _, i := range images {
		out = append(out, i.Name)
	}
	return out
}

func TestTheNewestImageThatTheControlPlaneCanServeIsFound(t *testing.T) {
	r := ocitest.Start(t, ocisim.Options{PageSize: 7})
	p := NewProvider(r.Client, Config{ClusterID: r.World.ClusterID, CompartmentID: r.World.CompartmentID})
	term := func(os string, more ...func(*v1alpha1.ImageSelectorTerm)) []v1alpha1.ImageSelectorTerm {
		tm := v1alpha1.ImageSelectorTerm{OSFamily: "Oracle Linux", OSVersion: os}
		for _, m := range more {
			m(&tm)
		}
		return []v1alpha1.ImageSelectorTerm{tm}
	}
	for name, tc := range map[string]struct {
		controlPlane string
		terms        []v1alpha1.ImageSelectorTerm
		want         []string
	}{
		"the newest image is too new for the control plane": {"v1.36.3", term("8"), []string{
			"Oracle-Linux-8.10-2026.08.14-0-OKE-1.36.1-1699", "Oracle-Linux-8.10-Gen2-GPU-2026.08.14-0-OKE-1.36.1-1699", "Oracle-Linux-8.10-aarch64-2026.08.14-0-OKE-1.36.1-1699"}},
		"the control plane was upgraded": {"v1.36.4", term("8"), []string{
			"Oracle-Linux-8.10-2026.08.14-0-OKE-1.36.4-1820", "Oracle-Linux-8.10-Gen2-GPU-2026.08.14-0-OKE-1.36.1-1699", "Oracle-Linux-8.10-aarch64-2026.08.14-0-OKE-1.36.4-1820"}},
		"two builds of one version: the one made later": {"v1.36.0", term("8"), []string{
			"Oracle-Linux-8.10-2026.04.30-3-OKE-1.36.0-1462", "Oracle-Linux-8.10-Gen2-GPU-2025.11.20-0-OKE-1.34.2-1345", "Oracle-Linux-8.10-aarch64-2026.06.15-0-OKE-1.35.2-1505"}},
		"a version that is asked for": {"v1.36.3", term("8", func(tm *v1alpha1.ImageSelectorTerm) { tm.KubernetesVersion = "v1.33.1" }), []string{
			"Oracle-Linux-8.10-2025.09.16-0-OKE-1.33.1-1330", "Oracle-Linux-8.10-aarch64-2025.11.20-0-OKE-1.33.1-1345"}},
		"a minor version of the system": {"v1.36.3", term("9.8"), []string{"Oracle-Linux-9.8-2026.08.14-0-OKE-1.34.10-1699"}},
		"an image by name and compartment": {"v1.36.3", []v1alpha1.ImageSelectorTerm{{Name: "ubuntu-amd64-minimal-24.04-noble-v20250604.1-OKE-1.32.1", CompartmentID: r.World.UbuntuImageCompartmentID}},
			[]string{"ubuntu-amd64-minimal-24.04-noble-v20250604.1-OKE-1.32.1"}},
		"Ubuntu, whose compartment is learned too": {"v1.36.3", []v1alpha1.ImageSelectorTerm{{OSFamily: "Ubuntu", OSVersion: "24.04"}}, []string{
			"ubuntu-paravirtualized-amd64-minimal-24.04-noble-v20251208-OKE-1.34.1", "ubuntu-paravirtualized-arm64-minimal-24.04-noble-v20251208-OKE-1.34.1"}},
		"Ubuntu for an older control plane": {"v1.33.0", []v1alpha1.ImageSelectorTerm{{OSFamily: "Ubuntu", OSVersion: "24"}}, []string{
			"ubuntu-amd64-minimal-24.04-noble-v20250604.1-OKE-1.32.1", "ubuntu-arm64-minimal-24.04-noble-v20250604.1-OKE-1.32.1"}},
		"tags narrow a family": {"v1.36.3", term("8", func(tm *v1alpha1.ImageSelectorTerm) {
			tm.FreeFormTags = v1alpha1.TagSelector{"k8s_version": "v1.35.2"}
		}), []string{"Oracle-Linux-8.10-2026.04.30-3-OKE-1.35.2-1462", "Oracle-Linux-8.10-aarch64-2026.06.15-0-OKE-1.35.2-1505"}},
		"any value of a tag": {"v1.34.9", []v1alpha1.ImageSelectorTerm{{FreeFormTags: v1alpha1.TagSelector{"k8s_version": "*"}, CompartmentID: r.World.UbuntuImageCompartmentID}}, []string{
			"ubuntu-paravirtualized-amd64-minimal-24.04-noble-v20251208-OKE-1.34.1", "ubuntu-paravirtualized-arm64-minimal-24.04-noble-v20251208-OKE-1.34.1"}},
	} {
		t.Run(name, func(t *testing.T) {
			images, err := p.Resolve(t.Context(), Query{Terms: tc.terms, ControlPlane: version.MustParseGeneric(tc.controlPlane)})
			require.NoError(t, err)
			require.Equal(t, tc.want, names(images))
		})
	}
	require.Equal(t, 2, r.Journal().Counts()["GetNodePoolOptions"], "the compartments of OKE's images are learned once, for each system")
}

func TestWhatMatchesNothingSaysWhatToChange(t *testing.T) {
	r := ocitest.Start(t, ocisim.Options{})
	p := NewProvider(r.Client, Config{ClusterID: r.World.ClusterID, CompartmentID: r.World.CompartmentID})
	controlPlane := version.MustParseGeneric("v1.36.3")
	for _, term := range []v1alpha1.ImageSelectorTerm{
		{OSFamily: "Oracle Linux", OSVersion: "7"}, {Name: "no-such-image"}, {ID: "ocid1.image.oc1.phx.none"},
		{OSFamily: "Oracle Linux", OSVersion: "8", KubernetesVersion: "v1.20.0"},
	} {
		_, err := p.Resolve(t.Context(), Query{Terms: []v1alpha1.ImageSelectorTerm{term}, ControlPlane: controlPlane})
		var nothing *selection.UnresolvedError
		require.ErrorAs(t, err, &nothing)
		require.ErrorContains(t, err, "check imageSelector")
	}
	r.Fail(ocisim.Fault{Operation: "ListImages", Kind: ocisim.ErrorAnswer, Status: 400, Code: "InvalidParameter", Message: "x"})
	_, err := p.Resolve(t.Context(), Query{Terms: []v1alpha1.ImageSelectorTerm{{Name: "x"}}, ControlPlane: controlPlane})
	require.Equal(t, oci.ClassConfig, oci.ClassOf(err), "an answer that failed is not an empty answer")
}

func TestAnInstanceTypeGetsTheImageThatItCanBoot(t *testing.T) {
	images := []v1alpha1.Image{
		{ID: "any", Requirements: variant{arch: "amd64", gpu: gpuAny}.requirements()},
		{ID: "plain", Requirements: variant{arch: "amd64"}.requirements()},
		{ID: "gpu", Requirements: variant{arch: "amd64", gpu: "nvidia"}.requirements()},
		{ID: "arm", Requirements: variant{arch: "arm64"}.requirements()},
	}
	instanceType := func(arch, gpu string) scheduling.Requirements {
		gpuRequirement := scheduling.NewRequirement(v1alpha1.LabelInstanceGPUManufacturer, corev1.NodeSelectorOpDoesNotExist)
		if gpu != "" {
			gpuRequirement = scheduling.NewRequirement(v1alpha1.LabelInstanceGPUManufacturer, corev1.NodeSelectorOpIn, gpu)
		}
		return scheduling.NewRequirements(scheduling.NewRequirement(corev1.LabelArchStable, corev1.NodeSelectorOpIn, arch), gpuRequirement)
	}
	for _, tc := range []struct{ arch, gpu, want string }{
		{karpv1.ArchitectureAmd64, "", "plain"}, {karpv1.ArchitectureAmd64, "nvidia", "gpu"}, {karpv1.ArchitectureArm64, "", "arm"}, {karpv1.ArchitectureAmd64, "amd", "any"}, {karpv1.ArchitectureArm64, "nvidia", ""},
	} {
		image, found := ForInstanceType(images, instanceType(tc.arch, tc.gpu))
		require.Equal(t, tc.want, image.ID)
		require.Equal(t, tc.want != "", found)
	}
}

func TestNamesOfImages(t *testing.T) {
	for name, want := range map[string]variant{
		"Oracle-Linux-8.10-2026.08.14-0-OKE-1.36.1-1699":          {arch: "amd64"},
		"Oracle-Linux-8.10-aarch64-2026.08.14-0-OKE-1.36.1-1699":  {arch: "arm64"},
		"Oracle-Linux-8.10-Gen2-GPU-2026.08.14-0-OKE-1.36.1-1699": {arch: "amd64", gpu: "nvidia"},
		"Oracle-Linux-8.10-Gen2-AMD-GPU-2024.08.31-0":             {arch: "amd64", gpu: "amd"},
		"ubuntu-arm64-minimal-24.04-noble-v20250604.1-OKE-1.32.1": {arch: "arm64", gpu: gpuAny},
		"my own image": {arch: "amd64", gpu: gpuAny},
		"":             {arch: "amd64", gpu: gpuAny},
	} {
		require.Equal(t, want, variantOf(name), name)
	}
}
