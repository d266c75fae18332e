package kubelets_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/bootstrap"
	"github.com/karpenter-oke/karpenter-oke/test/cluster/kubelets"
	"github.com/karpenter-oke/karpenter-oke/test/cluster/kubelets/machine"
)

// bootNode boots a machine with the metadata of a node.
func bootNode(t *testing.T, node bootstrap.Node, volumes ...machine.Volume) machine.Outcome {
	t.Helper()
	node.Endpoint, node.CABundle = "10.0.0.14", caPEM
	metadata, err := bootstrap.Metadata(node)
	require.NoError(t, err)
	if node.Family == "" {
		node.Family = v1alpha1.ImageFamilyOracleOKELinux
	}
	return machine.Boot(t.Context(), kubelets.Instance{DisplayName: "node-a", Shape: "VM.Standard.E5.Flex", Image: imageOf[node.Family], Metadata: metadata, Volumes: volumes})
}

const cloudConfig = `#cloud-config
write_files:
- {path: /etc/motd, content: hello}
runcmd:
- echo ran-runcmd
`

const mimeDocument = `MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="B"

--B
Content-Type: text/x-shellscript
Content-Disposition: attachment; filename="zzz-late.sh"

#!/bin/bash
echo ran-late
--B
Content-Type: text/cloud-config

` + cloudConfig + `
--B
Content-Type: text/x-shellscript
Content-Disposition: attachment; filename="10-early.sh"

#!/bin/bash
echo ran-early
--B--
`

func TestBootRunsInOrder(t *testing.T) {
	const pre, post = "echo ran-pre", "#!/bin/sh\necho ran-post"
	tests := map[string]struct {
		node bootstrap.Node
		want []string
	}{
		"nothing of the user's":                    {bootstrap.Node{}, []string{"starting kubelet"}},
		"scripts before and after":                 {bootstrap.Node{PreInstall: pre, PostInstall: post}, []string{"ran-pre", "starting kubelet", "ran-post"}},
		"user data without an interpreter line":    {bootstrap.Node{UserData: "\necho ran-user", PreInstall: pre, PostInstall: post}, []string{"ran-user", "ran-pre", "starting kubelet", "ran-post"}},
		"user data with an interpreter line":       {bootstrap.Node{UserData: "#!/bin/sh\necho ran-user"}, []string{"ran-user", "starting kubelet"}},
		"a cloud-config":                           {bootstrap.Node{UserData: cloudConfig, PreInstall: pre}, []string{"ran-runcmd", "ran-pre", "starting kubelet"}},
		"a MIME document, by its parts' names":     {bootstrap.Node{UserData: mimeDocument, PreInstall: pre, PostInstall: post}, []string{"ran-early", "ran-runcmd", "ran-late", "ran-pre", "starting kubelet", "ran-post"}},
		"user data of a Custom image":              {bootstrap.Node{Family: v1alpha1.ImageFamilyCustom, UserData: "#!/bin/sh\necho ran-user"}, []string{"ran-user", "starting kubelet"}},
		"a Custom image without user data":         {bootstrap.Node{Family: v1alpha1.ImageFamilyCustom}, []string{"starting kubelet"}},
		"a Custom image that installs in userData": {bootstrap.Node{Family: v1alpha1.ImageFamilyCustom, UserData: "#!/bin/sh\nbash /etc/oke/oke-install.sh\necho ran-user"}, []string{"starting kubelet", "ran-user"}},
	}
	for name, tt := range tests {
		for _, family := range []v1alpha1.ImageFamily{v1alpha1.ImageFamilyOracleOKELinux, v1alpha1.ImageFamilyUbuntu} {
			if tt.node.Family != v1alpha1.ImageFamilyCustom {
				tt.node.Family = family
			}
			t.Run(name+" on "+string(tt.node.Family), func(t *testing.T) {
				out := bootNode(t, tt.node)
				require.NotNil(t, out.Join, out.Console)
				require.Equal(t, tt.want, marks(out.Console))
				require.Equal(t, tt.node.Family != v1alpha1.ImageFamilyCustom, out.RootGrown)
			})
		}
	}
}

// marks are the lines of a console that tell what ran, in order.
func marks(console string) []string {
	var out []string
	for line := range strings.Lines(console) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "ran-") {
			out = append(out, line)
		} else if strings.Contains(line, "starting kubelet") {
			out = append(out, "starting kubelet")
		}
	}
	return out
}

func TestFailuresOfScripts(t *testing.T) {
	tests := map[string]struct {
		node    bootstrap.Node
		joins   bool
		console string
	}{
		"before the join keep the node away, and the console says why":      {bootstrap.Node{PreInstall: "echo ran-pre; exit 3"}, false, "karpenter-oke: preInstallScript ended with status 3; end it with 'exit 0' if that does not matter. The node does not join."},
		"by a syntax error before the join keep the node away":              {bootstrap.Node{PreInstall: "if then"}, false, "preInstallScript ended with status"},
		"after the join are told":                                           {bootstrap.Node{PostInstall: "exit 4"}, true, "karpenter-oke: postInstallScript ended with status 4. The node has joined all the same."},
		"of user data are cloud-init's to tell, and the node joins":         {bootstrap.Node{UserData: "exit 5"}, true, "user-data ended with status 5"},
		"of one part of user data do not keep the others from running":      {bootstrap.Node{UserData: strings.Replace(mimeDocument, "echo ran-early", "exit 6", 1)}, true, "ran-late"},
		"that end the shell do not end the boot script when they mean well": {bootstrap.Node{PreInstall: "exec uname\nexit 1"}, true, "starting kubelet"},
		"cannot change the boot script":                                     {bootstrap.Node{PreInstall: "set -e\nfail() { :; }\nexport PATH=/nowhere\ncd /tmp"}, true, "starting kubelet"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			out := bootNode(t, tt.node)
			require.Contains(t, out.Console, tt.console)
			require.Equal(t, tt.joins, out.Join != nil, out.Console)
			if !tt.joins {
				require.Contains(t, out.Reason, tt.console, "it is the reason that an operator is shown")
			}
		})
	}
}

func TestVolumesAreMounted(t *testing.T) {
	devices := []v1alpha1.BlockDevice{{SizeInGBs: 50}, {SizeInGBs: 50, MountPath: "/var/lib/data"}, {SizeInGBs: 50, MountPath: "/srv/a", FileSystem: v1alpha1.FileSystemExt4}}
	b, c, d := bootstrap.DevicePath(0), bootstrap.DevicePath(1), bootstrap.DevicePath(2)
	tests := map[string]struct {
		volumes []machine.Volume
		want    []machine.Mount
		reason  string
	}{
		"new ones get their file system": {[]machine.Volume{{Device: b}, {Device: c}, {Device: d}},
			[]machine.Mount{{Device: c, Path: "/var/lib/data", FileSystem: "xfs", New: true}, {Device: d, Path: "/srv/a", FileSystem: "ext4", New: true}}, ""},
		"ones with a file system keep it": {[]machine.Volume{{Device: b}, {Device: c, Holds: "ext4"}, {Device: d, Holds: "ext4"}},
			[]machine.Mount{{Device: c, Path: "/var/lib/data", FileSystem: "ext4"}, {Device: d, Path: "/srv/a", FileSystem: "ext4"}}, ""},
		"late ones are waited for": {[]machine.Volume{{Device: b}, {Device: c, After: 2 * time.Minute}, {Device: d}},
			[]machine.Mount{{Device: c, Path: "/var/lib/data", FileSystem: "xfs", New: true}, {Device: d, Path: "/srv/a", FileSystem: "ext4", New: true}}, ""},
		"one that never appears keeps the node away": {[]machine.Volume{{Device: b}, {Device: d}}, nil, "The block volume " + c + " did not appear within 300 seconds. The node does not join."},
		"one with partitions is not written to":      {[]machine.Volume{{Device: b}, {Device: c, Holds: machine.PartitionTable}, {Device: d}}, nil, "The block volume " + c + " has something on it that is no file system."},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			out := bootNode(t, bootstrap.Node{BlockDevices: devices, PreInstall: "mountpoint /var/lib/data && echo ran-on-volume"}, tt.volumes...)
			require.Equal(t, tt.want, out.Mounts, out.Console)
			if tt.reason != "" {
				require.Nil(t, out.Join)
				require.Contains(t, out.Reason, tt.reason)
				return
			}
			require.Equal(t, []string{"ran-on-volume", "starting kubelet"}, marks(out.Console), "volumes are there before scripts run")
			fstab, err := out.ReadFile("/etc/fstab")
			require.NoError(t, err)
			require.Equal(t, c+" /var/lib/data "+tt.want[0].FileSystem+" defaults,nofail,_netdev 0 2\n"+d+" /srv/a ext4 defaults,nofail,_netdev 0 2\n", string(fstab))
		})
	}
}

func TestPodsWriteToLocalDrives(t *testing.T) {
	const drive = int64(6800) * 1_000_000_000
	for name, tt := range map[string]struct {
		drives int
		want   []machine.Mount
		disk   int64
		reason string
	}{
		"one is used as it is": {1, []machine.Mount{{Device: "/dev/nvme0n1", Path: "/mnt/local-nvme", FileSystem: "xfs", New: true}}, drive - 2<<30, ""},
		"four are striped":     {4, []machine.Mount{{Device: "/dev/md/local-nvme", Path: "/mnt/local-nvme", FileSystem: "xfs", New: true}}, 4*(drive-128<<20) - 2<<30, ""},
		"where none is found the node does not join, and an operator is told why": {0, nil, 0, "The local NVMe drives can not hold what pods write; the line above says why. The node does not join."},
	} {
		for _, family := range []v1alpha1.ImageFamily{v1alpha1.ImageFamilyOracleOKELinux, v1alpha1.ImageFamilyUbuntu} {
			t.Run(name+" on "+string(family), func(t *testing.T) {
				metadata, err := bootstrap.Metadata(bootstrap.Node{Family: family, Endpoint: "10.0.0.14", CABundle: caPEM, LocalNVMe: true,
					PreInstall: "mountpoint /var/lib/kubelet && echo ran-on-drives", PostInstall: "bash /var/lib/karpenter-oke/local-nvme.sh && echo ran-again"})
				require.NoError(t, err)
				out := machine.Boot(t.Context(), kubelets.Instance{Image: imageOf[family], Metadata: metadata, LocalDrives: tt.drives, LocalDrivesGB: float64(6800 * tt.drives)})
				require.Equal(t, tt.want, out.Mounts, out.Console)
				require.Equal(t, tt.disk, out.PodDiskBytes)
				if tt.reason != "" {
					require.Nil(t, out.Join)
					require.Contains(t, out.Reason, tt.reason)
					require.Contains(t, out.Console, "none was found that is free")
					return
				}
				require.Equal(t, []string{"ran-on-drives", "starting kubelet", "ran-again"}, marks(out.Console))
				unit, err := out.ReadFile("/etc/systemd/system/karpenter-oke-local-nvme.service")
				require.NoError(t, err)
				require.Contains(t, string(unit), "RequiredBy=crio.service containerd.service kubelet.service")
			})
		}
	}
}

func TestMountingAgainChangesNothing(t *testing.T) {
	node := bootstrap.Node{BlockDevices: []v1alpha1.BlockDevice{{MountPath: "/data"}},
		PostInstall: "test -e /again && exit 0\ntouch /again\nbash /var/lib/cloud/instance/scripts/part-001"}
	out := bootNode(t, node, machine.Volume{Device: bootstrap.DevicePath(0)})
	require.Equal(t, []string{"starting kubelet", "starting kubelet"}, marks(out.Console), "the script ran twice")
	fstab, err := out.ReadFile("/etc/fstab")
	require.NoError(t, err)
	require.Len(t, slices.Collect(strings.Lines(string(fstab))), 1)
}

func TestImagesHaveTheirOwnProgramsOnly(t *testing.T) {
	metadata, err := bootstrap.Metadata(bootstrap.Node{Endpoint: "10.0.0.14", CABundle: caPEM})
	require.NoError(t, err)
	out := machine.Boot(t.Context(), kubelets.Instance{Image: machine.ImageUbuntu, Metadata: metadata})
	require.Nil(t, out.Join)
	require.Contains(t, out.Reason, "oke-install.sh ended with status 127")
	metadata, err = bootstrap.Metadata(bootstrap.Node{Family: v1alpha1.ImageFamilyUbuntu, Endpoint: "10.0.0.14", CABundle: caPEM})
	require.NoError(t, err)
	out = machine.Boot(t.Context(), kubelets.Instance{Image: machine.ImageOracleLinux, Metadata: metadata})
	require.Nil(t, out.Join)
	require.Contains(t, out.Reason, "oke bootstrap ended with status 127")
	require.Contains(t, out.Console, "oke: command not found")
}

func TestUbuntuKeepsWhatItNeedsAtLaterBoots(t *testing.T) {
	out := bootNode(t, bootstrap.Node{Family: v1alpha1.ImageFamilyUbuntu})
	for path, want := range map[string]string{"/etc/oke/oke-apiserver": "10.0.0.14", "/etc/kubernetes/ca.crt": string(caPEM)} {
		body, err := out.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, want, string(body))
	}
}
