#!/usr/bin/env bash
# The main job on this machine: a throw-away Kubernetes with KServe and Prometheus, Driftless, a Git repository with a
# serving stack in dev, test and prod and a model, and five things to try. Ctrl-C stops everything and leaves nothing behind.
set -euo pipefail
cd "$(dirname "$0")/../.."

root=$PWD
demo=${DRIFTLESS_DEMO_DIR:-$root/.demo}
listen=${DRIFTLESS_DEMO_LISTEN:-127.0.0.1:8080}
devcluster=$root/target/tools/devcluster
driftless=${DRIFTLESS_BIN:-$root/target/debug/driftless}
repo=$demo/serving
cluster_pid='' serve_pid='' kserve_pid='' requests_pid='' prometheus_pid=''

say() { printf '%s\n' "$*"; }

stop() {
  trap '' INT TERM HUP EXIT
  say ""; say "Stopping …"
  for pid in $serve_pid $kserve_pid $requests_pid $prometheus_pid $cluster_pid; do
    kill "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
  rm -rf "$demo"
  say "Nothing is left of the demo."
}

fail() { # what happened, log
  say "$1" >&2
  [ ! -s "$2" ] || { say "Last lines of $2:" >&2; tail -n 20 "$2" >&2; }
  exit 1
}

wait_for() { # seconds, what, its log, its process, command…
  local limit=$((SECONDS + $1)) what=$2 log=$3 pid=$4
  shift 4
  until "$@" >/dev/null 2>&1; do
    kill -0 "$pid" 2>/dev/null || fail "$what ended at once." "$log"
    [ $SECONDS -lt $limit ] || fail "$what did not come up in time." "$log"
    sleep 0.2
  done
}

is_taken() { (exec 3<>"/dev/tcp/${1%:*}/${1##*:}") 2>/dev/null; }

# shellcheck source=tools/demo/models.sh
source tools/demo/models.sh

if [ -e "$demo" ]; then
  [ -e "$demo/.driftless-demo" ] || fail "$demo exists and is not a demo folder; move it away or set DRIFTLESS_DEMO_DIR." /dev/null
  other=$(cat "$demo/.driftless-demo")
  if [ -n "$other" ] && kill -0 "$other" 2>/dev/null; then
    fail "A demo is running already (process $other): http://$(cat "$demo/data/address" 2>/dev/null)" /dev/null
  fi
  "$devcluster" down --dir "$demo/cluster" >/dev/null 2>&1 || true
  rm -rf "$demo"
fi
if is_taken "$listen"; then
  say "$listen is in use; another port is taken."
  listen=${listen%:*}:0
fi
mkdir -p "$demo" && echo $$ >"$demo/.driftless-demo"
trap 'exit 0' INT # The way to end it.
trap 'exit 143' TERM HUP
trap stop EXIT

say "Starting Kubernetes …"
"$devcluster" up --dir "$demo/cluster" --nodes 3 --gpus-per-node 1 --foreground >"$demo/cluster.log" 2>&1 &
cluster_pid=$!
wait_for 90 "Kubernetes" "$demo/cluster.log" "$cluster_pid" grep -q '^ready' "$demo/cluster.log"
cat >"$demo/kubectl" <<TEXT
#!/bin/sh
exec "$devcluster" kubectl --kubeconfig "$demo/cluster/kubeconfig" "\$@"
TEXT
chmod +x "$demo/kubectl"

say "Starting KServe and Prometheus …"
start_kserve
start_metrics

say "Starting Driftless …"
DRIFTLESS_LOCAL_METRIC_SOURCES=true "$driftless" serve --kubeconfig "$demo/cluster/kubeconfig" --data-dir "$demo/data" --listen "$listen" --apply-crds \
  >"$demo/driftless.log" 2>&1 &
serve_pid=$!
wait_for 30 "Driftless" "$demo/driftless.log" "$serve_pid" test -s "$demo/data/address"
address=$(cat "$demo/data/address")

say "Creating the Git repository and the applications …"
mkdir -p "$repo" && cp -R examples/serving/. "$repo"
sed -i "s|\${PROMETHEUS}|$prometheus|g" "$repo/models/fraud.yaml"
git -C "$repo" init --quiet --initial-branch main
git -C "$repo" config user.name "Demo User"
git -C "$repo" config user.email demo@example.com
git -C "$repo" config commit.gpgsign false
git -C "$repo" add --all
git -C "$repo" commit --quiet --message "Serve the fraud detector in dev, test and prod, and a model of it"
mkdir -p "$repo/.git/hooks"
cat >"$repo/.git/hooks/post-commit" <<TEXT
#!/bin/sh
# Tells Driftless of a commit, as a Git host does after a push. Without it, Driftless would look within 30 s.
push='{"ref": "refs/heads/main", "repository": {"html_url": "file://$repo", "default_branch": "main"}}'
"$(command -v node)" -e 'fetch(process.argv[1], { method: "POST", body: process.argv[2],
  headers: { "X-GitHub-Event": "push", "Content-Type": "application/json" } }).catch(() => {})' http://$address/api/webhook "\$push" || true
TEXT
chmod +x "$repo/.git/hooks/post-commit"
for application in examples/applications/*.yaml; do
  sed "s|\${REPO}|file://$repo|" "$application" | "$demo/kubectl" apply --filename - >"$demo/apply.log" 2>&1 ||
    fail "The application of $application could not be created." "$demo/apply.log"
done
password=$("$demo/kubectl" --namespace argocd get secret argocd-initial-admin-secret \
  --output 'go-template={{.data.password | base64decode}}')

short=${demo#"$PWD"/}
cat <<TEXT

  Driftless is up:   http://$address
  Log in with:       admin / $password

  Five things to try in another terminal, in $root.
  Watch them at http://$address/applications/argocd/fraud-detector-dev

  1. Commit a change; it is running a moment later:
     sed -i 's/replicas: .*/replicas: 4/' $short/serving/dev/deployment.yaml && git -C $short/serving commit -qam "Scale dev to 4"

  2. Break the cluster by hand; it is put right:
     $short/kubectl -n serving-dev delete deployment fraud-detector

  3. Roll back; the bad revision is quarantined and automation stays on:
     $short/kubectl -n argocd annotate application fraud-detector-dev driftless.dev/rollback=previous

  4. Release a good model; it takes 10 % of the traffic, is judged by its errors, and takes all of it in less than a minute:
     sed -i 's|fraud/v1|fraud/v2|' $short/serving/models/fraud.yaml && git -C $short/serving commit -qam "Fraud model v2"
     Watch it at http://$address/applications/argocd/fraud-model?view=models

  5. Release a bad one; it goes back by itself and is quarantined, and the next commit is tried again:
     sed -i 's|fraud/v2|fraud/v3|' $short/serving/models/fraud.yaml && git -C $short/serving commit -qam "Fraud model v3"

  Ctrl-C stops everything.

TEXT
wait -n "$serve_pid" "$cluster_pid" || true
kill -0 "$cluster_pid" 2>/dev/null || fail "Kubernetes ended." "$demo/cluster.log"
fail "Driftless ended." "$demo/driftless.log"
