#!/usr/bin/env bash
# Builds devcluster into the file named by the first argument. Shows how far the compiler is: the first
# build compiles all of Kubernetes and takes minutes.
set -euo pipefail
output=$(realpath -m "$1")
cd "$(dirname "$0")"

if ! command -v go >/dev/null; then
  echo "devcluster needs Go 1.26 or newer: https://go.dev/dl/" >&2
  exit 1
fi

kubernetes=$(awk '$1 == "k8s.io/kubernetes" { print $2 }' go.mod)
IFS=. read -r major minor _ <<<"${kubernetes#v}"
version=k8s.io/component-base/version
flags="-s -w -X $version.gitVersion=$kubernetes -X $version.gitMajor=$major -X $version.gitMinor=$minor -X $version.gitTreeState=clean"

mkdir -p "$(dirname "$output")"
echo "devcluster: compiling Kubernetes $kubernetes and KWOK (minutes the first time, seconds later)"
# Package names become a count; everything else (errors, downloads) is shown as it is.
CGO_ENABLED=0 go build -v -ldflags "$flags" -o "$output.new" . 2>&1 | awk '
  /^go: downloading / { if (++downloads % 50 == 1) print "devcluster: downloading modules (" downloads " so far)"; fflush(); next }
  /^[^ :#]+$/ { if (++packages % 200 == 0) print "devcluster: " packages " packages compiled"; fflush(); next }
  { print; fflush() }'
mv "$output.new" "$output"
echo "devcluster: built $output"
