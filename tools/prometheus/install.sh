#!/usr/bin/env bash
# Puts prometheus and promtool into a folder, from the distribution's package. Nothing is installed on the machine, no service is started
# and no right of an administrator is needed: the package is fetched and unpacked. Where there is no apt, programs on PATH are used.
set -o errexit -o nounset -o pipefail

bin=$(cd "${1:?usage: install.sh BIN}" && pwd)
programs=(prometheus promtool)

have() {
    local program
    for program in "${programs[@]}"; do
        [[ -x $bin/$program ]] || return 1
    done
}

have && exit 0

if command -v apt-get dpkg-deb >/dev/null 2>&1; then
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    if (cd "$scratch" && apt-get --quiet=2 download prometheus >/dev/null 2>fetch.log); then
        dpkg-deb --extract "$scratch"/prometheus_*.deb "$scratch/package"
        for program in "${programs[@]}"; do
            install -m 0755 "$scratch/package/usr/bin/$program" "$bin/$program.new"
            mv "$bin/$program.new" "$bin/$program" # in one step: another make may run at the same time
        done
        exit 0
    fi
    echo "the package prometheus could not be fetched (apt-get update may help):" >&2
    cat "$scratch/fetch.log" >&2
fi

for program in "${programs[@]}"; do
    path=$(command -v "$program") || {
        echo "$program is not there: install Prometheus 2.40 or newer so that prometheus and promtool are on PATH" >&2
        exit 1
    }
    ln -sf "$path" "$bin/$program"
done
