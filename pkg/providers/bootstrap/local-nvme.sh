#!/usr/bin/env bash
# Keeps what pods write on the machine's local NVMe drives: one file system, striped over the drives where there are several, with the
# directories of kubelet and container runtime on it. Runs at every boot before these start; run again it changes nothing. Drives with
# something on them that was not made here are never written to, and then neither program starts.
set -o nounset

label=local-nvme # of the file system; XFS takes 12 characters
store=/mnt/local-nvme
array=/dev/md/local-nvme
directories=(/var/lib/kubelet /var/lib/containers /var/lib/containerd /var/log/pods)

say() { echo "karpenter-oke: $*" >&2; }
fail() {
  say "$*"
  exit 1
}

# is_volume tells a block volume of the network that looks like a local drive.
is_volume() {
  local link
  for link in /dev/oracleoci/*; do
    [ "$(readlink -f "$link")" = "$1" ] && return 0
  done
  return 1
}

# find_drives sets drives to those that nobody uses. blkid ends with status 2 when it finds nothing.
find_drives() {
  local drive status
  drives=()
  for drive in $(lsblk --nodeps --noheadings --paths --output NAME); do
    case "$drive" in
      /dev/nvme*) ;;
      *) continue ;;
    esac
    if is_volume "$drive" || lsblk --noheadings --output MOUNTPOINT "$drive" | grep -q '[^[:space:]]'; then
      continue
    fi
    status=0
    blkid -p "$drive" >/dev/null || status=$?
    [ "$status" -eq 2 ] || fail "The local NVMe drive $drive has something on it already."
    drives+=("$drive")
  done
}

# make_store makes the file system on all drives and prints nothing. An array without a file system is what a boot left that was cut short.
make_store() {
  local device="$array"
  if [ ! -b "$array" ]; then
    find_drives
    case ${#drives[@]} in
      0) fail 'This shape should have local NVMe drives, and none was found that is free.' ;;
      1) device="${drives[0]}" ;;
      *)
        command -v mdadm >/dev/null || fail "The image has no mdadm, which makes one of ${#drives[@]} local NVMe drives; install it in userData."
        mdadm --create "$array" --run --level=0 --name="$label" --homehost=any --raid-devices="${#drives[@]}" "${drives[@]}" ||
          fail "The array of ${#drives[@]} local NVMe drives could not be made."
        udevadm settle
        ;;
    esac
  fi
  mkfs.xfs -K -L "$label" "$device" || fail "No file system could be made on $device."
  udevadm settle
}

mount_store() {
  mountpoint -q "$store" && return
  udevadm settle
  if [ -z "$(blkid -L "$label")" ]; then
    if command -v mdadm >/dev/null; then
      mdadm --assemble --scan # an array from an earlier boot; ends with a status where there is none
      udevadm settle
    fi
    [ -n "$(blkid -L "$label")" ] || make_store
  fi
  if ! { mkdir -p "$store" && mount -o noatime "$(blkid -L "$label")" "$store"; }; then
    fail "The local NVMe drives could not be mounted on $store."
  fi
}

# move_in puts a directory on the drives, with what it has; a copy that was cut short is made anew.
move_in() {
  local directory="$1" own="$store$1"
  mountpoint -q "$directory" && return
  mkdir -p "$directory" "${own%/*}" || fail "The directory $directory could not be made."
  if [ ! -d "$own" ]; then
    rm -rf "$own.part"
    if ! { mkdir "$own.part" && cp -a "$directory/." "$own.part" && mv "$own.part" "$own"; }; then
      fail "$directory could not be copied to the local NVMe drives."
    fi
  fi
  mount --bind "$own" "$directory" || fail "$directory could not be put on the local NVMe drives."
  if command -v restorecon >/dev/null; then
    restorecon "$directory"
  fi
}

mount_store
stopped=()
for service in crio containerd; do
  # Only at the first boot: later ones find the directories in place before any service starts.
  if ! mountpoint -q /var/lib/containers && systemctl is-active --quiet "$service"; then
    systemctl stop "$service"
    stopped+=("$service")
  fi
done
for directory in "${directories[@]}"; do
  move_in "$directory"
done
for service in ${stopped[@]+"${stopped[@]}"}; do
  systemctl start --no-block "$service" # it waits for the service that runs this script
done
exit 0
