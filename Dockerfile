# syntax=docker/dockerfile:1
# Pinned by version. A digest is pinned where you build: `docker buildx imagetools inspect rust:1.95.0-bookworm` says it, and
# `FROM rust:1.95.0-bookworm@sha256:...` takes nothing else.
FROM rust:1.95.0-bookworm AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin arbees \
    && ops/image.sh target/release/arbees /image

# A named volume takes the owner of the folder it covers; no server runs as root.
FROM nats:2.15.1-alpine AS nats
RUN mkdir -p /data && chown 65532:65532 /data
USER 65532:65532

# The program, its libraries, the roots of TLS, a user, and nothing else: no shell, no package manager.
FROM scratch AS arbees
COPY --from=build /image /
COPY --from=build --chown=65532:65532 /image/var/lib /var/lib
ENV PATH=/usr/bin DATA_DIR=/var/lib/arbees
USER 65532:65532
WORKDIR /var/lib/arbees
ENTRYPOINT ["/usr/bin/arbees"]
CMD ["run"]
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["/usr/bin/arbees", "healthcheck"]
