# One image for each service: docker build --target ingest .  (or redirector, or overflow)
FROM rust:1.95-slim-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --release --locked -p ingest -p redirector -p overflow \
    && mkdir /out && cp target/release/ingest target/release/redirector target/release/overflow /out/

FROM debian:bookworm-slim AS runtime
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 overflow \
    && install -d -o overflow /data
USER overflow
WORKDIR /data

FROM runtime AS ingest
COPY --from=build /out/ingest /usr/local/bin/
ENTRYPOINT ["ingest"]

FROM runtime AS redirector
COPY --from=build /out/redirector /usr/local/bin/
ENTRYPOINT ["redirector"]

FROM runtime AS overflow
COPY --from=build /out/overflow /usr/local/bin/
ENTRYPOINT ["overflow"]
