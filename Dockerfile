# syntax=docker/dockerfile:1
#
#   docker build -t holmesgpt-api .                        the binary alone (default)
#   docker build -t holmesgpt-api:shell --target shell .   with a shell, for images that must start entrypoint.sh
#   docker buildx bake -f deploy/docker-bake.hcl           both, for amd64 and arm64, with attestations
#
# Release builds pin the three bases by digest: --build-arg RUST_IMAGE=docker.io/library/rust@sha256:...
ARG RUST_IMAGE=docker.io/library/rust:1.95-trixie
# With the C library and CA roots, without a shell or a package manager.
ARG RUNTIME_IMAGE=gcr.io/distroless/cc-debian13:nonroot
ARG SHELL_IMAGE=registry.access.redhat.com/ubi10/ubi-minimal:latest

FROM ${RUST_IMAGE} AS builder
# The revision `--version` prints; there is no .git in the build context.
ARG GIT_COMMIT=unknown
# Time of the commit, seconds since 1970: what is built from one commit is the same, byte for byte.
ARG SOURCE_DATE_EPOCH=0
# The caches of two architectures must not meet.
ARG TARGETARCH
ENV HOLMESGPT_API_REVISION=${GIT_COMMIT} \
    SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH} \
    CARGO_INCREMENTAL=0 \
    RUSTFLAGS="--remap-path-prefix=/usr/local/cargo=/cargo --remap-path-prefix=/src=/src"
WORKDIR /src
COPY Cargo.toml Cargo.lock build.rs ./
COPY .cargo .cargo
COPY src src
COPY examples examples
COPY openapi openapi
COPY deploy/sbom deploy/sbom
# The bill of materials is of this architecture and lies where scanners look for it. Kernels for arm64 have pages of up to
# 64 KiB; an allocator built for larger pages than there are works, the other way round it does not.
RUN --mount=type=cache,id=registry-${TARGETARCH},target=/usr/local/cargo/registry \
    --mount=type=cache,id=target-${TARGETARCH},target=/src/target \
    { [ "${TARGETARCH}" != arm64 ] || export JEMALLOC_SYS_WITH_LG_PAGE=16; } \
    && cargo build --release --locked --bin holmesgpt-api \
    && install -D -m 0755 target/release/holmesgpt-api /out/usr/local/bin/holmesgpt-api \
    && install -d -m 0770 -o 1001 -g 0 /out/var/lib/holmesgpt-api \
    && install -d /out/usr/share/sbom \
    && { command -v python3 >/dev/null || { apt-get update && apt-get install -y --no-install-recommends python3; }; } \
    && python3 deploy/sbom "$(rustc -vV | sed -n 's/^host: //p')" > /out/usr/share/sbom/holmesgpt-api.cdx.json

FROM ${SHELL_IMAGE} AS shell
ARG APP_VERSION=dev
ARG GIT_COMMIT=unknown
ARG BUILD_DATE=unknown
LABEL org.opencontainers.image.title="holmesgpt-api" \
      org.opencontainers.image.description="Kubernetes incident investigation API, with a shell" \
      org.opencontainers.image.source="https://github.com/jordigilh/kubernaut" \
      org.opencontainers.image.vendor="Kubernaut" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${APP_VERSION}" \
      org.opencontainers.image.revision="${GIT_COMMIT}" \
      org.opencontainers.image.created="${BUILD_DATE}" \
      name="holmesgpt-api" \
      vendor="Kubernaut" \
      version="${APP_VERSION}" \
      release="${GIT_COMMIT}" \
      summary="Kubernetes incident investigation API, with a shell" \
      description="Finds out why something broke in Kubernetes and chooses the remediation workflow" \
      maintainer="Kubernaut" \
      component="holmesgpt-api" \
      part-of="kubernaut" \
      io.k8s.display-name="holmesgpt-api" \
      io.k8s.description="Finds out why something broke in Kubernetes and chooses the remediation workflow" \
      io.openshift.tags="kubernetes,incident,diagnosis"
COPY --from=builder /out/ /
COPY --chmod=0755 entrypoint.sh /usr/local/bin/entrypoint.sh
USER 1001:0
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=5s --retries=3 \
    CMD ["/usr/local/bin/holmesgpt-api", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/entrypoint.sh"]

# Last, so that a build without --target makes this one.
FROM ${RUNTIME_IMAGE} AS service
ARG APP_VERSION=dev
ARG GIT_COMMIT=unknown
ARG BUILD_DATE=unknown
LABEL org.opencontainers.image.title="holmesgpt-api" \
      org.opencontainers.image.description="Finds out why something broke in Kubernetes and chooses the remediation workflow" \
      org.opencontainers.image.source="https://github.com/jordigilh/kubernaut" \
      org.opencontainers.image.vendor="Kubernaut" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${APP_VERSION}" \
      org.opencontainers.image.revision="${GIT_COMMIT}" \
      org.opencontainers.image.created="${BUILD_DATE}" \
      name="holmesgpt-api" \
      vendor="Kubernaut" \
      version="${APP_VERSION}" \
      release="${GIT_COMMIT}" \
      summary="Kubernetes incident investigation API" \
      description="Finds out why something broke in Kubernetes and chooses the remediation workflow" \
      maintainer="Kubernaut" \
      component="holmesgpt-api" \
      part-of="kubernaut" \
      io.k8s.display-name="holmesgpt-api" \
      io.k8s.description="Finds out why something broke in Kubernetes and chooses the remediation workflow" \
      io.openshift.tags="kubernetes,incident,diagnosis"
COPY --from=builder /out/ /
USER 1001:0
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=5s --retries=3 \
    CMD ["/usr/local/bin/holmesgpt-api", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/holmesgpt-api"]
CMD ["serve"]
