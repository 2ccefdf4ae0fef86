# No image can be pulled: stand-ins for those that our files name, from Debian's packages, under the
# names that our files use.
# shellcheck shell=bash

make_bases() {
  local name
  if ! known standin/debian; then
    must debootstrap --variant=minbase bookworm "$work/debian"
    tar -C "$work/debian" -c . | must docker import - standin/debian
    rm -rf --one-file-system "$work/debian"
  fi
  name=$(named Dockerfile '^FROM rust:')
  if ! known standin/toolchain; then
    local version=${name#rust:}
    tar -C "$(rustup run "${version%%-*}" rustc --print sysroot)" -c \
      --exclude=./share --exclude=./lib/rustlib/src . | must docker import - standin/toolchain
  fi
  cp "$root/tests/compose.d/docker-entrypoint.sh" /etc/ssl/certs/ca-certificates.crt "$work/context"
  stand_in rust "$name"
  stand_in distroless "$(named Dockerfile '^FROM gcr.io/distroless')"
  stand_in rabbitmq "$(named docker-compose.yml '^ *image: rabbitmq:')"
  stand_in prometheus "$(named docker-compose.yml '^ *image: prom/prometheus:')"
}

known() { docker image inspect "$1" >/dev/null 2>&1; }

# The image that a file of ours names in the line that matches.
named() { awk -v line="$2" '$0 ~ line { print $2; exit }' "$root/$1"; }

stand_in() {
  must docker build --network host --tag "$2" --file "$root/tests/compose.d/$1.Dockerfile" \
    "$work/context"
}
