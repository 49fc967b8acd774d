#!/usr/bin/env bash
# Builds the controller of Argo Rollouts into the file named by the first argument, and puts its
# CustomResourceDefinitions beside it (the same name with .crds). The first build takes minutes.
set -euo pipefail
output=$(realpath -m "$1")
cd "$(dirname "$0")"

if ! command -v go >/dev/null; then
  echo "argo-rollouts needs Go 1.26 or newer: https://go.dev/dl/" >&2
  exit 1
fi

module=github.com/argoproj/argo-rollouts
go mod download "$module"
version=$(go list -m -f '{{.Version}}' "$module")
mkdir -p "$(dirname "$output")"
echo "argo-rollouts: compiling $version (minutes the first time, seconds later)"
CGO_ENABLED=0 go build -ldflags '-s -w' -o "$output.new" "$module/cmd/rollouts-controller"
rm -rf "$output.crds"
mkdir "$output.crds"
cp "$(go list -m -f '{{.Dir}}' "$module")"/manifests/crds/*-crd.yaml "$output.crds/"
chmod u+w "$output.crds"/*
mv "$output.new" "$output"
echo "argo-rollouts: built $output"
