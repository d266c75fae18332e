package image

import (
	"regexp"
	"strings"
	"time"

	"github.com/oracle/oci-go-sdk/v65/core"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/version"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
)

// Operating systems of OKE's own images, as selector terms name them.
const (
	familyOracleLinux = "Oracle Linux"
	familyUbuntu      = "Ubuntu"
)

// Display names of OKE's own images (OKE documentation, "Supported Images"), such as
// Oracle-Linux-8.10-aarch64-2026.08.14-0-OKE-1.36.1-1699 and ubuntu-amd64-minimal-24.04-noble-v20250604.1-OKE-1.32.1.
// The operating system of the Ubuntu images is "Custom" in their records, so only the name tells.
var (
	oracleLinuxName = regexp.MustCompile(`^Oracle-Linux-(\d+\.\d+)(?:-aarch64)?(?:-Gen2-GPU|-Gen2-AMD-GPU)?(?:-aarch64)?-\d{4}\.\d{2}\.\d{2}-\d+-OKE-(\d+\.\d+\.\d+)-\d+$`)
	ubuntuName      = regexp.MustCompile(`^ubuntu(?:-[a-z0-9]+)*-(\d\d\.\d\d)(?:-[a-z0-9.]+)*-OKE-(\d+\.\d+\.\d+)(?:-\d+)?$`)
)

// builtFor recognises the processor and GPU build in any image name; what it does not find is amd64.
var (
	armName    = regexp.MustCompile(`(?i)aarch64|arm64`)
	nvidiaName = regexp.MustCompile(`-Gen2-GPU-`)
	amdName    = regexp.MustCompile(`-AMD-GPU-`)
)

// gpuAny is the GPU of an image that may run with any or none, as far as its name says.
const gpuAny = "any"

// variant is what an image is built for; for each there is at most one image in a node class.
type variant struct {
	arch string // amd64 or arm64
	gpu  string // nvidia, amd, any, or empty for none
}

// build is an image together with what its name and tags say.
type build struct {
	image      core.Image
	variant    variant
	osFamily   string           // empty when the name is not OKE's
	osVersion  string           // 8.10; empty when the name is not OKE's
	kubernetes *version.Version // nil when neither tag nor name says
}

func (b build) id() string   { return oci.Value(b.image.Id) }
func (b build) name() string { return oci.Value(b.image.DisplayName) }

// created is when the image was published; the zero time, long ago, when its record does not say.
func (b build) created() time.Time {
	if b.image.TimeCreated == nil {
		return time.Time{}
	}
	return b.image.TimeCreated.Time
}

// okeName is what the name of one of OKE's own images says.
type okeName struct{ osFamily, osVersion, kubernetes string }

func readName(name string) (okeName, bool) {
	for family, pattern := range map[string]*regexp.Regexp{familyOracleLinux: oracleLinuxName, familyUbuntu: ubuntuName} {
		if match := pattern.FindStringSubmatch(name); match != nil {
			return okeName{osFamily: family, osVersion: match[1], kubernetes: match[2]}, true
		}
	}
	return okeName{}, false
}

func parse(image core.Image) build {
	b := build{image: image, variant: variantOf(oci.Value(image.DisplayName))}
	tag := image.FreeformTags["k8s_version"]
	if name, ok := readName(b.name()); ok {
		b.osFamily, b.osVersion = name.osFamily, name.osVersion
		if tag == "" {
			tag = name.kubernetes
		}
	}
	if v, err := version.ParseGeneric(tag); err == nil {
		b.kubernetes = v
	}
	return b
}

// variantOf reads what an image is built for from its name. Oracle Linux images, whose names follow a rule, run without GPUs
// unless they say so; of other images the name tells nothing about GPUs.
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
	case !strings.HasPrefix(name, "Oracle-Linux-"):
		v.gpu = gpuAny
	}
	return v
}

// requirements are what an instance type must meet to boot this variant.
func (v variant) requirements() []corev1.NodeSelectorRequirement {
	arch := corev1.NodeSelectorRequirement{Key: corev1.LabelArchStable, Operator: corev1.NodeSelectorOpIn, Values: []string{v.arch}}
	gpu := corev1.NodeSelectorRequirement{Key: v1alpha1.LabelInstanceGPUManufacturer, Operator: corev1.NodeSelectorOpDoesNotExist}
	switch v.gpu {
	case gpuAny:
		return []corev1.NodeSelectorRequirement{arch}
	case "":
	default:
		gpu.Operator, gpu.Values = corev1.NodeSelectorOpIn, []string{v.gpu}
	}
	return []corev1.NodeSelectorRequirement{arch, gpu}
}

// status is the image as the node class's status shows it.
func (b build) status() v1alpha1.Image {
	out := v1alpha1.Image{ID: b.id(), Name: b.name(), CompartmentID: oci.Value(b.image.CompartmentId), Requirements: b.variant.requirements()}
	if b.kubernetes != nil {
		out.KubernetesVersion = "v" + b.kubernetes.String()
	}
	return out
}
