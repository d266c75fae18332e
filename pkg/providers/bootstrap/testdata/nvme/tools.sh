# What stands in for the programs that look at drives: a drive is a file whose text says what is on it, $ROOT/mounts lists what is mounted, and
# $ROOT/calls what was changed. A test writes this file once for each program's name.
name="${0##*/}"
changed() { echo "$name $*" >>"$ROOT/calls"; }
on() { cat "$1" 2>/dev/null; }
case "$name" in
  lsblk)
    case "$*" in
      *NAME*) find "$ROOT/dev" -maxdepth 1 -type f | sort ;;
      *) for last; do :; done
         grep -h "^${last} " "$ROOT/mounts" | cut -d' ' -f2 ;;
    esac ;;
  blkid)
    if [ "$1" = -L ]; then
      grep -l -x "xfs $2" "$ROOT"/dev/nvme* "$ROOT"/dev/md/* 2>/dev/null | head -n 1
    else
      [ -n "$(on "$2")" ] || exit 2
      on "$2"
    fi ;;
  mdadm)
    case "$1" in
      --create)
        changed create "${*:7}"
        [ ! -e "$ROOT/refuse-mdadm" ] || exit 1
        for drive in "${@:8}"; do echo raid >"$drive"; done
        mkdir -p "$ROOT/dev/md" && : >"$2" ;;
      --assemble)
        [ -e "$ROOT/array" ] || exit 1
        mkdir -p "$ROOT/dev/md" && cp "$ROOT/array" "$ROOT/dev/md/local-nvme" ;;
    esac ;;
  mkfs.xfs)
    for last; do :; done
    [ -z "$(on "$last")" ] || exit 1
    changed "${last#"$ROOT"}"
    [ ! -e "$ROOT/refuse-mkfs" ] || exit 1
    echo "xfs $3" >"$last" ;;
  mount)
    changed "${@#"$ROOT"}"
    case "$1" in
      --bind) echo "$2 $3" >>"$ROOT/mounts" ;;
      *) echo "$3 $4" >>"$ROOT/mounts" ;;
    esac ;;
  mountpoint) cut -d' ' -f2 "$ROOT/mounts" | grep -q -x "$2" ;;
  systemctl)
    case "$1" in
      is-active) [ -e "$ROOT/active-$3" ] ;;
      *) changed "$@" ;;
    esac ;;
esac
