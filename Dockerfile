# One static binary on an image without a shell. Build: docker build -t rekeyd .
FROM rust:1.95.0-slim-bookworm AS build
WORKDIR /src
ENV CARGO_TERM_COLOR=never
COPY . .
# The C library is linked in as well: a matter of the last link alone, so build scripts and macros stay as they are.
RUN cargo rustc --release --locked --package rekeyd --bin rekeyd -- -C target-feature=+crt-static \
    && install -D -m 0755 target/release/rekeyd /out/rekeyd \
    && mkdir /out/state /out/run

# `static` brings certificate roots, /etc/passwd and nothing that runs.
FROM gcr.io/distroless/static-debian12:nonroot
# --build-arg VERSION=$(git describe --tags) --build-arg REVISION=$(git rev-parse HEAD)
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="rekeyd" \
      org.opencontainers.image.description="Rotates the passwords of ElastiCache users whose credentials live in Secrets Manager" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="gcr.io/distroless/static-debian12:nonroot"
COPY --from=build /out/rekeyd /usr/bin/rekeyd
COPY LICENSE /usr/share/doc/rekeyd/LICENSE
# Says nothing by itself: variables (REKEYD__…) can say all, or a file is mounted over it.
COPY packaging/container/rekeyd.toml /etc/rekeyd/rekeyd.toml
# The folders that it writes to: an image without a shell cannot make them. As volumes, so that the root may be read-only,
# and so that ECS gives its own volumes there this owner.
COPY --from=build --chown=65532:65532 --chmod=0700 /out/state /var/lib/rekeyd
COPY --from=build --chown=65532:65532 --chmod=0700 /out/run /run/rekeyd
USER 65532:65532
# The first is the store, if that is a file. Losing it loses history and pauses; never put it on a network file system.
VOLUME ["/var/lib/rekeyd", "/run/rekeyd"]
STOPSIGNAL SIGTERM
# ECS ignores this line: its task definition has one of its own (config/ecs).
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s --retries=3 CMD ["/usr/bin/rekeyd", "healthcheck"]
ENTRYPOINT ["/usr/bin/rekeyd"]
CMD ["run"]
