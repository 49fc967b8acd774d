#!/usr/bin/env bash
# Builds the controller of KServe into the file named by the first argument, and puts its CustomResourceDefinitions, with
# those of the Gateway API that it uses, beside it (the same name with .crds), its settings in .config. Beside them, with
# the same endings: NAME.llmisvc, KServe's controller of LLMInferenceServices, and NAME.knative, the controllers of Knative
# Serving for Serverless mode. The first build takes minutes.
set -euo pipefail
output=$(realpath -m "$1")
cd "$(dirname "$0")"

if ! command -v go >/dev/null; then
  echo "kserve needs Go 1.26 or newer: https://go.dev/dl/" >&2
  exit 1
fi

module=github.com/kserve/kserve
gateway=sigs.k8s.io/gateway-api
inference=sigs.k8s.io/gateway-api-inference-extension
worker=sigs.k8s.io/lws
knative=(knative.dev/serving knative.dev/networking knative.dev/caching)
go mod download "$module" "$gateway" "$inference" "$worker" "${knative[@]}"
version=$(go list -m -f '{{.Version}}' "$module")
mkdir -p "$(dirname "$output")"
echo "kserve: compiling $version (minutes the first time, seconds later)"
CGO_ENABLED=0 go build -ldflags '-s -w' -o "$output.new" "$module/cmd/manager"
CGO_ENABLED=0 go build -ldflags '-s -w' -o "$output.llmisvc" "$module/cmd/llmisvc"
CGO_ENABLED=0 go build -ldflags '-s -w' -o "$output.knative" ./knative
directory() { go list -m -f '{{.Dir}}' "$1"; }
kserve=$(directory "$module")
folders=("$output".{,llmisvc.,knative.}{crds,config})
rm -rf "${folders[@]}"
mkdir "${folders[@]}"
cp "$kserve"/config/crd/full/serving.kserve.io_*.yaml "$kserve"/config/crd/full/clusterstoragecontainer/serving.kserve.io_*.yaml "$output.crds/"
for kind in gatewayclasses gateways httproutes referencegrants; do
  cp "$(directory "$gateway")/config/crd/standard/gateway.networking.k8s.io_$kind.yaml" "$output.crds/"
done
cp "$kserve/config/configmap/inferenceservice.yaml" "$output.config/"
cp "$kserve/config/storagecontainers/default.yaml" "$output.config/storage.yaml"
cp "$kserve"/config/crd/full/llmisvc/serving.kserve.io_*.yaml "$output.llmisvc.crds/"
cp "$(directory "$inference")"/config/crd/bases/inference.networking*.yaml "$output.llmisvc.crds/"
cp "$(directory "$worker")"/config/crd/bases/leaderworkerset*.yaml "$output.llmisvc.crds/"
cp "$kserve"/config/llmisvcconfig/config-llm-*.yaml "$output.llmisvc.config/"
serving=$(directory knative.dev/serving)
networking=$(directory knative.dev/networking)
for kind in configuration metric podautoscaler revision route service; do
  cp "$serving/config/core/300-resources/$kind.yaml" "$output.knative.crds/"
done
cp "$networking"/config/{certificate,domain-claim,ingress,serverlessservice}.yaml "$output.knative.crds/"
cp "$(directory knative.dev/caching)/config/image.yaml" "$output.knative.crds/"
for settings in autoscaler defaults deployment domain features gc leader-election logging observability; do
  cp "$serving/config/core/configmaps/$settings.yaml" "$output.knative.config/"
done
cp "$networking/config/config-network.yaml" "$output.knative.config/network.yaml"
chmod -R u+w "${folders[@]}"
mv "$output.new" "$output"
echo "kserve: built $output"
