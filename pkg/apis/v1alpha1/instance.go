package v1alpha1

// LaunchOptions tunes how an instance sees its devices. Field names and values are OCI's (LaunchOptions); left out, the
// image's own options hold.
type LaunchOptions struct {
	// bootVolumeType is how the boot volume is attached.
	// +kubebuilder:validation:Enum=ISCSI;SCSI;IDE;VFIO;PARAVIRTUALIZED;NVME
	// +optional
	BootVolumeType string `json:"bootVolumeType,omitempty"`
	// firmware is the firmware that boots the instance.
	// +kubebuilder:validation:Enum=BIOS;UEFI_64
	// +optional
	Firmware string `json:"firmware,omitempty"`
	// networkType is how the VNIC is attached.
	// +kubebuilder:validation:Enum=E1000;VFIO;PARAVIRTUALIZED;ACCELERATEDPV
	// +optional
	NetworkType string `json:"networkType,omitempty"`
	// remoteDataVolumeType is how block volumes are attached.
	// +kubebuilder:validation:Enum=ISCSI;SCSI;IDE;VFIO;PARAVIRTUALIZED;NVME
	// +optional
	RemoteDataVolumeType string `json:"remoteDataVolumeType,omitempty"`
	// isConsistentVolumeNamingEnabled gives block volumes the same device name on every boot.
	// +optional
	IsConsistentVolumeNamingEnabled *bool `json:"isConsistentVolumeNamingEnabled,omitempty"`
}

// PlatformConfig are the options of the processor and firmware. A shape that does not support what is asked for here is not
// used; left out, the shape's own default holds.
// +kubebuilder:validation:XValidation:rule="!has(self.isMeasuredBootEnabled) || !self.isMeasuredBootEnabled || (has(self.isTrustedPlatformModuleEnabled) && self.isTrustedPlatformModuleEnabled)",message="Measured Boot keeps its measurements in the Trusted Platform Module; set isTrustedPlatformModuleEnabled to true as well"
type PlatformConfig struct {
	// isSecureBootEnabled boots signed software only.
	// +optional
	IsSecureBootEnabled *bool `json:"isSecureBootEnabled,omitempty"`
	// isMeasuredBootEnabled records what was booted in the Trusted Platform Module. Virtual machines only.
	// +optional
	IsMeasuredBootEnabled *bool `json:"isMeasuredBootEnabled,omitempty"`
	// isTrustedPlatformModuleEnabled gives the instance a Trusted Platform Module.
	// +optional
	IsTrustedPlatformModuleEnabled *bool `json:"isTrustedPlatformModuleEnabled,omitempty"`
	// isMemoryEncryptionEnabled makes the instance a confidential one, whose memory is encrypted.
	// +optional
	IsMemoryEncryptionEnabled *bool `json:"isMemoryEncryptionEnabled,omitempty"`
	// isSymmetricMultiThreadingEnabled runs two threads on each core, which is the default of x86 shapes. False: one thread,
	// and half as many vCPUs for the same OCPUs.
	// +optional
	IsSymmetricMultiThreadingEnabled *bool `json:"isSymmetricMultiThreadingEnabled,omitempty"`
}

// InstanceOptions are options of the instance's metadata service.
type InstanceOptions struct {
	// areLegacyImdsEndpointsDisabled turns off version 1 of the metadata service, which answers any process that can make a
	// request; true when left out.
	// +optional
	AreLegacyIMDSEndpointsDisabled *bool `json:"areLegacyImdsEndpointsDisabled,omitempty"`
}

// AvailabilityConfig says what OCI does with a virtual machine when its host needs maintenance or fails.
type AvailabilityConfig struct {
	// isLiveMigrationPreferred asks for live migration before maintenance, for shapes that support it. Left out: OCI chooses.
	// +optional
	IsLiveMigrationPreferred *bool `json:"isLiveMigrationPreferred,omitempty"`
	// recoveryAction is RESTORE_INSTANCE (OCI's default) to start the instance again after its host failed, or STOP_INSTANCE
	// to leave it stopped, so that the node is replaced.
	// +kubebuilder:validation:Enum=RESTORE_INSTANCE;STOP_INSTANCE
	// +optional
	RecoveryAction string `json:"recoveryAction,omitempty"`
}

// LegacyIMDSDisabled is true unless the class turns version 1 of the metadata service on.
func (in *OciNodeClass) LegacyIMDSDisabled() bool {
	o := in.Spec.InstanceOptions
	return o == nil || o.AreLegacyIMDSEndpointsDisabled == nil || *o.AreLegacyIMDSEndpointsDisabled
}

// CompartmentIDOr is the compartment that instances are launched in: the class's own, else the one given.
func (in *OciNodeClass) CompartmentIDOr(controllers string) string {
	if in.Spec.CompartmentID != "" {
		return in.Spec.CompartmentID
	}
	return controllers
}
