package v1alpha1

import (
	"slices"
)

// DefaultBootVolumeSizeInGBs and DefaultBootVolumeVpusPerGB are what OCI gives when a launch names no boot volume
// (Block Volume documentation: 50 GB minimum and default for Linux images, 10 VPU per GB is "Balanced").
const (
	DefaultBootVolumeSizeInGBs int64 = 50
	DefaultBootVolumeVpusPerGB int64 = 10
	// DefaultBlockDeviceVpusPerGB is "Balanced" as well.
	DefaultBlockDeviceVpusPerGB int64 = 10
)

// BootConfig sizes and protects the boot volume of a node; it also holds the container images and the pods' ephemeral
// storage.
type BootConfig struct {
	// bootVolumeSizeInGBs is the size in GB; 50 when left out.
	// +kubebuilder:validation:Minimum=50
	// +kubebuilder:validation:Maximum=32768
	// +optional
	BootVolumeSizeInGBs *int64 `json:"bootVolumeSizeInGBs,omitempty"`
	// bootVolumeVpusPerGB is the performance in volume performance units per GB: 10 (Balanced, the default), 20 (Higher
	// Performance), 30 to 120 in steps of 10 (Ultra High Performance).
	// +kubebuilder:validation:Minimum=10
	// +kubebuilder:validation:Maximum=120
	// +kubebuilder:validation:MultipleOf=10
	// +optional
	BootVolumeVpusPerGB *int64 `json:"bootVolumeVpusPerGB,omitempty"`
	// kmsKeyId is the OCID of the vault key that encrypts the boot volume. Left out: a key that Oracle manages.
	// +optional
	KMSKeyID KMSKeyID `json:"kmsKeyId,omitempty"`
	// isPvEncryptionInTransitEnabled encrypts the data between the instance and its boot volume; false when left out. Bare
	// metal shapes do not all support it.
	// +optional
	IsPVEncryptionInTransitEnabled *bool `json:"isPvEncryptionInTransitEnabled,omitempty"`
}

// FileSystem is a file system that the boot script can make.
type FileSystem string

const (
	// FileSystemXFS is the file system of Oracle Linux.
	FileSystemXFS FileSystem = "xfs"
	// FileSystemExt4 is the file system of Ubuntu.
	FileSystemExt4 FileSystem = "ext4"
)

// LocalNVMePolicy says what is done with a shape's local NVMe drives.
type LocalNVMePolicy string

// LocalNVMePolicyRAID0 stripes the drives and keeps on them what pods write.
const LocalNVMePolicyRAID0 LocalNVMePolicy = "RAID0"

// LocalNVMeHoldsPods is true when what pods write is kept on the local NVMe drives of shapes that have some.
func (in *OciNodeClass) LocalNVMeHoldsPods() bool {
	return in.Spec.LocalNVMePolicy == LocalNVMePolicyRAID0
}

// BlockDevice is a block volume that is made with the node and deleted with it.
// +kubebuilder:validation:XValidation:rule="!has(self.fileSystem) || has(self.mountPath)",message="'fileSystem' needs 'mountPath'; without it the volume is attached as it is"
type BlockDevice struct {
	// sizeInGBs is the size in GB.
	// +kubebuilder:validation:Minimum=50
	// +kubebuilder:validation:Maximum=32768
	SizeInGBs int64 `json:"sizeInGBs"`
	// vpusPerGB is the performance in volume performance units per GB: 0 (Lower Cost), 10 (Balanced, the default), 20
	// (Higher Performance), 30 to 120 in steps of 10 (Ultra High Performance).
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=120
	// +kubebuilder:validation:MultipleOf=10
	// +optional
	VpusPerGB *int64 `json:"vpusPerGB,omitempty"`
	// kmsKeyId is the OCID of the vault key that encrypts the volume. Left out: a key that Oracle manages.
	// +optional
	KMSKeyID KMSKeyID `json:"kmsKeyId,omitempty"`
	// isPvEncryptionInTransitEnabled encrypts the data between the instance and the volume; false when left out.
	// +optional
	IsPVEncryptionInTransitEnabled *bool `json:"isPvEncryptionInTransitEnabled,omitempty"`
	// mountPath is the directory where the volume is mounted at boot, before the kubelet starts; its file system is made on
	// the first boot. Left out: the volume is attached and nothing more.
	// +kubebuilder:validation:MinLength=2
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:XValidation:rule="self.matches('^(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+$')",message="give an absolute path of letters, digits, '.', '_' and '-', such as /var/lib/data, without a slash at its end"
	// +kubebuilder:validation:XValidation:rule="!(self in ['/bin', '/boot', '/dev', '/etc', '/lib', '/lib64', '/proc', '/root', '/run', '/sbin', '/sys', '/usr', '/var', '/var/lib']) && !['/boot/', '/dev/', '/etc/', '/proc/', '/sys/', '/usr/'].exists(p, self.startsWith(p))",message="the operating system needs this directory; mount the volume elsewhere, such as /var/lib/data"
	// +optional
	MountPath string `json:"mountPath,omitempty"`
	// fileSystem is xfs, the default, or ext4.
	// +kubebuilder:validation:Enum=xfs;ext4
	// +optional
	FileSystem FileSystem `json:"fileSystem,omitempty"`
}

// VolumeVpusPerGB is the performance of the volume, with the default filled in.
func (d BlockDevice) VolumeVpusPerGB() int64 {
	if d.VpusPerGB == nil {
		return DefaultBlockDeviceVpusPerGB
	}
	return *d.VpusPerGB
}

// MountFileSystem is the file system to make; empty when the volume is not mounted.
func (d BlockDevice) MountFileSystem() FileSystem {
	switch {
	case d.MountPath == "":
		return ""
	case d.FileSystem == "":
		return FileSystemXFS
	default:
		return d.FileSystem
	}
}

// BootVolumeSizeInGBs is the size of the boot volume, with the default filled in.
func (in *OciNodeClass) BootVolumeSizeInGBs() int64 {
	if in.Spec.BootConfig == nil || in.Spec.BootConfig.BootVolumeSizeInGBs == nil {
		return DefaultBootVolumeSizeInGBs
	}
	return *in.Spec.BootConfig.BootVolumeSizeInGBs
}

// BootVolumeVpusPerGB is the performance of the boot volume, with the default filled in.
func (in *OciNodeClass) BootVolumeVpusPerGB() int64 {
	if in.Spec.BootConfig == nil || in.Spec.BootConfig.BootVolumeVpusPerGB == nil {
		return DefaultBootVolumeVpusPerGB
	}
	return *in.Spec.BootConfig.BootVolumeVpusPerGB
}

// BootVolumeKMSKeyID is the key of the boot volume; empty for a key that Oracle manages.
func (in *OciNodeClass) BootVolumeKMSKeyID() string {
	if in.Spec.BootConfig == nil {
		return ""
	}
	return in.Spec.BootConfig.KMSKeyID
}

// BootVolumeEncryptionInTransit is true when the data between instance and boot volume is to be encrypted.
func (in *OciNodeClass) BootVolumeEncryptionInTransit() bool {
	return in.Spec.BootConfig != nil && isTrue(in.Spec.BootConfig.IsPVEncryptionInTransitEnabled)
}

// KMSKeyIDs are all keys that the class's volumes use, in order and without repeats.
func (in *OciNodeClass) KMSKeyIDs() []string {
	ids := make([]string, 0, 1+len(in.Spec.BlockDevices))
	if id := in.BootVolumeKMSKeyID(); id != "" {
		ids = append(ids, id)
	}
	for _, d := range in.Spec.BlockDevices {
		if d.KMSKeyID != "" {
			ids = append(ids, d.KMSKeyID)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

func isTrue(b *bool) bool { return b != nil && *b }
