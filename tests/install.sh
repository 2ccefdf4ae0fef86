# Debian packages that the tests need, installed where they are missing. Sourced by the scripts
# beside it.
# shellcheck shell=bash

# Whether there is such a command. Not every PATH has /usr/sbin in it.
have() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ]; }

# need COMMAND PACKAGE ELSEWHERE: installs the package unless there is the command. ELSEWHERE is where those who have no Debian find it.
need() {
  have "$1" || install_package "$2" || explain "$2" "$3"
}

# The tests start private, throwaway servers of their own, never the system-wide one that a package
# sets up: it is neither started now nor at the next boot.
install_package() {
  have apt-get && [ "$(id -u)" = 0 ] || return
  echo "$0: installing $1 from Debian's packages"
  local policy=/usr/sbin/policy-rc.d ours='' log status=0
  if [ ! -e "$policy" ]; then
    ours=yes
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
  fi
  log=$(mktemp)
  { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y \
    --no-install-recommends "$1"; } >"$log" 2>&1 || status=$?
  [ -z "$ours" ] || rm -f "$policy"
  if [ "$status" != 0 ]; then
    tail -n 20 "$log" >&2
  elif have systemctl; then
    dpkg -L "$1" | sed -n 's,^.*/systemd/system/\([^/@]*\.\(service\|socket\)\)$,\1,p' |
      xargs -r systemctl disable --quiet >/dev/null 2>&1 || true
  fi
  rm -f "$log"
  return "$status"
}

explain() {
  cat >&2 <<TEXT
$0: $1 is not installed, and it can't be installed from here.
Install it, without starting it as a service, and run $0 again:
  Debian, Ubuntu:  sudo apt-get install $1 && sudo systemctl disable --now $1
  elsewhere:       see $2
TEXT
  exit 1
}
