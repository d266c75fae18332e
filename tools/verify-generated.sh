#!/usr/bin/env bash
# Fails when a generated file differs from what its source gives. It writes into a temporary folder only.
set -o errexit -o nounset -o pipefail

bin=${1:?usage: verify-generated.sh BIN}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

"$bin/controller-gen" crd paths=./pkg/apis/... "output:crd:dir=$scratch/crds"
"$bin/controller-gen" object paths=./pkg/apis/... "output:object:dir=$scratch/object"
same=1
diff -u pkg/apis/v1alpha1/zz_generated.deepcopy.go "$scratch/object/zz_generated.deepcopy.go" || same=0
diff -ru --exclude='*.go' pkg/apis/crds "$scratch/crds" || same=0
if [[ $same == 0 ]]; then
    echo "generated files are not what their sources give: run 'make generate' and commit the result" >&2
    exit 1
fi
