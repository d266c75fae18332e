package nodeclass_test

var storageRules = map[string]rule{
	"a volume has 50 to 32768 GB": {
		says:    "in body should be",
		accepts: []string{"bootConfig: {bootVolumeSizeInGBs: 50}", "bootConfig: {bootVolumeSizeInGBs: 32768}", "blockDevices: [{sizeInGBs: 50}, {sizeInGBs: 32768}]"},
		rejects: []string{"bootConfig: {bootVolumeSizeInGBs: 49}", "bootConfig: {bootVolumeSizeInGBs: 32769}", "bootConfig: {bootVolumeSizeInGBs: -1}", "blockDevices: [{sizeInGBs: 49}]", "blockDevices: [{sizeInGBs: 32769}]"},
	},
	"a boot volume's performance is 10 to 120 in steps of 10": {
		says:    "in body should be",
		accepts: []string{"bootConfig: {bootVolumeVpusPerGB: 10}", "bootConfig: {bootVolumeVpusPerGB: 20}", "bootConfig: {bootVolumeVpusPerGB: 120}"},
		rejects: []string{"bootConfig: {bootVolumeVpusPerGB: 0}", "bootConfig: {bootVolumeVpusPerGB: 15}", "bootConfig: {bootVolumeVpusPerGB: 130}"},
	},
	"a block device's performance is 0 to 120 in steps of 10": {
		says:    "in body should be",
		accepts: []string{"blockDevices: [{sizeInGBs: 50, vpusPerGB: 0}, {sizeInGBs: 50, vpusPerGB: 10}, {sizeInGBs: 50, vpusPerGB: 120}]"},
		rejects: []string{"blockDevices: [{sizeInGBs: 50, vpusPerGB: -10}]", "blockDevices: [{sizeInGBs: 50, vpusPerGB: 5}]", "blockDevices: [{sizeInGBs: 50, vpusPerGB: 130}]"},
	},
	"a block device has a size": {
		says:    "Required value",
		accepts: []string{"blockDevices: [{sizeInGBs: 50}]", "blockDevices: []"},
		rejects: []string{"blockDevices: [{}]", "blockDevices: [{vpusPerGB: 10}]"},
	},
	"a node has at most 16 block devices": {
		says:    "must have at most 16 items",
		accepts: []string{"blockDevices: [" + items(16, "{sizeInGBs: 5%d}") + "]"},
		rejects: []string{"blockDevices: [" + items(17, "{sizeInGBs: 5%d}") + "]"},
	},
	"a file system is mounted": {
		says:    "'fileSystem' needs 'mountPath'; without it the volume is attached as it is",
		accepts: []string{"blockDevices: [{sizeInGBs: 50, mountPath: /data, fileSystem: ext4}]", "blockDevices: [{sizeInGBs: 50, mountPath: /data}]"},
		rejects: []string{"blockDevices: [{sizeInGBs: 50, fileSystem: xfs}]"},
	},
	"a file system is one that can be made": {
		says:    "Unsupported value",
		accepts: []string{"blockDevices: [{sizeInGBs: 50, mountPath: /data, fileSystem: xfs}]"},
		rejects: []string{"blockDevices: [{sizeInGBs: 50, mountPath: /data, fileSystem: btrfs}]"},
	},
	"a mount path is absolute and plain": {
		says:    "give an absolute path of letters, digits, '.', '_' and '-', such as /var/lib/data, without a slash at its end",
		accepts: []string{"blockDevices: [{sizeInGBs: 50, mountPath: /mnt/fast_1.d}]", "blockDevices: [{sizeInGBs: 50, mountPath: /var/lib/containers}]"},
		rejects: []string{
			"blockDevices: [{sizeInGBs: 50, mountPath: data}]", "blockDevices: [{sizeInGBs: 50, mountPath: /data/}]", "blockDevices: [{sizeInGBs: 50, mountPath: //data}]", "blockDevices: [{sizeInGBs: 50, mountPath: /data/../etc}]",
			"blockDevices: [{sizeInGBs: 50, mountPath: '/da ta'}]", "blockDevices: [{sizeInGBs: 50, mountPath: '/$(reboot)'}]", `blockDevices: [{sizeInGBs: 50, mountPath: "/data\n/etc"}]`,
		},
	},
	"a mount path is none of the operating system's": {
		says:    "the operating system needs this directory; mount the volume elsewhere, such as /var/lib/data",
		accepts: []string{"blockDevices: [{sizeInGBs: 50, mountPath: /var/lib/kubelet}]", "blockDevices: [{sizeInGBs: 50, mountPath: /devices}]"},
		rejects: []string{"blockDevices: [{sizeInGBs: 50, mountPath: /etc}]", "blockDevices: [{sizeInGBs: 50, mountPath: /usr/lib}]", "blockDevices: [{sizeInGBs: 50, mountPath: /var/lib}]", "blockDevices: [{sizeInGBs: 50, mountPath: /dev/shm}]"},
	},
	"a mount path has 2 to 255 characters": {
		says:    "",
		accepts: []string{"blockDevices: [{sizeInGBs: 50, mountPath: /d}]", "blockDevices: [{sizeInGBs: 50, mountPath: /" + long(254) + "}]"},
		rejects: []string{"blockDevices: [{sizeInGBs: 50, mountPath: /}]", "blockDevices: [{sizeInGBs: 50, mountPath: /" + long(255) + "}]"},
	},
	"local drives are striped or left alone": {
		says:    "Unsupported value",
		accepts: []string{"localNvmePolicy: RAID0"},
		rejects: []string{"localNvmePolicy: raid0", "localNvmePolicy: RAID1", "localNvmePolicy: ''"},
	},
	"local drives are the business of a Custom image": {
		says:    "an image of the family Custom runs userData alone; remove localNvmePolicy and use the local drives in userData",
		accepts: []string{"{localNvmePolicy: RAID0, imageFamily: Ubuntu2204}", "imageFamily: Custom"},
		rejects: []string{"{localNvmePolicy: RAID0, imageFamily: Custom}", "{localNvmePolicy: RAID0, imageFamily: custom}"},
	},
	"what is on local drives is on no block volume": {
		says: "localNvmePolicy keeps /var/lib/kubelet, /var/lib/containers, /var/lib/containerd and /var/log/pods on the local drives; give the block device another mountPath, or remove localNvmePolicy",
		accepts: []string{"{localNvmePolicy: RAID0, blockDevices: [{sizeInGBs: 50, mountPath: /var/lib/data}, {sizeInGBs: 50}]}", "blockDevices: [{sizeInGBs: 50, mountPath: /var/lib/kubelet}]",
			"{localNvmePolicy: RAID0, blockDevices: [{sizeInGBs: 50, mountPath: /var/lib/kubelet/plugins}]}"},
		rejects: []string{"{localNvmePolicy: RAID0, blockDevices: [{sizeInGBs: 50, mountPath: /var/lib/kubelet}]}", "{localNvmePolicy: RAID0, blockDevices: [{sizeInGBs: 50, mountPath: /var/log}]}"},
	},
	"a mount path is used once": {
		says:    "two block devices have the same mountPath; give each its own",
		accepts: []string{"blockDevices: [{sizeInGBs: 50, mountPath: /a}, {sizeInGBs: 50, mountPath: /b}, {sizeInGBs: 50}, {sizeInGBs: 50}]"},
		rejects: []string{"blockDevices: [{sizeInGBs: 50, mountPath: /a}, {sizeInGBs: 60}, {sizeInGBs: 50, mountPath: /a}]"},
	},
}
