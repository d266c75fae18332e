package image

import (
	"regexp"

	"github.com/oracle/oci-go-sdk/v65/core"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/version"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
)

// okeName reads the display name of OKE's Oracle Linux images, such as
// Oracle-Linux-8.10-aarch64-2026.08.14-0-OKE-1.36.1-1699 (OKE documentation, "Supported Images").
var okeName = regexp.MustCompile(`^Oracle-Linux-(\d+\.\d+)(-aarch64)?(-Gen2-GPU|-Gen2-AMD-GPU)?(-aarch64)?-\d{4}\.\d{2}\.\d{2}-\d+-OKE-(\d+\.\d+\.\d+)-\d+$`)

// builtFor recognises the processor and GPU build in any image name; what it does not find is amd64 without a GPU.
var (
	armName    = regexp.MustCompile(`(?i)aarch64|arm64`)
	nvidiaName = regexp.MustCompile(`-Gen2-GPU-`)
	amdName    = regexp.MustCompile(`-AMD-GPU-`)
)

// variant is what an image is built for; for each there is at most one image in a node class.
type variant struct {
	arch string // amd64 or arm64
	gpu  string // nvidia, amd, or empty
}

// build is an image together with what its name and tags say.
type build struct {
	image      core.Image
	variant    variant
	osVersion  string           // 8.10; empty when the name is not OKE's
	kubernetes *version.Version // nil when neither tag nor name says
}

func parse(image core.Image) build {
	name := oci.Value(image.DisplayName)
	b := build{image: image, variant: variantOf(name)}
	match := okeName.FindStringSubmatch(name)
	tag := image.FreeformTags["k8s_version"]
	if match != nil {
		b.osVersion = match[1]
		if tag == "" {
			tag = match[5]
		}
	}
	if v, err := version.ParseGeneric(tag); err == nil {
		b.kubernetes = v
	}
	return b
}

func variantOf(name string) variant {
	v := variant{arch: karpv1.ArchitectureAmd64}
	if armName.MatchString(name) {
		v.arch = karpv1.ArchitectureArm64
	}
	switch {
	case amdName.MatchString(name):
		v.gpu = "amd"
	case nvidiaName.MatchString(name):
		v.gpu = "nvidia"
	}
	return v
}

// requirements are what an instance type must meet to boot this variant.
func (v variant) requirements() []corev1.NodeSelectorRequirement {
	gpu := corev1.NodeSelectorRequirement{Key: v1alpha1.LabelInstanceGPUManufacturer, Operator: corev1.NodeSelectorOpDoesNotExist}
	if v.gpu != "" {
		gpu.Operator, gpu.Values = corev1.NodeSelectorOpIn, []string{v.gpu}
	}
	return []corev1.NodeSelectorRequirement{
		{Key: corev1.LabelArchStable, Operator: corev1.NodeSelectorOpIn, Values: []string{v.arch}}, gpu,
	}
}

// status is the image as the node class's status shows it.
func (b build) status() v1alpha1.Image {
	out := v1alpha1.Image{
		ID: oci.Value(b.image.Id), Name: oci.Value(b.image.DisplayName), CompartmentID: oci.Value(b.image.CompartmentId),
		Requirements: b.variant.requirements(),
	}
	if b.kubernetes != nil {
		out.KubernetesVersion = "v" + b.kubernetes.String()
	}
	return out
}
