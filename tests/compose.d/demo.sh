# The demo profile: a broker, ingest, three redirectors and a simulated Twilio, and what breaks.
# shellcheck shell=bash

demo() {
  (cd "$stack" && docker-compose --env-file deploy/compose/demo.env \
    --file docker-compose.yml --file tests/compose.d/test.yml "$@")
}

# The container of a service, by its number.
container() {
  docker ps --all --quiet --filter "label=com.docker.compose.service=$1" | sed -n "${2:-1}p"
}

make_secrets() {
  must "$stack/deploy/compose/secrets" demo
  sha256sum "$stack"/secrets/demo/* >"$work/secrets.sum"
  check "making the secrets again changes nothing" same_secrets
  check "nobody else may enter the folder" prints 700 stat -c %a "$stack/secrets/demo"
  check "without a token there is no secret for it" fails no_token
  check "the token is taken from standard input" token_from_input
}

same_secrets() { "$stack/deploy/compose/secrets" demo && sha256sum --quiet -c "$work/secrets.sum"; }

no_token() { "$stack/deploy/compose/secrets" </dev/null; }

token_from_input() {
  "$stack/deploy/compose/secrets" <<<0123456789abcdef &&
    prints 0123456789abcdef cat "$stack/secrets/twilio_auth_token"
}

start_demo() {
  local started
  started=$(seconds)
  must demo up --detach --scale redirector=3
  check "all containers are healthy" within 60 healthy 6
  echo "   up in $(since "$started")"
  check "only ingest is published, and what the test needs" prints "ingest simulator" published
  check "no secret is in a container's environment" no_secret_in_environment
  for service in rabbitmq ingest redirector simulator; do
    check "$service is confined" confined "$service"
  done
}

# So many containers are up, all of them healthy.
healthy() {
  prints "$1 healthy" health
}

health() {
  docker ps --quiet | xargs docker inspect --format '{{.State.Health.Status}}' | sort | uniq -c |
    xargs
}

published() {
  docker ps --filter publish=1-65535/tcp --format '{{.Label "com.docker.compose.service"}}' |
    sort | xargs
}

no_secret_in_environment() {
  local secrets="$stack/secrets/demo"
  docker ps --quiet | xargs docker inspect --format '{{.Config.Env}} {{.Args}}' >"$work/environments" &&
    [[ -s $work/environments ]] &&
    ! grep -F -e "$(<"$secrets/twilio_auth_token")" -e "$(<"$secrets/rabbitmq_erlang_cookie")" \
      -e "$(sed 's/.*overflow:\(.*\)@.*/\1/' "$secrets/queue_url")" "$work/environments"
}

confined() {
  prints "true [ALL] [no-new-privileges:true] true 512 unless-stopped 10m" docker inspect --format \
    '{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} {{.HostConfig.SecurityOpt}} {{gt .HostConfig.Memory 0}} {{.HostConfig.PidsLimit}} {{.HostConfig.RestartPolicy.Name}} {{index .HostConfig.LogConfig.Config "max-size"}}' \
    "$(container "$1")"
}

callers=0

place_calls() {
  demo exec -T simulator overflow call --count "$1" >"$work/calls" && callers=$((callers + $1))
}

simulator_says() { curl --silent --fail --max-time 10 "http://$(demo port simulator 4010)/simulator/$1"; }

all_redirected() { simulator_says journal | python3 "$root/tests/compose.d/journal.py" "$callers"; }

queue_length() {
  docker exec "$1" rabbitmqctl --quiet --vhost overflow list_queues name messages --formatter csv |
    tr -d '"' | awk -F, -v queue="overflow.$2" '$1 == queue { print $2 }'
}

redirect_callers() {
  must place_calls 50
  check "50 callers are redirected once" within 60 all_redirected
  check "three redirectors consume" within 30 prints 3 consumers "$(container rabbitmq)"
}

consumers() {
  docker exec "$1" rabbitmqctl --quiet --vhost overflow list_queues name consumers --formatter csv |
    tr -d '"' | awk -F, '$1 == "overflow.redirect" { print $2 }'
}

break_things() {
  local broker redirector
  broker=$(container rabbitmq) redirector=$(container redirector 2)
  must place_calls 50
  docker kill "$(container redirector 1)" >/dev/null
  must place_calls 50
  crash "$broker"
  must place_calls 50
  crash "$redirector"
  must place_calls 50
  check "the broker comes back by itself" within 120 has_restarted "$broker"
  check "ingest wrote to its spool meanwhile" grep '"message":"spooled"' <(docker logs "$(container ingest)" 2>&1)
  must place_calls 50
  check "the redirector that crashed comes back by itself" within 60 has_restarted "$redirector"
  check "each of $callers callers is redirected once" within 120 all_redirected
  check "the queue is empty" within 30 prints 0 queue_length "$broker" redirect
  check "there are no dead letters" prints 0 queue_length "$broker" dead
  must demo up --detach --scale redirector=3
  check "a redirector that was killed is started again by up" within 60 healthy 7
}

# As if the process had died: docker kill alone would tell the engine that it is meant.
crash() { kill -KILL "$(docker inspect --format '{{.State.Pid}}' "$1")"; }

has_restarted() {
  prints "1 healthy" docker inspect --format '{{.RestartCount}} {{.State.Health.Status}}' "$1"
}

is_healthy() { prints healthy docker inspect --format '{{.State.Health.Status}}' "$1"; }

restart_all() {
  must demo stop redirector
  must place_calls 20
  check "20 requests wait in the queue" within 60 prints 20 queue_length "$(container rabbitmq)" redirect
  must demo stop ingest rabbitmq
  must demo up --detach --scale redirector=3
  check "all of them are done after a restart" within 120 all_redirected
}

use_tools() {
  check "the command line reaches the queue" \
    prints "no dead letters" demo run --rm -T overflow dead-letters list
}

stop_demo() {
  local started service
  must place_calls 50
  started=$(seconds)
  must demo stop
  echo "   stopped in $(since "$started")"
  for service in ingest redirector rabbitmq simulator; do
    check "each container of $service ended with exit code 0" prints 0 exit_codes "$service"
  done
  must demo --profile observe down --volumes
}

exit_codes() {
  docker ps --all --quiet --filter "label=com.docker.compose.service=$1" |
    xargs docker inspect --format '{{.State.ExitCode}}' | sort -u
}
