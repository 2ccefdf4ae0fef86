# Stands in for rust:*-slim-bookworm: the toolchain, a linker and a C compiler.
FROM standin/debian
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates gcc libc6-dev
COPY --from=standin/toolchain / /usr/local/
# Whom the host trusts, for the host may reach crates.io by way of a proxy.
COPY ca-certificates.crt /etc/ssl/certs/
ENV CARGO_HOME=/usr/local/cargo PATH=/usr/local/cargo/bin:/usr/local/bin:/usr/bin:/bin
