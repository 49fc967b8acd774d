#!/usr/bin/env bash
# Starts a cluster and Driftless (once with a login, once without), then runs the UI's browser tests against them.
set -euo pipefail
cd "$(dirname "$0")/.."

# Tests of rollouts bring a small source of metrics of their own.
export DRIFTLESS_LOCAL_METRIC_SOURCES=true
folder=$(mktemp -d)
devcluster=target/tools/devcluster
driftless=${DRIFTLESS_BIN:-target/debug/driftless}
pids=()

stop() {
  status=$?
  trap '' INT TERM EXIT
  if [ $status -ne 0 ]; then
    for log in "$folder"/*.log; do
      echo "last lines of ${log##*/}:" >&2
      tail -n 30 "$log" >&2
    done
  fi
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
  rm -rf "$folder"
  exit $status
}
trap stop EXIT
trap 'exit 130' INT TERM

wait_for() { # seconds, what, file
  for _ in $(seq $(($1 * 10))); do
    [ -s "$3" ] && return
    sleep 0.1
  done
  echo "$2 did not come up in $1 s" >&2
  exit 1
}

"$devcluster" up --dir "$folder/cluster" --foreground >"$folder/cluster.log" 2>&1 &
pids+=($!)
for _ in $(seq 600); do grep -q '^ready' "$folder/cluster.log" && break; sleep 0.1; done
wait_for 60 "the cluster" "$folder/cluster/kubeconfig"
# Models stand behind routes of the Gateway API.
"$devcluster" kubectl --kubeconfig "$folder/cluster/kubeconfig" apply --server-side \
  --filename target/tools/kserve.crds/gateway.networking.k8s.io_httproutes.yaml >"$folder/routes.log" 2>&1
"$driftless" serve --kubeconfig "$folder/cluster/kubeconfig" --data-dir "$folder/data" --listen 127.0.0.1:0 \
  --apply-crds >"$folder/driftless.log" 2>&1 &
pids=($! "${pids[@]}")
wait_for 60 "driftless" "$folder/data/address"
"$driftless" serve --kubeconfig "$folder/cluster/kubeconfig" --data-dir "$folder/open" --listen 127.0.0.1:0 \
  --disable-auth >"$folder/open.log" 2>&1 &
pids=($! "${pids[@]}")
wait_for 60 "driftless without a login" "$folder/open/address"

DRIFTLESS_URL="http://$(cat "$folder/data/address")" DRIFTLESS_OPEN_URL="http://$(cat "$folder/open/address")" KUBECONFIG="$folder/cluster/kubeconfig" \
  DRIFTLESS_KUBECTL="$PWD/$devcluster kubectl" npm --prefix ui run --silent e2e
