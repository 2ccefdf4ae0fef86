# The images: built by docker-compose, small, without a shell or a user who may do anything.
# shellcheck shell=bash

images=(ingest redirector overflow)

build_images() {
  local started image
  started=$(seconds)
  must demo build --progress plain
  echo "   built in $(since "$started")"
  for image in "${images[@]}"; do
    echo "   $image: $(docker image inspect --format '{{.Size}}' "$(image "$image")" |
      awk '{ printf "%.1f MB", $1 / 1e6 }')"
  done
}

rebuild_images() {
  check "a second build finds every layer in the cache" within_the_cache
  echo '// a change' >>"$stack/ingest/src/main.rs"
  check "a change of our code builds no dependency anew" code_only
}

within_the_cache() {
  demo build --progress plain >"$work/build.log" 2>&1 && ! grep -E '^#[0-9]+ .*(Compiling|Installing) ' "$work/build.log"
}

# Up to where our own code is compiled.
code_only() {
  sed '/^RUN cargo build/,$d' "$stack/Dockerfile" >"$work/dependencies.Dockerfile"
  docker build --network host --progress plain --target build \
    --file "$work/dependencies.Dockerfile" "$stack" >"$work/build.log" 2>&1
  grep -A 2 'RUN cargo chef cook' "$work/build.log" | grep CACHED
}

check_images() {
  local image
  for image in "${images[@]}"; do
    check "$image runs as user 65532" \
      prints 65532:65532 docker image inspect --format '{{.Config.User}}' "$(image "$image")"
    check "$image has no shell" no_shell "$image"
    check "$image starts on a read-only file system" alone "$image" --version
  done
  check "ingest names every setting that it misses" misses_settings
  check "ingest --health fails where nothing runs" no_health
  check "files in a new volume at /data belong to user 65532" data_belongs_to_user
}

image() { echo "flex-overflow/$1:0.1.0"; }

alone() {
  local image=$1
  shift
  docker run --rm --network none --read-only --cap-drop ALL "$(image "$image")" "$@"
}

no_shell() {
  local files
  files=$(docker create "$(image "$1")") &&
    docker export "$files" | tar -t >"$work/files" &&
    docker rm "$files" >/dev/null &&
    [[ -s $work/files ]] && ! grep -E '(^|/)(sh|bash|dash|busybox)$' "$work/files"
}

no_health() {
  local output status=0
  output=$(alone ingest --health 2>&1) || status=$?
  echo "$status: $output"
  [[ $status == 1 && $output == *"does not answer"* ]]
}

misses_settings() {
  local output status=0
  output=$(alone ingest 2>&1) || status=$?
  echo "$status: $output"
  [[ $status == 78 && $output == *TWILIO_ACCOUNT_SID*PUBLIC_URL* ]]
}

# Nothing in the image could tell, so the engine is asked for the folder itself.
data_belongs_to_user() {
  local container
  container=$(docker create --volume /data "$(image ingest)")
  docker cp "$container:/data" - | tar -tv --numeric-owner | tee "$work/data"
  docker rm -v "$container" >/dev/null
  grep -q '65532/65532.* data/$' "$work/data"
}
