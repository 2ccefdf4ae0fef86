# The observe profile, with Debian's Prometheus. There is no Grafana among Debian's packages: of that
# part only the file is read.
# shellcheck shell=bash

observe() {
  must demo up --detach --scale redirector=3 prometheus
  check "Prometheus is healthy" within 60 is_healthy "$(container prometheus)"
  check "Prometheus is confined" confined prometheus
  check "it scrapes ingest, each redirector and the broker" \
    within 60 prints "ingest=1 rabbitmq=1 redirector=3" targets_up
  check "it has loaded the alerts" rules_loaded
}

prometheus() {
  curl --silent --fail --max-time 10 --get "http://$(demo port prometheus 9090)/api/v1/$1" "${@:2}"
}

targets_up() {
  prometheus query --data-urlencode 'query=count by (job) (up == 1)' | python3 -c '
import json, sys
found = json.load(sys.stdin)["data"]["result"]
jobs = {one["metric"]["job"]: one["value"][1] for one in found}
print(" ".join(f"{job}={jobs[job]}" for job in sorted(jobs) if job != "prometheus"))'
}

rules_loaded() {
  prometheus rules | python3 -c '
import json, sys
groups = json.load(sys.stdin)["data"]["groups"]
rules = [rule for group in groups for rule in group["rules"]]
bad = [rule["name"] for rule in rules if rule["health"] == "err"]
print(f"{len(rules)} rules, failing: {bad}")
sys.exit(bool(bad) or not rules)'
}
