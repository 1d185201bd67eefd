#!/bin/sh
# Redis for limits and the bus. The password comes by standard input: arguments can be read by everyone on the machine.
set -eu

exec redis-server - <<EOF
bind 0.0.0.0
requirepass $REDIS_PASSWORD
save ""
appendonly no
maxmemory 256mb
maxmemory-policy volatile-ttl
EOF
