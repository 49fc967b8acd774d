# What the demo's model needs beside Kubernetes: KServe, Prometheus, and a program that plays requests. Sourced by run.sh.

start_kserve() {
  local kserve=$root/target/tools/kserve port certificates=$demo/kserve/k8s-webhook-server/serving-certs
  mkdir -p "$certificates"
  openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=localhost -addext subjectAltName=DNS:localhost \
    -keyout "$certificates/tls.key" -out "$certificates/tls.crt" 2>"$demo/kserve.log" || fail "No certificate for KServe's webhook." "$demo/kserve.log"
  "$demo/kubectl" apply --server-side --filename "$kserve.crds" >"$demo/kserve.log" 2>&1 || fail "KServe's kinds could not be installed." "$demo/kserve.log"
  "$demo/kubectl" wait --for condition=Established crd --all --timeout 60s >>"$demo/kserve.log" 2>&1 || fail "KServe's kinds are not served." "$demo/kserve.log"
  "$demo/kubectl" create namespace kserve >>"$demo/kserve.log" 2>&1
  sed -e 's/"enableGatewayApi": false/"enableGatewayApi": true/' -e 's/"defaultDeploymentMode": "[A-Za-z]*"/"defaultDeploymentMode": "Standard"/' \
    "$kserve.config/inferenceservice.yaml" >"$demo/kserve/settings.yaml"
  "$demo/kubectl" --namespace kserve apply --server-side --filename "$demo/kserve/settings.yaml" >>"$demo/kserve.log" 2>&1 || fail "KServe's settings could not be stored." "$demo/kserve.log"
  "$demo/kubectl" apply --server-side --filename "$kserve.config/storage.yaml" --filename "$root/tools/demo/runtime.yaml" >>"$demo/kserve.log" 2>&1 || fail "KServe's runtime could not be installed." "$demo/kserve.log"
  port=$(free_port)
  POD_NAMESPACE=kserve TMPDIR=$demo/kserve "$kserve" --kubeconfig "$demo/cluster/kubeconfig" --webhook-port "$port" --metrics-addr 0 --health-probe-addr 0 \
    >>"$demo/kserve.log" 2>&1 &
  kserve_pid=$!
  wait_for 90 "KServe" "$demo/kserve.log" "$kserve_pid" is_taken "127.0.0.1:$port"
  sed -e "s|\${URL}|https://localhost:$port|" -e "s|\${CA}|$(base64 -w 0 <"$certificates/tls.crt")|" "$root/tools/demo/webhook.yaml" |
    "$demo/kubectl" apply --server-side --filename - >>"$demo/kserve.log" 2>&1 || fail "KServe's webhook could not be registered." "$demo/kserve.log"
}

start_metrics() {
  local port
  node "$root/tools/demo/requests.mjs" "$demo/kubectl" "$demo/requests.port" >"$demo/requests.log" 2>&1 &
  requests_pid=$!
  wait_for 20 "The requests" "$demo/requests.log" "$requests_pid" test -s "$demo/requests.port"
  cat >"$demo/prometheus.yaml" <<TEXT
global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs:
- job_name: requests
  static_configs: [{targets: ["127.0.0.1:$(cat "$demo/requests.port")"]}]
TEXT
  port=$(free_port)
  prometheus --config.file "$demo/prometheus.yaml" --storage.tsdb.path "$demo/prometheus" --web.listen-address "127.0.0.1:$port" \
    --log.level warn >"$demo/prometheus.log" 2>&1 &
  prometheus_pid=$!
  wait_for 30 "Prometheus" "$demo/prometheus.log" "$prometheus_pid" is_taken "127.0.0.1:$port"
  prometheus=http://127.0.0.1:$port
}

free_port() {
  node -e 'const server = require("node:net").createServer(); server.listen(0, "127.0.0.1", () => { console.log(server.address().port); server.close(); })'
}
