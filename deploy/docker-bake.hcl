# Images for amd64 and arm64, with provenance and a bill of materials attached:
#
#   export VERSION=0.1.0 COMMIT=$(git rev-parse HEAD) SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
#   export BUILD_DATE=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)
#   docker buildx bake -f deploy/docker-bake.hcl --push
#
# A release names the three bases by digest (RUST_IMAGE=docker.io/library/rust@sha256:...). Each architecture is built by a
# compiler of its own: on nodes of both kinds (docker buildx create --append), or emulated, which takes long.
# Signing: cosign sign --recursive "$REPOSITORY@$DIGEST".
variable "REPOSITORY" { default = "quay.io/kubernaut-ai/holmesgpt-api" }
variable "VERSION" { default = "dev" }
variable "COMMIT" { default = "unknown" }
variable "BUILD_DATE" { default = "unknown" }
variable "SOURCE_DATE_EPOCH" { default = "0" }
variable "RUST_IMAGE" { default = "docker.io/library/rust:1.95-trixie" }
variable "RUNTIME_IMAGE" { default = "gcr.io/distroless/cc-debian13:nonroot" }
variable "SHELL_IMAGE" { default = "registry.access.redhat.com/ubi10/ubi-minimal:latest" }

group "default" { targets = ["service", "shell"] }

target "base" {
  context    = "."
  dockerfile = "Dockerfile"
  platforms  = ["linux/amd64", "linux/arm64"]
  args = {
    APP_VERSION       = VERSION
    GIT_COMMIT        = COMMIT
    BUILD_DATE        = BUILD_DATE
    SOURCE_DATE_EPOCH = SOURCE_DATE_EPOCH
    RUST_IMAGE        = RUST_IMAGE
    RUNTIME_IMAGE     = RUNTIME_IMAGE
    SHELL_IMAGE       = SHELL_IMAGE
  }
  # Files in layers carry the commit's time too.
  output = ["type=image,rewrite-timestamp=true"]
  attest = ["type=provenance,mode=max", "type=sbom"]
}

target "service" {
  inherits = ["base"]
  target   = "service"
  tags     = ["${REPOSITORY}:${VERSION}"]
}

target "shell" {
  inherits = ["base"]
  target   = "shell"
  tags     = ["${REPOSITORY}:${VERSION}-shell"]
}
