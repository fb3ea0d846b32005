# One static binary on an image without a shell. Build: docker build -t rekeyd .
FROM rust:1.95.0-slim-bookworm AS build
WORKDIR /src
# Everything is linked in, the C library too: the folder of a target that is named keeps build
# scripts and macros out of this.
ENV RUSTFLAGS="-C target-feature=+crt-static" \
    CARGO_TERM_COLOR=never
COPY . .
RUN target="$(rustc --print host-tuple)" \
    && cargo build --release --locked --package rekeyd --bin rekeyd --target "$target" \
    && install -D -m 0755 "target/$target/release/rekeyd" /out/rekeyd \
    && mkdir /out/state /out/run

# `static` brings certificate roots, /etc/passwd and nothing that runs.
FROM gcr.io/distroless/static-debian12:nonroot
LABEL org.opencontainers.image.title="rekeyd" \
      org.opencontainers.image.description="Rotates the passwords of ElastiCache users whose credentials live in Secrets Manager" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /out/rekeyd /usr/bin/rekeyd
# The folders that it writes to: an image without a shell cannot make them.
COPY --from=build --chown=65532:65532 --chmod=0700 /out/state /var/lib/rekeyd
COPY --from=build --chown=65532:65532 --chmod=0700 /out/run /run/rekeyd
USER 65532:65532
# The store. Losing it loses history and pauses; never put it on a network file system.
VOLUME ["/var/lib/rekeyd"]
STOPSIGNAL SIGTERM
# ECS ignores this line: give its task definition ["CMD", "/usr/bin/rekeyd", "healthcheck"].
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s --retries=3 CMD ["/usr/bin/rekeyd", "healthcheck"]
ENTRYPOINT ["/usr/bin/rekeyd"]
CMD ["run"]
