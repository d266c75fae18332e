package convert

import (
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
)

const (
	pathImage = "spec.volumeConfig.bootVolumeConfig.imageConfig"
	pathBoot  = "spec.volumeConfig.bootVolumeConfig"
)

// operatingSystems are the families that images are selected by.
var operatingSystems = []string{"Oracle Linux", "Ubuntu"}

// image selects the image and says how it joins.
func (c *classConversion) image() {
	from := c.from.VolumeConfig.BootVolumeConfig.ImageConfig
	c.imageFamily(from)
	switch {
	case from.ImageID != "":
		c.to.ImageSelector = []v1alpha1.ImageSelectorTerm{{ID: from.ImageID}}
	case from.ImageFilter != nil:
		c.to.ImageSelector = []v1alpha1.ImageSelectorTerm{c.imageFilter(from.ImageFilter)}
		// The source takes a new image at once.
		c.to.ImagePolicy = &v1alpha1.ImagePolicy{Adopt: v1alpha1.ImageAdoptionAutomatic, Soak: &metav1.Duration{Duration: 0 * time.Second}}
	default:
		c.warn(pathImage, "selects no image; write spec.imageSelector")
	}
}

func (c *classConversion) imageFamily(from sourceImageConfig) {
	switch {
	case c.to.ImageFamily != "": // decided by user_data
	case strings.EqualFold(from.ImageType, "Custom"):
		c.to.ImageFamily = string(v1alpha1.ImageFamilyCustom)
		c.warn(pathImage+".imageType", "Custom: the image has to join the cluster by itself, from the instance's metadata or by spec.userData")
	case from.ImageFilter != nil && strings.EqualFold(from.ImageFilter.OsFilter, "Ubuntu"):
		c.to.ImageFamily = string(v1alpha1.ImageFamilyUbuntu)
	default:
		c.to.ImageFamily = string(v1alpha1.ImageFamilyOracleOKELinux)
		if t := from.ImageType; t != "" && t != "OKEImage" {
			c.warn(pathImage+".imageType", "%s: nodes are started as OKE's Oracle Linux images are, which need OKE's packages; set spec.imageFamily if the image differs", t)
		}
	}
}

func (c *classConversion) imageFilter(from *sourceImageFilter) v1alpha1.ImageSelectorTerm {
	term := v1alpha1.ImageSelectorTerm{
		OSFamily:      from.OsFilter,
		OSVersion:     from.OsVersionFilter,
		CompartmentID: from.CompartmentID,
		FreeFormTags:  from.FreeformTags,
		DefinedTags:   tagSelector(from.DefinedTags),
	}
	for _, os := range operatingSystems {
		if strings.EqualFold(from.OsFilter, os) {
			term.OSFamily = os
			return term
		}
	}
	if len(term.FreeFormTags)+len(term.DefinedTags) > 0 {
		c.warn(pathImage+".imageFilter.osFilter", "%q: images are selected by the tags alone; osFamily knows %s", from.OsFilter, strings.Join(operatingSystems, " and "))
		term.OSFamily, term.OSVersion = "", ""
		return term
	}
	c.warn(pathImage+".imageFilter.osFilter", "%q: osFamily knows %s; select the image by id, name or tags in spec.imageSelector", from.OsFilter, strings.Join(operatingSystems, " and "))
	return term
}

// bootVolume sizes the boot volume within what the target takes.
func (c *classConversion) bootVolume() {
	from := c.from.VolumeConfig.BootVolumeConfig
	to := v1alpha1.BootConfig{
		BootVolumeSizeInGBs:            from.SizeInGBs,
		BootVolumeVpusPerGB:            from.VpusPerGB,
		KMSKeyID:                       from.KmsKeyConfig.KmsKeyID,
		IsPVEncryptionInTransitEnabled: from.PvEncryptionInTransit,
	}
	if size := from.SizeInGBs; size != nil && *size < v1alpha1.DefaultBootVolumeSizeInGBs {
		least := v1alpha1.DefaultBootVolumeSizeInGBs
		to.BootVolumeSizeInGBs = &least
		c.warn(pathBoot+".sizeInGBs", "%d is less than OCI's minimum; %d is written", *size, least)
	}
	if vpus := from.VpusPerGB; vpus != nil && *vpus%10 != 0 {
		step := (*vpus/10 + 1) * 10
		to.BootVolumeVpusPerGB = &step
		c.warn(pathBoot+".vpusPerGB", "%d is no step of 10; %d is written", *vpus, step)
	}
	if to != (v1alpha1.BootConfig{}) {
		c.to.BootConfig = &to
	}
}
