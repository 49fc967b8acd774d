#!/usr/bin/env bash
# The main job on this machine: a throw-away Kubernetes, Driftless, a Git repository with a serving stack in dev, test
# and prod, and three things to try. Ctrl-C stops everything and leaves nothing behind.
set -euo pipefail
cd "$(dirname "$0")/../.."

root=$PWD
demo=${DRIFTLESS_DEMO_DIR:-$root/.demo}
listen=${DRIFTLESS_DEMO_LISTEN:-127.0.0.1:8080}
devcluster=$root/target/tools/devcluster
driftless=$root/target/release/driftless
repo=$demo/serving
cluster_pid= serve_pid=

say() { printf '%s\n' "$*"; }

stop() {
  trap '' INT TERM EXIT
  say ""; say "Stopping …"
  [ -z "$serve_pid" ] || kill "$serve_pid" 2>/dev/null || true
  [ -z "$serve_pid" ] || wait "$serve_pid" 2>/dev/null || true
  [ -z "$cluster_pid" ] || kill "$cluster_pid" 2>/dev/null || true
  [ -z "$cluster_pid" ] || wait "$cluster_pid" 2>/dev/null || true
  rm -rf "$demo"
  say "Nothing is left of the demo."
}

fail() {
  say "$1" >&2
  [ ! -s "$2" ] || { say "Last lines of $2:" >&2; tail -n 20 "$2" >&2; }
  exit 1
}

wait_for() { # seconds, log to show on failure, what, command…
  local limit=$((SECONDS + $1)) log=$2 what=$3
  shift 3
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $limit ] || fail "$what did not come up in time." "$log"
    sleep 0.2
  done
}

if [ -e "$demo" ]; then
  [ -e "$demo/.driftless-demo" ] || fail "$demo exists and is not a demo folder; move it away or set DRIFTLESS_DEMO_DIR." /dev/null
  "$devcluster" down --dir "$demo/cluster" >/dev/null 2>&1 || true
  rm -rf "$demo"
fi
mkdir -p "$demo" && touch "$demo/.driftless-demo"
trap 'exit 130' INT TERM
trap stop EXIT

say "Starting Kubernetes …"
"$devcluster" up --dir "$demo/cluster" --nodes 3 --gpus-per-node 1 --foreground >"$demo/cluster.log" 2>&1 &
cluster_pid=$!
kubectl=("$devcluster" kubectl --kubeconfig "$demo/cluster/kubeconfig")
wait_for 90 "$demo/cluster.log" "Kubernetes" "${kubectl[@]}" get nodes

say "Creating the Git repository …"
mkdir -p "$repo" && cp -R examples/serving/. "$repo"
git -C "$repo" init --quiet --initial-branch main
git -C "$repo" config user.name "Demo User"
git -C "$repo" config user.email demo@example.com
git -C "$repo" add --all
git -C "$repo" commit --quiet --message "Serve the fraud detector in dev, test and prod"

say "Starting Driftless …"
"$driftless" serve --kubeconfig "$demo/cluster/kubeconfig" --data-dir "$demo/data" --listen "$listen" --apply-crds \
  >"$demo/driftless.log" 2>&1 &
serve_pid=$!
wait_for 30 "$demo/driftless.log" "Driftless" test -s "$demo/data/address"
for application in examples/applications/*.yaml; do
  sed "s|\${REPO}|file://$repo|" "$application" | "${kubectl[@]}" apply --filename - >/dev/null
done
password=$("${kubectl[@]}" --namespace argocd get secret argocd-initial-admin-secret \
  --output 'go-template={{.data.password | base64decode}}')

short=${demo#"$PWD"/}
cat <<TEXT

  Driftless is up:   http://$(cat "$demo/data/address")
  Log in with:       admin / $password

  Three things to try in another terminal (from $root):

  1. Commit a change; it is running seconds later:
     sed -i 's/replicas: .*/replicas: 4/' $short/serving/dev/deployment.yaml && git -C $short/serving commit -qam "Scale dev to 4"

  2. Break the cluster by hand; it is put right:
     ${devcluster#"$PWD"/} kubectl --kubeconfig $short/cluster/kubeconfig -n serving-dev delete deployment fraud-detector

  3. Roll back; the bad revision is quarantined and automation stays on:
     ${devcluster#"$PWD"/} kubectl --kubeconfig $short/cluster/kubeconfig -n argocd annotate application fraud-detector-dev driftless.dev/rollback=previous

  Ctrl-C stops everything.

TEXT
wait "$serve_pid" || fail "Driftless ended." "$demo/driftless.log"
