// Plays the gateway of the demo and the requests that the simulated pods of its model would get: 40 a second, split by the
// weights in the live route, answered with the share of errors that each version of the model has. Prometheus reads the counts.
//   node requests.mjs KUBECTL PORT_FILE
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { promisify } from 'node:util';

const [kubectl, portFile] = process.argv.slice(2);
const run = promisify(execFile);
const ERRORS = { v1: 0.01, v2: 0.008 }; // Share of answers that are errors; every other version is bad.
const BAD = 0.3;
const PER_SECOND = 40;
const counts = new Map();

const version = (predictor) => predictor?.model?.storageUri?.split('/').pop();

const yes = (type, generation) => ({
  type, status: 'True', reason: type, message: '', observedGeneration: generation, lastTransitionTime: new Date().toISOString(),
});

// Says that the gateway has taken a route, as a real one does.
async function accept(route) {
  const { name, generation } = route.metadata;
  if (route.status?.parents?.[0]?.conditions?.[0]?.observedGeneration === generation) return;
  const conditions = [yes('Accepted', generation), yes('ResolvedRefs', generation)];
  const parents = (route.spec.parentRefs ?? []).map((parentRef) => ({ parentRef, controllerName: 'demo.example/gateway', conditions }));
  const patch = JSON.stringify({ status: { parents } });
  await run(kubectl, ['--namespace', 'models', 'patch', 'httproute', name, '--subresource', 'status', '--type', 'merge', '--patch', patch]);
}

async function look() {
  const { stdout } = await run(kubectl, ['--namespace', 'models', 'get', 'inferenceservices,httproutes', '--output', 'json']);
  const items = JSON.parse(stdout).items;
  const service = items.find((one) => one.kind === 'InferenceService' && one.metadata.name === 'fraud');
  const route = items.find((one) => one.kind === 'HTTPRoute' && one.metadata.name === 'fraud');
  for (const one of items) if (one.kind === 'HTTPRoute') await accept(one);
  if (!service || !route) return [];
  const canaries = new Map((service.spec.canary ?? []).map((one) => [`fraud-${one.predictor.name}-predictor`, one.predictor]));
  return (route.spec.rules?.[0]?.backendRefs ?? []).map((backend) => ({
    track: canaries.has(backend.name) ? 'canary' : 'stable',
    version: version(canaries.get(backend.name) ?? service.spec.predictor) ?? 'unknown',
    weight: backend.weight ?? 1,
  }));
}

function play(backends, requests) {
  const total = backends.reduce((sum, one) => sum + one.weight, 0);
  for (const { track, version, weight } of backends) {
    const share = total === 0 ? 0 : (requests * weight) / total;
    const errors = share * (ERRORS[version] ?? BAD);
    for (const [code, more] of [['500', errors], ['200', share - errors]]) {
      const key = `model_requests_total{model="fraud",track="${track}",version="${version}",code="${code}"}`;
      counts.set(key, (counts.get(key) ?? 0) + more);
    }
  }
}

let backends = [];
let last = Date.now();
setInterval(() => {
  const now = Date.now();
  play(backends, ((now - last) / 1000) * PER_SECOND);
  last = now;
}, 250);

async function follow() {
  try {
    backends = await look();
  } catch {
    // The kinds are not there yet, or the cluster is busy: what was seen last goes on.
  }
  setTimeout(follow, 500);
}
follow();

const server = createServer((_, response) => {
  response.setHeader('Content-Type', 'text/plain; version=0.0.4');
  const lines = [...counts].map(([key, value]) => `${key} ${value}`);
  response.end(['# TYPE model_requests_total counter', ...lines, ''].join('\n'));
});
server.listen(0, '127.0.0.1', () => writeFileSync(portFile, String(server.address().port)));
