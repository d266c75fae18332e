# The image as `make image` builds it, for those who have a container engine. One program decides what is in both (tools/image).
#
#   docker build --build-arg VERSION=v1.2.3 --build-arg REVISION=$(git rev-parse HEAD) --build-arg SOURCE_DATE_EPOCH=$(git log -1 --format=%ct) .

# The version is that of the toolchain in go.mod (checked by a test).
FROM --platform=$BUILDPLATFORM docker.io/library/golang:1.26.10 AS build
WORKDIR /src
ENV GOTOOLCHAIN=local CGO_ENABLED=0
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
ARG TARGETOS TARGETARCH VERSION=unknown REVISION=unknown SOURCE_DATE_EPOCH=0
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    SOURCE_DATE_EPOCH=$SOURCE_DATE_EPOCH go run ./tools/image --version "$VERSION" --revision "$REVISION" --platforms "$TARGETOS/$TARGETARCH" --rootfs /rootfs

FROM scratch
ARG VERSION=unknown REVISION=unknown
LABEL org.opencontainers.image.title="karpenter-oke" \
      org.opencontainers.image.description="Karpenter for Oracle Kubernetes Engine, with virtual nodes" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="https://github.com/karpenter-oke/karpenter-oke" \
      org.opencontainers.image.url="https://github.com/karpenter-oke/karpenter-oke" \
      org.opencontainers.image.documentation="https://github.com/karpenter-oke/karpenter-oke/tree/main/docs" \
      org.opencontainers.image.vendor="karpenter-oke"
COPY --from=build /rootfs/ /
USER 65532:65532
EXPOSE 8080 8081
ENTRYPOINT ["/karpenter-oke"]
