#!/usr/bin/env bash
# What the official image's entrypoint does, as far as our files rely on it.
set -euo pipefail

# Started as root, it gives the data and itself to the user rabbitmq.
if [[ $1 == rabbitmq* && $(id -u) == 0 ]]; then
  find /var/lib/rabbitmq \! -user rabbitmq -exec chown rabbitmq '{}' +
  exec gosu rabbitmq "${BASH_SOURCE[0]}" "$@"
fi

# RabbitMQ 3.10 refuses to start for a setting that it doesn't know.
for setting in /etc/rabbitmq/conf.d/*; do
  if [[ $setting == *-rabbitmq-4.conf ]]; then
    configuration=$(mktemp -d)
    cp /etc/rabbitmq/conf.d/* "$configuration"
    rm "$configuration"/*-rabbitmq-4.conf
    export RABBITMQ_CONFIG_FILES="$configuration/*.conf"
    break
  fi
done

# The start script then becomes the broker, so that signals reach it.
export RUNNING_UNDER_SYSTEMD=true
exec "$@"
