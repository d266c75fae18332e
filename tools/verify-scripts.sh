#!/usr/bin/env bash
# Runs shellcheck over every shell script of the repository. It is taken from the PATH, else from BIN, else from the Debian package, which is
# unpacked into BIN. Where there is none nothing is checked, and a line says so; with VERIFY_STRICT=1 that is a failure.
set -o errexit -o nounset -o pipefail

bin=$(realpath "${1:?usage: verify-scripts.sh BIN}")

find_shellcheck() {
    command -v shellcheck && return
    if [[ ! -x $bin/shellcheck ]] && command -v apt-get >/dev/null && command -v dpkg >/dev/null; then
        local scratch
        scratch=$(mktemp -d)
        (cd "$scratch" && apt-get download shellcheck >/dev/null 2>&1 && dpkg -x shellcheck_*.deb . && install usr/bin/shellcheck "$bin/shellcheck") || true
        rm -rf "$scratch"
    fi
    if [[ -x $bin/shellcheck ]]; then
        echo "$bin/shellcheck"
    fi
}

mapfile -t scripts < <(git grep -l -I -E '^#!(/usr/bin/env bash|/bin/(ba)?sh)' -- ':!*.go' ':!*.md' ':!*/testdata/*')
shellcheck=$(find_shellcheck)
if [[ -z $shellcheck ]]; then
    echo "NOT CHECKED: ${#scripts[@]} shell scripts; install shellcheck"
    [[ ${VERIFY_STRICT:-} != 1 ]]
    exit
fi
"$shellcheck" --severity=style "${scripts[@]}"
echo "${#scripts[@]} shell scripts are well"
