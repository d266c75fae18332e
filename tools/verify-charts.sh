#!/usr/bin/env bash
# Fails when a chart has a fault that helm's linter sees, or a README that is not what its values say. It writes into a temporary folder only.
set -o errexit -o nounset -o pipefail

bin=${1:?usage: verify-charts.sh BIN}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

"$bin/helm" lint --strict --quiet charts/karpenter-oke-crd
"$bin/helm" lint --strict --quiet charts/karpenter-oke --set settings.clusterId=ocid1.cluster.oc1.phx.a,settings.compartmentId=ocid1.compartment.oc1..a

cp -r charts "$scratch/"
"$bin/helm-docs" --chart-search-root "$scratch/charts" --sort-values-order file --log-level warning
for chart in karpenter-oke karpenter-oke-crd; do
    if ! diff -u "charts/$chart/README.md" "$scratch/charts/$chart/README.md"; then
        echo "charts/$chart/README.md is not what values.yaml says: run 'make generate' and commit the result" >&2
        exit 1
    fi
done
