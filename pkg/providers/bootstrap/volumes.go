package bootstrap

import (
	"strings"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
)

// mountVolume makes a file system on a volume that has nothing on it and mounts it now and at every boot. Run again it changes
// nothing. blkid ends with status 2 when it finds nothing; every other answer, such as a partition table, means that somebody's data
// may be there, and then nothing is written. A volume that was attached at launch may appear some time after the first programs run.
const mountVolume = `mount_volume() {
  local device="$1" type="$2" dir="$3" waited=0 found status=0
  until [ -b "$device" ]; do
    [ "$waited" -lt 300 ] || fail "The block volume $device did not appear within $waited seconds."
    sleep 5
    waited=$((waited + 5))
  done
  found="$(blkid -p -s TYPE -o value "$device")" || status=$?
  if [ "$status" -eq 2 ]; then
    "mkfs.$type" "$device" || fail "No file system could be made on $device."
    found="$type"
  elif [ "$status" -ne 0 ] || [ -z "$found" ]; then
    fail "The block volume $device has something on it that is no file system."
  fi
  mkdir -p "$dir" || fail "The directory $dir could not be made."
  if ! grep -q "^$device " /etc/fstab; then
    echo "$device $dir $found defaults,nofail,_netdev 0 2" >>/etc/fstab || fail "/etc/fstab could not be written."
  fi
  mountpoint -q "$dir" || mount "$dir" || fail "The block volume $device could not be mounted on $dir."
}
`

// writeVolumes mounts the volumes that have a mount path.
func writeVolumes(b *strings.Builder, devices []v1alpha1.BlockDevice) {
	first := true
	for i, device := range devices {
		if device.MountPath == "" {
			continue
		}
		if first {
			b.WriteString(mountVolume)
			first = false
		}
		b.WriteString(strings.Join([]string{"mount_volume", DevicePath(i), shellQuote(string(device.MountFileSystem())), shellQuote(device.MountPath)}, " ") + "\n")
	}
}
