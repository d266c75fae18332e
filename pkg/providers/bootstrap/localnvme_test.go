package bootstrap

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// nvmeMachine is a machine in a folder, on which a true bash runs the script for local NVMe drives.
type nvmeMachine struct {
	*testing.T
	root string
}

// newNVMeMachine has drives by their names, each with a text that says what is on it; empty for nothing.
func newNVMeMachine(t *testing.T, drives map[string]string) *nvmeMachine {
	t.Helper()
	m := &nvmeMachine{T: t, root: t.TempDir()}
	tools, err := os.ReadFile("testdata/nvme/tools.sh")
	require.NoError(t, err)
	for _, name := range []string{"lsblk", "blkid", "mdadm", "mkfs.xfs", "mount", "mountpoint", "systemctl", "udevadm", "restorecon"} {
		m.write("bin/"+name, "#!/usr/bin/env bash\n"+string(tools), 0o700)
	}
	for name, holds := range drives {
		if holds != "" {
			holds += "\n"
		}
		m.write("dev/"+name, holds, 0o600)
	}
	m.write("mounts", "", 0o600)
	m.write("var/lib/containers/storage/image", "pause", 0o600)
	return m
}

func (m *nvmeMachine) write(path, text string, mode fs.FileMode) {
	m.Helper()
	full := filepath.Join(m.root, path)
	require.NoError(m, os.MkdirAll(filepath.Dir(full), 0o700))
	require.NoError(m, os.WriteFile(full, []byte(text), mode))
}

func (m *nvmeMachine) read(path string) string {
	m.Helper()
	text, err := os.ReadFile(filepath.Join(m.root, path))
	if err != nil {
		require.ErrorIs(m, err, fs.ErrNotExist)
	}
	return string(text)
}

// run runs the script with its paths inside the folder, and returns what it changed and what it said.
func (m *nvmeMachine) run() (calls []string, said string, err error) {
	m.Helper()
	m.write("calls", "", 0o600)
	inside := strings.NewReplacer(
		"/dev/null", "/dev/null", "/dev/", m.root+"/dev/", "/mnt/", m.root+"/mnt/", "/var/", m.root+"/var/", "[ ! -b ", "[ ! -f ",
	).Replace(localNVMeScript)
	command := exec.CommandContext(m.Context(), "bash", "--noprofile", "--norc", "-s")
	command.Stdin = strings.NewReader(inside)
	command.Env = []string{"PATH=" + m.root + "/bin:/usr/bin:/bin", "ROOT=" + m.root}
	var out strings.Builder
	command.Stdout, command.Stderr = &out, &out
	err = command.Run()
	text := strings.TrimSpace(strings.ReplaceAll(m.read("calls"), m.root, ""))
	if text == "" {
		return nil, out.String(), err
	}
	return strings.Split(text, "\n"), out.String(), err
}

// reboot unmounts everything; an array is there again when it was assembled.
func (m *nvmeMachine) reboot() {
	m.Helper()
	m.write("mounts", "", 0o600)
	array := filepath.Join(m.root, "dev/md/local-nvme")
	if _, err := os.Stat(array); err == nil {
		require.NoError(m, os.Rename(array, filepath.Join(m.root, "array")))
	}
}

// onDrives is where the script keeps a path; the folder's own name is in it twice.
func (m *nvmeMachine) onDrives(path string) string { return "mnt/local-nvme" + m.root + path }

func binds() []string {
	var out []string
	for _, directory := range []string{"/var/lib/kubelet", "/var/lib/containers", "/var/lib/containerd", "/var/log/pods"} {
		out = append(out, "mount --bind /mnt/local-nvme"+directory+" "+directory)
	}
	return out
}

const (
	arrayDevice = "/dev/md/local-nvme"
	mountArray  = "mount -o noatime " + arrayDevice + " /mnt/local-nvme"
)

func TestLocalDrivesHoldWhatPodsWrite(t *testing.T) {
	tests := map[string]struct {
		drives  map[string]string
		mounted string // a device that is in use, and where
		want    []string
	}{
		"one drive needs no array": {map[string]string{"nvme0n1": "", "sda": "the root"}, "",
			[]string{"mkfs.xfs /dev/nvme0n1", "mount -o noatime /dev/nvme0n1 /mnt/local-nvme"}},
		"several are striped": {map[string]string{"nvme0n1": "", "nvme1n1": "", "nvme2n1": ""}, "",
			[]string{"mdadm create --raid-devices=3 /dev/nvme0n1 /dev/nvme1n1 /dev/nvme2n1", "mkfs.xfs " + arrayDevice, mountArray}},
		"a boot volume that looks like one is left alone": {map[string]string{"nvme0n1": "the root", "nvme1n1": ""}, "nvme0n1 /",
			[]string{"mkfs.xfs /dev/nvme1n1", "mount -o noatime /dev/nvme1n1 /mnt/local-nvme"}},
		"one that the user mounts is left alone": {map[string]string{"nvme0n1": "ext4 mine", "nvme1n1": ""}, "nvme0n1 /scratch",
			[]string{"mkfs.xfs /dev/nvme1n1", "mount -o noatime /dev/nvme1n1 /mnt/local-nvme"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			m := newNVMeMachine(t, tt.drives)
			inUse := ""
			if tt.mounted != "" {
				inUse = m.root + "/dev/" + tt.mounted + "\n"
				m.write("mounts", inUse, 0o600)
			}
			calls, said, err := m.run()
			require.NoError(t, err, said)
			require.Equal(t, append(tt.want, binds()...), calls)
			require.Equal(t, "pause", m.read(m.onDrives("/var/lib/containers/storage/image")), "images that came with the boot volume are there")

			calls, said, err = m.run()
			require.NoError(t, err, said)
			require.Empty(t, calls, "run again it changes nothing")

			m.reboot()
			m.write("mounts", inUse, 0o600)
			calls, said, err = m.run()
			require.NoError(t, err, said)
			require.Equal(t, append(tt.want[len(tt.want)-1:], binds()...), calls, "after a reboot it mounts what there is")
		})
	}
}

func TestLocalDrivesAreNeverWrittenOver(t *testing.T) {
	for name, tt := range map[string]struct {
		drives map[string]string
		mend   func(*nvmeMachine)
		why    string
	}{
		"no drive where one was promised":      {map[string]string{"sda": "the root"}, nil, "none was found that is free"},
		"a file system of somebody's":          {map[string]string{"nvme0n1": "ext4 data"}, nil, "/dev/nvme0n1 has something on it already"},
		"a part of an array that is not whole": {map[string]string{"nvme0n1": "", "nvme1n1": "raid"}, nil, "/dev/nvme1n1 has something on it already"},
		"an image without mdadm": {map[string]string{"nvme0n1": "", "nvme1n1": ""}, func(m *nvmeMachine) {
			require.NoError(m, os.Remove(filepath.Join(m.root, "bin/mdadm")))
		}, "The image has no mdadm, which makes one of 2 local NVMe drives; install it in userData."},
		"an array that can not be made": {map[string]string{"nvme0n1": "", "nvme1n1": ""}, func(m *nvmeMachine) {
			m.write("refuse-mdadm", "", 0o600)
		}, "The array of 2 local NVMe drives could not be made."},
		"a file system that can not be made": {map[string]string{"nvme0n1": ""}, func(m *nvmeMachine) {
			m.write("refuse-mkfs", "", 0o600)
		}, "No file system could be made on"},
	} {
		t.Run(name, func(t *testing.T) {
			m := newNVMeMachine(t, tt.drives)
			if tt.mend != nil {
				tt.mend(m)
			}
			before := map[string]string{}
			for drive, holds := range tt.drives {
				before[drive] = holds
			}
			calls, said, err := m.run()
			require.Error(t, err, "the node does not join")
			require.Contains(t, strings.ReplaceAll(said, m.root, ""), tt.why)
			for drive, holds := range before {
				if holds != "" {
					require.Equal(t, holds+"\n", m.read("dev/"+drive))
				}
			}
			require.NotContains(t, strings.Join(calls, "\n"), "mount ", "nothing of the machine has changed its place")
		})
	}
}

func TestABlockVolumeOfTheNetworkIsNoLocalDrive(t *testing.T) {
	m := newNVMeMachine(t, map[string]string{"nvme0n1": "", "nvme1n1": ""})
	require.NoError(t, os.MkdirAll(filepath.Join(m.root, "dev/oracleoci"), 0o700))
	require.NoError(t, os.Symlink(filepath.Join(m.root, "dev/nvme0n1"), filepath.Join(m.root, "dev/oracleoci/oraclevdb")))
	calls, said, err := m.run()
	require.NoError(t, err, said)
	require.Equal(t, "mkfs.xfs /dev/nvme1n1", calls[0])
	require.Empty(t, m.read("dev/nvme0n1"))
}

func TestALocalArrayThatABootLeftWithoutFileSystemGetsIt(t *testing.T) {
	m := newNVMeMachine(t, map[string]string{"nvme0n1": "", "nvme1n1": ""})
	m.write("refuse-mkfs", "", 0o600)
	_, _, err := m.run()
	require.Error(t, err)
	m.reboot()
	require.NoError(t, os.Remove(filepath.Join(m.root, "refuse-mkfs")))
	calls, said, err := m.run()
	require.NoError(t, err, said)
	require.Equal(t, append([]string{"mkfs.xfs " + arrayDevice, mountArray}, binds()...), calls)
}

func TestARuntimeThatRunsAlreadyIsStoppedWhileItsDirectoryMoves(t *testing.T) {
	m := newNVMeMachine(t, map[string]string{"nvme0n1": ""})
	m.write("active-crio", "", 0o600)
	calls, said, err := m.run()
	require.NoError(t, err, said)
	require.Equal(t, "systemctl stop crio", calls[2])
	require.Equal(t, "systemctl start --no-block crio", calls[len(calls)-1])
}

func TestADirectoryWhoseCopyWasCutShortIsCopiedAnew(t *testing.T) {
	m := newNVMeMachine(t, map[string]string{"nvme0n1": ""})
	m.write(m.onDrives("/var/lib/containers.part/storage/half"), "pa", 0o600)
	_, said, err := m.run()
	require.NoError(t, err, said)
	require.Equal(t, "pause", m.read(m.onDrives("/var/lib/containers/storage/image")))
	require.Empty(t, m.read(m.onDrives("/var/lib/containers/storage/half")))
}

func TestOnlyMachinesWithLocalDrivesGetTheScript(t *testing.T) {
	for name, node := range everyFamily() {
		require.NotContains(t, script(node, nil), "nvme", name)
		node.LocalNVMe = true
		text := script(node, nil)
		require.Contains(t, text, "bash "+localNVMePath)
		require.Less(t, strings.Index(text, "bash "+localNVMePath), strings.Index(text, "mount_volume "), "a volume may be mounted on a directory that moves")
		require.Less(t, strings.Index(text, "bash "+localNVMePath), strings.Index(text, "run_script pre-install.sh"), "scripts of users see the drives in place")
	}
}
