#!/usr/bin/env bash
# Fails when something that is built or shipped is not pinned: a module without checksums, a replaced module, an image of the Dockerfile without
# its full version, an action without a commit. That the tools' versions are those of their modules is a test of tools/build.
set -o errexit -o nounset -o pipefail

fail() {
    echo "$*" >&2
    exit 1
}

while read -r file; do
    [[ -f ${file%go.mod}go.sum ]] || fail "$file has no go.sum"
done < <(git ls-files 'go.mod' '*/go.mod' ':!*/testdata/*')
if grep -n '^replace\|^	.*=>' go.mod; then
    fail "go.mod replaces modules"
fi
if grep -nE '^FROM ' Dockerfile | grep -vE 'FROM scratch$|:[0-9]+\.[0-9]+\.[0-9]+( AS [a-z]+)?$'; then
    fail "an image in the Dockerfile has no full version"
fi
if git ls-files '.github/workflows/*' | xargs -r grep -nE 'uses: +[^#]+@' | grep -vE '@[0-9a-f]{40}'; then
    fail "an action is not pinned to a commit"
fi
echo "dependencies are pinned"
