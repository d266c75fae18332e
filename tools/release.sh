#!/usr/bin/env bash
# Builds everything of a release into out/release/VERSION: the image's archive with its digest and bills of materials, the kubectl plugin and the
# controller as archives, the charts, and the checksums of all. The same commit and version give the same bytes. BIN has helm.
set -o errexit -o nounset -o pipefail

bin=$(realpath "${1:?usage: release.sh BIN VERSION}")
version=${2:?usage: release.sh BIN VERSION}
if [[ ! $version =~ ^v[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.]+)?$ ]]; then
    echo "a release's version is written v1.2.3 or v1.2.3-rc.1, not $version" >&2
    exit 1
fi
out=$PWD/out/release/$version
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
rm -rf "$out"
mkdir -p "$out"
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH CGO_ENABLED=0

# pack ARCHIVE FOLDER ENTRIES... writes an archive that does not depend on who packs it, nor when.
pack() {
    local archive=$1 folder=$2
    shift 2
    tar --create --directory "$folder" --sort=name --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX --mtime="@$SOURCE_DATE_EPOCH" --format=gnu "$@" |
        gzip -9 --no-name >"$archive"
}

# program NAME PACKAGE LDFLAGS PLATFORMS... builds a program for each platform, and adds the licences of all that is linked into it.
program() {
    local name=$1 package=$2 stamp=$3 platform folder file
    shift 3
    for platform in "$@"; do
        folder=$scratch/$name-${platform/\//-}
        file=$name
        [[ $platform != windows/* ]] || file=$name.exe
        mkdir -p "$folder"
        GOOS=${platform%/*} GOARCH=${platform#*/} go build -trimpath -buildvcs=false -mod=readonly -ldflags "-s -w -X $stamp=$version" -o "$folder/$file" "$package"
        cp LICENSE "$folder/"
        go run ./tools/licences --quiet --platforms "$platform" --write "$folder/licenses" "$package"
        pack "$out/${name}_${version}_${platform/\//_}.tar.gz" "$folder" "$file" LICENSE licenses
    done
}

go run ./tools/image --version "$version" --out "$out"
program karpenter-oke ./cmd/controller sigs.k8s.io/karpenter/pkg/operator.Version linux/amd64 linux/arm64
program kubectl-karpenter_oke ./cmd/kubectl-karpenter_oke main.version linux/amd64 linux/arm64 darwin/amd64 darwin/arm64

for chart in karpenter-oke-crd karpenter-oke; do
    "$bin/helm" package "charts/$chart" --version "${version#v}" --app-version "$version" --destination "$scratch" >/dev/null
    mkdir "$scratch/unpacked-$chart"
    tar --extract --gzip --file "$scratch/$chart-${version#v}.tgz" --directory "$scratch/unpacked-$chart"
    pack "$out/$chart-${version#v}.tgz" "$scratch/unpacked-$chart" "$chart"
done
(cd "$out" && sha256sum -- * >SHA256SUMS && ls -l)
