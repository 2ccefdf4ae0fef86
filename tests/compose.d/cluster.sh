# Three nodes, and the loss of the one that leads.
# shellcheck shell=bash

cluster() { demo --file docker-compose.cluster.yml "$@"; }

start_cluster() {
  callers=0
  must cluster up --detach --scale redirector=2
  check "all containers are healthy" within 60 healthy 7
  check "the queue has a member on each node" \
    prints "rabbitmq rabbitmq-2 rabbitmq-3" nodes rabbitmq leader follower
}

lose_the_leader() {
  local leader other=rabbitmq
  leader=$(nodes rabbitmq leader)
  [[ $leader != rabbitmq ]] || other=rabbitmq-2
  must place_calls 50
  must docker kill "$(container "$leader")"
  must place_calls 50
  check "each of $callers callers is redirected once, though $leader is gone" \
    within 120 all_redirected
  check "another node leads" another_leads "$leader" "$other"
  must docker start "$(container "$leader")"
  check "$leader comes back" within 120 is_healthy "$(container "$leader")"
  check "it has its member again" \
    within 60 prints "rabbitmq rabbitmq-2 rabbitmq-3" nodes "$other" leader follower
  must cluster stop
  must cluster down --volumes
}

# The nodes whose member of the queue is in one of these states, as another node tells it.
nodes() {
  docker exec "$(container "$1")" rabbitmq-queues --quiet --vhost overflow quorum_status \
    overflow.redirect --formatter json | python3 -c '
import json, sys
members = {one["Node Name"].removeprefix("rabbit@"): one["Raft State"] for one in json.load(sys.stdin)}
print(" ".join(sorted(node for node, state in members.items() if state in sys.argv[1:])))' "${@:2}"
}

# As a node tells it, somebody leads the queue, and not the one that did.
another_leads() {
  local leads
  leads=$(nodes "$2" leader) && echo "$leads leads" && [[ -n $leads && $leads != "$1" ]]
}
