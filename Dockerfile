# One image for each target: docker build --target ingest .  (or redirector, or overflow)
FROM rust:1.95.0-slim-bookworm AS chef
RUN cargo install --locked cargo-chef@0.1.78
WORKDIR /src

# What the dependencies are, and nothing that changes with our own code.
FROM chef AS plan
COPY . .
RUN cargo chef prepare --recipe-path /recipe.json

FROM chef AS build
COPY --from=plan /recipe.json /
RUN cargo chef cook --locked --release --recipe-path /recipe.json -p ingest -p redirector -p overflow
COPY . .
RUN cargo build --locked --release -p ingest -p redirector -p overflow
RUN mkdir /data

# glibc, CA certificates and a user, but no shell. The image has no version tags: the newest one has
# the latest security fixes.
FROM gcr.io/distroless/cc-debian12:nonroot AS runtime
LABEL org.opencontainers.image.title="Flex Overflow" \
      org.opencontainers.image.description="Redirects Twilio Flex callers whom no agent took to an outside number" \
      org.opencontainers.image.licenses="MIT"
# A volume that is mounted here for the first time takes over this owner.
COPY --from=build --chown=65532:65532 /data /data
WORKDIR /data
USER 65532:65532
ENV ADMIN_LISTEN=0.0.0.0:9090
STOPSIGNAL SIGTERM

FROM runtime AS ingest
COPY --from=build /src/target/release/ingest /usr/local/bin/
EXPOSE 8080 9090
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["/usr/local/bin/ingest", "--health"]
ENTRYPOINT ["/usr/local/bin/ingest"]

FROM runtime AS redirector
COPY --from=build /src/target/release/redirector /usr/local/bin/
EXPOSE 9090
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["/usr/local/bin/redirector", "--health"]
ENTRYPOINT ["/usr/local/bin/redirector"]

# No health check: most of its commands end by themselves.
FROM runtime AS overflow
COPY --from=build /src/target/release/overflow /usr/local/bin/
EXPOSE 8080 9090
ENTRYPOINT ["/usr/local/bin/overflow"]
