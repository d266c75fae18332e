package machine

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

const (
	arrays = "/dev/md/"
	// raidMember is what is on a drive that belongs to an array.
	raidMember = "linux_raid_member"
	// maxXFSLabel is how many characters a label of XFS has at most.
	maxXFSLabel = 12
	// arrayHeader is what an array keeps of each drive, xfsLog the largest journal that mkfs.xfs makes.
	arrayHeader = int64(128) << 20
	xfsLog      = int64(2) << 30
)

func isLocal(device string) bool {
	return strings.HasPrefix(device, "/dev/nvme") || strings.HasPrefix(device, arrays)
}

// lsblk lists devices: names, or where they are mounted.
func lsblk(c *call) (uint8, error) {
	column := "NAME"
	var named []string
	for i := 1; i < len(c.args); i++ {
		switch a := c.args[i]; {
		case a == "-o" || a == "--output":
			if i++; i < len(c.args) {
				column = c.args[i]
			}
		case !strings.HasPrefix(a, "-"):
			named = append(named, a)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.m.volumes)) {
		v, ok := c.m.device(name)
		if !ok || len(named) > 0 && !slices.Contains(named, name) {
			continue
		}
		switch column {
		case "NAME":
			_, _ = fmt.Fprintln(c.out, name)
		case "MOUNTPOINT":
			_, _ = fmt.Fprintln(c.out, v.mounted)
		default:
			return c.fail(1, "unknown column: %s", column)
		}
	}
	return 0, nil
}

// byLabel prints the device that has a file system of this label.
func (c *call) byLabel(label string) (uint8, error) {
	for _, name := range slices.Sorted(maps.Keys(c.m.volumes)) {
		if c.m.volumes[name].label == label {
			_, _ = fmt.Fprintln(c.out, name)
			return 0, nil
		}
	}
	return 2, nil
}

// mdadm makes an array of drives with nothing on them. There is none to assemble at a first boot.
func mdadm(c *call) (uint8, error) {
	flags, rest := c.operands()
	if !hasFlag(flags, "--create") {
		return c.fail(1, "No arrays found in config file or automatically")
	}
	if len(rest) < 3 || !strings.HasPrefix(rest[0], arrays) || !slices.Contains(flags, "--level=0") || !slices.Contains(flags, fmt.Sprintf("--raid-devices=%d", len(rest)-1)) {
		return c.fail(2, "this array is not simulated: %s", strings.Join(c.args, " "))
	}
	array := &volume{Volume: Volume{Device: rest[0]}}
	for _, name := range rest[1:] {
		drive, ok := c.m.device(name)
		if !ok || drive.Holds != "" || drive.mounted != "" {
			return c.fail(1, "cannot open %s: Device or resource busy", name)
		}
		drive.Holds = raidMember
		array.bytes += drive.bytes - arrayHeader
	}
	c.m.volumes[rest[0]] = array
	return 0, nil
}

// bind makes a directory appear in another place.
func (c *call) bind(rest []string) (uint8, error) {
	if len(rest) != 2 || !c.m.exists(c.path(rest[0])) || !c.m.exists(c.path(rest[1])) {
		return c.fail(32, "mount point does not exist")
	}
	c.m.binds[c.path(rest[1])] = c.path(rest[0])
	return 0, nil
}

// podDisk is the size of the file system that the kubelet's directory is bound to, bytes; 0 when it is not bound to a local drive.
func (m *Machine) podDisk() int64 {
	bound := m.binds["/var/lib/kubelet"]
	for _, v := range m.volumes {
		if v.bytes > 0 && v.mounted != "" && strings.HasPrefix(bound, v.mounted+"/") {
			return v.bytes - xfsLog
		}
	}
	return 0
}

// readlink follows no links: the machine's disk has none.
func readlink(c *call) (uint8, error) {
	_, rest := c.operands()
	for _, p := range rest {
		_, _ = fmt.Fprintln(c.out, path.Clean(c.path(p)))
	}
	return 0, nil
}

// systemctl knows of no service that runs, and that a unit must be there to be enabled.
func systemctl(c *call) (uint8, error) {
	_, rest := c.operands()
	if len(rest) == 0 {
		return 0, nil
	}
	switch rest[0] {
	case "is-active":
		return 3, nil
	case "enable":
		for _, unit := range rest[1:] {
			if strings.HasPrefix(unit, "karpenter-") && !c.m.exists("/etc/systemd/system/"+unit) {
				return c.fail(1, "Failed to enable unit: Unit file %s does not exist.", unit)
			}
		}
	}
	return 0, nil
}
