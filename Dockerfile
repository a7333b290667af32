# syntax=docker/dockerfile:1
FROM rust:1-bookworm AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin arbees && cp target/release/arbees /arbees

# A named volume takes the owner of the folder it covers; neither server runs as root.
FROM nats:2.15.1-alpine AS nats
RUN mkdir -p /data && chown 65532:65532 /data

FROM debian:bookworm-slim AS arbees
RUN mkdir -p /var/lib/arbees /var/lib/arbees-public && chown 65532:65532 /var/lib/arbees /var/lib/arbees-public
COPY --from=build /arbees /usr/local/bin/arbees
USER 65532:65532
WORKDIR /var/lib/arbees
ENTRYPOINT ["arbees"]
CMD ["run"]
