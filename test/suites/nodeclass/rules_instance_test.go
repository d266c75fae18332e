package nodeclass_test

var instanceRules = map[string]rule{
	"launch options are OCI's": {
		says:    "Unsupported value",
		accepts: []string{"launchOptions: {}", "launchOptions: {bootVolumeType: ISCSI, firmware: BIOS, networkType: VFIO, remoteDataVolumeType: SCSI}"},
		rejects: []string{"launchOptions: {bootVolumeType: paravirtualized}", "launchOptions: {firmware: EFI}", "launchOptions: {networkType: NVME}", "launchOptions: {remoteDataVolumeType: SATA}"},
	},
	"Measured Boot needs the TPM": {
		says:    "Measured Boot keeps its measurements in the Trusted Platform Module; set isTrustedPlatformModuleEnabled to true as well",
		accepts: []string{"platformConfig: {isMeasuredBootEnabled: true, isTrustedPlatformModuleEnabled: true}", "platformConfig: {isMeasuredBootEnabled: false}", "platformConfig: {isSecureBootEnabled: true}", "platformConfig: {isTrustedPlatformModuleEnabled: true}"},
		rejects: []string{"platformConfig: {isMeasuredBootEnabled: true}", "platformConfig: {isMeasuredBootEnabled: true, isTrustedPlatformModuleEnabled: false}"},
	},
	"an instance is restored or stopped": {
		says:    "Unsupported value",
		accepts: []string{"availabilityConfig: {recoveryAction: STOP_INSTANCE}", "availabilityConfig: {isLiveMigrationPreferred: false}"},
		rejects: []string{"availabilityConfig: {recoveryAction: TERMINATE}"},
	},
	"a plugin is on or off": {
		says:    "a plugin is in both agentList and disabledAgentList; remove it from one of them",
		accepts: []string{"{agentList: [Bastion], disabledAgentList: [Vulnerability Scanning]}", "disabledAgentList: [Bastion]"},
		rejects: []string{"{agentList: [Vulnerability Scanning, Bastion], disabledAgentList: [Bastion]}"},
	},
	"plugins are at most 30 with names": {
		says:    "",
		accepts: []string{"agentList: [" + items(30, "p%d") + "]", "disabledAgentList: [" + items(30, "p%d") + "]"},
		rejects: []string{
			"agentList: [" + items(31, "p%d") + "]", "agentList: ['']", "agentList: [" + long(256) + "]",
			"disabledAgentList: [" + items(31, "p%d") + "]", "disabledAgentList: ['']", "disabledAgentList: [" + long(256) + "]",
		},
	},
}
