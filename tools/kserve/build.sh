#!/usr/bin/env bash
# Builds the controller of KServe into the file named by the first argument, and puts its CustomResourceDefinitions, with
# those of the Gateway API that it uses, beside it (the same name with .crds), its settings in .config. The first build takes minutes.
set -euo pipefail
output=$(realpath -m "$1")
cd "$(dirname "$0")"

if ! command -v go >/dev/null; then
  echo "kserve needs Go 1.26 or newer: https://go.dev/dl/" >&2
  exit 1
fi

module=github.com/kserve/kserve
gateway=sigs.k8s.io/gateway-api
go mod download "$module" "$gateway"
version=$(go list -m -f '{{.Version}}' "$module")
mkdir -p "$(dirname "$output")"
echo "kserve: compiling $version (minutes the first time, seconds later)"
CGO_ENABLED=0 go build -ldflags '-s -w' -o "$output.new" "$module/cmd/manager"
kserve=$(go list -m -f '{{.Dir}}' "$module")
rm -rf "$output.crds" "$output.config"
mkdir "$output.crds" "$output.config"
cp "$kserve"/config/crd/full/serving.kserve.io_*.yaml "$kserve"/config/crd/full/clusterstoragecontainer/serving.kserve.io_*.yaml "$output.crds/"
for kind in gatewayclasses gateways httproutes referencegrants; do
  cp "$(go list -m -f '{{.Dir}}' "$gateway")/config/crd/standard/gateway.networking.k8s.io_$kind.yaml" "$output.crds/"
done
cp "$kserve/config/configmap/inferenceservice.yaml" "$output.config/"
cp "$kserve/config/storagecontainers/default.yaml" "$output.config/storage.yaml"
chmod -R u+w "$output.crds" "$output.config"
mv "$output.new" "$output"
echo "kserve: built $output"
