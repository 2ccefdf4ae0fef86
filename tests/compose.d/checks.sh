# Counting what holds and what doesn't, and waiting for what will.
# shellcheck shell=bash

passed=0 failed=0

seconds() { echo "${EPOCHREALTIME/[^0-9]/.}"; }
since() { awk -v from="$1" -v to="$(seconds)" 'BEGIN { printf "%.1f s", to - from }'; }

# Runs a part of the test and says how long it took.
part() {
  local started
  started=$(seconds)
  echo "== $1"
  "$2"
  echo "   $(since "$started")"
}

# A check: what should hold, and the command that tells whether it does.
check() {
  local what=$1 started output
  shift
  started=$(seconds)
  if output=$("$@" 2>&1); then
    passed=$((passed + 1))
    echo "   ok: $what ($(since "$started"))"
  else
    failed=$((failed + 1))
    echo "   FAILED: $what ($(since "$started"))"
    tail -n 30 <<<"${output:-(it said nothing)}" | sed 's/^/      /'
  fi
}

# A command that must fail.
fails() { ! "$@"; }

# A command whose output must be just this.
prints() {
  local expected=$1 output
  shift
  output=$("$@")
  [[ $output == "$expected" ]] || { echo "expected $expected, but it is $output" && return 1; }
}

# Tries a command again until it succeeds, for so many seconds at most.
within() {
  local limit=$1 output
  local until=$((SECONDS + limit))
  shift
  until output=$("$@" 2>&1); do
    if ((SECONDS >= until)); then
      echo "not within $limit s: $*"
      echo "$output"
      return 1
    fi
    sleep 0.2
  done
}

# Something that the test can't go on without.
must() {
  local log
  log=$(mktemp -p "$work")
  if ! "$@" >"$log" 2>&1; then
    tail -n 50 "$log" >&2
    echo "$0: failed: $*" >&2
    exit 1
  fi
}
