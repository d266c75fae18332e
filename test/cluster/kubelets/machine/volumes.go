package machine

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
)

// Volume is a block volume that is attached to the machine.
type Volume struct {
	Device string // consistent device path, /dev/oracleoci/oraclevdb and on
	// Holds is what is on it: empty for nothing, a file system such as ext4, or PartitionTable.
	Holds string
	// After is how long after the boot it appears, in the machine's own time.
	After time.Duration
}

// PartitionTable on a volume is data, but no file system.
const PartitionTable = "a partition table"

// Mount is a mounted block volume.
type Mount struct {
	Device, Path, FileSystem string
	New                      bool // the file system was made at this boot
}

type volume struct {
	Volume
	mounted string
	made    bool
	label   string
	bytes   int64 // 0 for volumes whose size decides nothing here
}

func newVolumes(inst Instance) map[string]*volume {
	out := map[string]*volume{}
	for _, v := range inst.Volumes {
		out[v.Device] = &volume{Volume: v}
	}
	for n := range inst.LocalDrives {
		device := fmt.Sprintf("/dev/nvme%dn1", n)
		out[device] = &volume{Volume: Volume{Device: device}, bytes: int64(inst.LocalDrivesGB * 1e9 / float64(inst.LocalDrives))}
	}
	return out
}

// device finds a volume that has appeared.
func (m *Machine) device(p string) (*volume, bool) {
	v, ok := m.volumes[path.Clean(p)]
	if !ok {
		return nil, false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return v, m.slept >= v.After
}

// mounts lists what is mounted, ordered by device.
func (m *Machine) mounts() []Mount {
	var out []Mount
	for _, v := range m.volumes {
		if v.mounted != "" {
			out = append(out, Mount{Device: v.Device, Path: v.mounted, FileSystem: v.Holds, New: v.made})
		}
	}
	slices.SortFunc(out, func(a, b Mount) int { return strings.Compare(a.Device, b.Device) })
	return out
}

// blkid prints a volume's file system. Status 2: nothing is on it, or it is not there.
func blkid(c *call) (uint8, error) {
	var devices []string
	for i := 1; i < len(c.args); i++ {
		switch a := c.args[i]; {
		case a == "-L" && i+1 < len(c.args):
			return c.byLabel(c.args[i+1])
		case a == "-s" || a == "-o":
			i++
		case !strings.HasPrefix(a, "-"):
			devices = append(devices, a)
		}
	}
	if len(devices) != 1 {
		return c.fail(4, "one device is simulated")
	}
	v, ok := c.m.device(devices[0])
	switch {
	case !ok || v.Holds == "":
		return 2, nil
	case v.Holds != PartitionTable:
		_, _ = fmt.Fprintln(c.out, v.Holds)
	}
	return 0, nil
}

// mkfs makes a file system; like the true ones it does not write over something unless it is forced to.
func mkfs(c *call) (uint8, error) {
	kind := strings.TrimPrefix(c.args[0], "mkfs.")
	var devices []string
	force, label := false, ""
	for i := 1; i < len(c.args); i++ {
		switch a := c.args[i]; {
		case a == "-t" && i+1 < len(c.args):
			i++
			kind = c.args[i]
		case a == "-L" && i+1 < len(c.args):
			i++
			label = c.args[i]
		case a == "-f" || a == "-F":
			force = true
		case !strings.HasPrefix(a, "-"):
			devices = append(devices, a)
		}
	}
	if kind != "xfs" && kind != "ext4" {
		return c.fail(1, "mkfs.%s: No such file or directory", kind)
	}
	if len(devices) != 1 {
		return c.fail(1, "one device is needed")
	}
	v, ok := c.m.device(devices[0])
	switch {
	case !ok:
		return c.fail(1, "%s: No such file or directory", devices[0])
	case v.mounted != "":
		return c.fail(1, "%s is mounted", devices[0])
	case v.Holds != "" && !force:
		return c.fail(1, "%s appears to contain %s", devices[0], v.Holds)
	}
	if kind == "xfs" && len(label) > maxXFSLabel {
		return c.fail(1, "Invalid value %s for -L option", label)
	}
	v.Holds, v.made, v.label = kind, true, label
	return 0, nil
}

// mount mounts a block volume; mounts of anything else decide nothing here.
func mount(c *call) (uint8, error) {
	if flags, rest := c.operands(); hasFlag(flags, "--bind") {
		return c.bind(rest)
	}
	var rest []string
	for i := 1; i < len(c.args); i++ {
		switch a := c.args[i]; {
		case a == "-t" || a == "-o":
			i++
		case !strings.HasPrefix(a, "-"):
			rest = append(rest, a)
		}
	}
	kind := ""
	if len(rest) == 1 {
		var found bool
		if rest, kind, found = c.m.fstab(c.path(rest[0])); !found {
			return c.fail(32, "%s: can't find in /etc/fstab", c.args[1])
		}
	}
	if len(rest) != 2 || !strings.HasPrefix(rest[0], "/dev/oracleoci/") && !isLocal(rest[0]) {
		return 0, nil
	}
	v, ok := c.m.device(rest[0])
	dir := c.path(rest[1])
	switch {
	case !ok:
		return c.fail(32, "special device %s does not exist", rest[0])
	case v.Holds == "" || v.Holds == PartitionTable || kind != "" && kind != v.Holds:
		return c.fail(32, "wrong fs type, bad option, bad superblock on %s", rest[0])
	case !c.m.exists(dir):
		return c.fail(32, "mount point %s does not exist", dir)
	}
	v.mounted = dir
	return 0, nil
}

// fstab finds what a device or a directory is mounted as.
func (m *Machine) fstab(what string) (deviceAndDir []string, kind string, found bool) {
	body, err := m.fs.ReadFile("/etc/fstab")
	if err != nil {
		return nil, "", false
	}
	for line := range strings.Lines(string(body)) {
		if f := strings.Fields(line); len(f) >= 4 && (f[0] == what || f[1] == what) {
			return f[:2], f[2], true
		}
	}
	return nil, "", false
}

// mountpoint tells by its status whether something is mounted on a directory.
func mountpoint(c *call) (uint8, error) {
	_, rest := c.operands()
	if len(rest) == 1 && c.m.binds[c.path(rest[0])] != "" {
		return 0, nil
	}
	for _, v := range c.m.volumes {
		if len(rest) == 1 && v.mounted == c.path(rest[0]) {
			return 0, nil
		}
	}
	return 32, nil
}
