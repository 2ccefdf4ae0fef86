# A Docker engine of the test's own: installed where it is missing, started by hand, stopped by its
# process ID.
# shellcheck shell=bash

start_engine() {
  need dockerd docker.io https://docs.docker.com/engine/install/
  need docker-compose docker-compose https://docs.docker.com/compose/install/
  need debootstrap debootstrap https://wiki.debian.org/Debootstrap
  # docker.io's client, which knows BuildKit without a plugin, also where there is another one.
  export PATH=/usr/bin:/usr/sbin:$PATH
  export DOCKER_HOST=unix://$work/docker.sock DOCKER_BUILDKIT=1 COMPOSE_DOCKER_CLI_BUILD=1
  { no_rules && iptables-save; } >"$work/iptables"
  sysctl -n net.ipv4.ip_forward >"$work/ip_forward"
  # No bridge but those of the networks that compose makes.
  dockerd --data-root "$cache/docker" --exec-root "$work/exec" --pidfile "$work/dockerd.pid" \
    --host "$DOCKER_HOST" --bridge none >"$work/dockerd.log" 2>&1 &
  engine=$!
  must within 60 docker info
}

# What the engine has changed on the machine goes with it.
stop_engine() {
  [[ -n ${engine:-} ]] || return 0
  kill "$engine" 2>/dev/null || true
  wait "$engine" 2>/dev/null || true
  iptables-restore <"$work/iptables"
  sysctl -qw "net.ipv4.ip_forward=$(<"$work/ip_forward")"
}

# What iptables-save leaves out where there are none.
no_rules() { printf '%s\n' '*filter' ':FORWARD ACCEPT' COMMIT '*nat' COMMIT; }
