import type { KubernetesObject, Measurement, ResourceNode, RolloutMetric } from '../api-types';
import { nextVersion } from './mock-ids';

/** Made-up rollouts for the test double: one application with a single one, and one with a rollout in every state there is. */

const START = Date.now();
const minutesAgo = (minutes: number): string => new Date(START - minutes * 60_000).toISOString();

export interface MockRollout {
  node: ResourceNode;
  object: KubernetesObject;
  /** Actions on it are refused, as to a person without the permission. */
  forbidden?: boolean;
  /** Reading it fails. */
  unreachable?: boolean;
}

const STEPS = [
  { warmup: { requests: 50, successRate: 0.99, timeout: '5m' } },
  { setWeight: 10 },
  { analysis: { templates: [{ templateName: 'agreement-with-champion' }] } },
  { pause: { duration: '10m' } },
  { setWeight: 50 },
  { pause: {} },
];
const TITLES = ['Warm up with 50 requests', 'Set weight to 10 %', 'Analysis agreement-with-champion', 'Pause for 10m', 'Set weight to 50 %', 'Wait for approval'];

/** A wave with noise that is the same in each run. */
export function series(count: number, at: (index: number) => Partial<Measurement>): Measurement[] {
  return Array.from({ length: count }, (_, index) => ({ at: minutesAgo(count - index), phase: 'Successful', ...at(index) }));
}

const noise = (index: number, seed: number): number => ((((Math.sin((index + 1) * 12.9898 + seed * 78.233) * 43_758.5453) % 1) + 1) % 1) - 0.5;
const digits = (value: number): number => Number(value.toFixed(4));

export function makeMetrics(count: number): RolloutMetric[] {
  const step = (name: string): string => (name === 'agreement' || name === 'drift' ? 'step 2' : 'background');
  const shapes: [name: string, level: number, spread: number, threshold: number, success: string][] = [
    ['error-rate', 0.011, 0.008, 0.05, 'result[0] < 0.05'],
    ['latency-p95-ms', 182, 40, 250, 'result[0] < 250'],
    ['time-to-first-token-p90', 0.42, 0.12, 0.8, 'result[0] < 0.8'],
    ['time-per-output-token', 0.031, 0.006, 0.05, 'result[0] < 0.05'],
    ['queue-time-p99', 0.08, 0.05, 0.3, 'result[0] < 0.3'],
    ['gpu-utilisation', 0.71, 0.12, 0.95, 'result[0] < 0.95'],
    ['agreement', 0.982, 0.01, 0.95, 'result[0] >= 0.95'],
    ['drift', 0.06, 0.04, 0.2, 'result[0] < 0.2'],
    ['approved-share', 0.34, 0.05, 0.25, 'result[0] > 0.25'],
    ['cache-hit-rate', 0.63, 0.1, 0.4, 'result[0] > 0.4'],
  ];
  return shapes.map(([name, level, spread, threshold, success], seed): RolloutMetric => ({
    name, analysis: step(name), phase: 'Running', success, threshold, dryRun: name === 'cache-hit-rate',
    measurements: series(count, (index) => ({
      value: digits(level + spread * (noise(index, seed) + 0.35 * Math.sin(index / 6 + seed))),
      stable: digits(level + spread * 0.6 * (noise(index, seed + 31) - 0.1)),
      ...(name === 'time-to-first-token-p90' && index > 20 && index < 24 ? { value: undefined, phase: 'Inconclusive', text: 'the answer is empty' } : {}),
      ...(name === 'gpu-utilisation' && index === 40 ? { value: undefined, stable: undefined, phase: 'Error', text: 'connection refused' } : {}),
      ...(name === 'queue-time-p99' && index === 33 ? { value: 0.37, phase: 'Failed' } : {}),
    })),
  }));
}

const DECISIONS = [
  { sequence: 1, at: minutesAgo(68), reason: 'Started', message: '7c1e02ab9d begins; all 3 pods fit beside the old ones', inputs: { stable: '3f9a0c77b1', wanted: '7c1e02ab9d', fit: 'surge', pods: '3' } },
  { sequence: 2, at: minutesAgo(66), reason: 'StepCompleted', message: 'step 1 of 6: 50 of 50 requests succeeded, 50 wanted', inputs: { sent: '50', succeeded: '50' } },
  { sequence: 3, at: minutesAgo(65), reason: 'StepCompleted', message: 'step 2 of 6: weight 10', inputs: { 'route.canary': '10', 'canary.ready': '1' } },
  { sequence: 4, at: minutesAgo(35), reason: 'StepCompleted', message: 'step 3 of 6: the analysis is good', inputs: { agreement: '0.982 (≥ 0.95)', drift: '0.06 (< 0.2)', samples: '3412' } },
  { sequence: 5, at: minutesAgo(25), reason: 'StepCompleted', message: 'step 4 of 6: paused for 10m', inputs: {} },
  { sequence: 6, at: minutesAgo(24), reason: 'StepCompleted', message: 'step 5 of 6: weight 50', inputs: { 'route.canary': '50', 'canary.ready': '2', 'stable.ready': '3' } },
];

interface Shape {
  name: string;
  kind?: string;
  spec?: Record<string, unknown>;
  status?: unknown;
  annotations?: Record<string, string>;
  health?: ResourceNode['health'];
  forbidden?: boolean;
}

function model(namespace: string, { name, kind = 'InferenceService', spec, status, annotations, health, forbidden }: Shape): MockRollout {
  const node: ResourceNode = { group: 'driftless.dev', version: 'v1alpha1', kind: 'ModelRollout', namespace, name, uid: `rollout-${name}`, resourceVersion: nextVersion(), createdAt: minutesAgo(9000), health };
  const object: KubernetesObject = {
    apiVersion: 'driftless.dev/v1alpha1', kind: 'ModelRollout', metadata: { name, namespace, generation: 3, annotations },
    spec: { targetRef: { apiVersion: 'serving.kserve.io/v1beta1', kind, name }, strategy: { canary: { steps: STEPS, analysis: { templates: [{ templateName: 'error-rate' }] } } }, ...spec },
    status,
  };
  return { node, object, forbidden };
}

const head = { observedGeneration: 3 };
const moving = { stableVersion: '3f9a0c77b1', canaryVersion: '7c1e02ab9d', wantedVersion: '7c1e02ab9d', steps: 6, stepTitles: TITLES };
const approval = {
  ...moving, phase: 'Paused', message: '7c1e02ab9d waits for approval', waitingFor: 'WaitingForApproval', currentStepIndex: 5, stepSince: minutesAgo(24), weight: 50,
  stablePods: { desired: 3, ready: 3 }, canaryPods: { desired: 2, ready: 2 }, decisions: DECISIONS, lastCommand: '',
};

/** The rollouts of the application with this number. */
export function makeRollouts(index: number, name: string, namespace: string): MockRollout[] {
  if (index === 3) return [single(name, namespace)];
  if (index !== 6) return [];
  const gateway = argo(namespace);
  return [...everyState(namespace), gateway, analysisRun(namespace, gateway.node)];
}

function single(name: string, namespace: string): MockRollout {
  return model(namespace, {
    name, health: { status: 'Suspended', message: '7c1e02ab9d waits for approval' },
    annotations: { 'driftless.dev/wanted': JSON.stringify({ [name]: { version: '7c1e02ab9d', controllerRevision: `${name}-7c1e02ab9d`, revision: '4f1c2a9e7b3d5f60718293a4b5c6d7e8f9012345' } }) },
    status: { ...head, phase: 'Paused', message: '7c1e02ab9d waits for approval', targets: [{ ...approval, name, fit: '3 of 3 pods fit beside the old ones (nvidia.com/gpu: 5 free on 3 nodes)', metrics: makeMetrics(60) }] },
  });
}

function everyState(namespace: string): MockRollout[] {
  const target = (name: string, more: Record<string, unknown>) => ({ ...head, phase: more.phase, message: more.message, targets: [{ ...moving, name, ...more }] });
  const bad: RolloutMetric = {
    name: 'worse-than-stable', analysis: 'background', phase: 'Failed', message: 'the share of errors is 9.1 % against 1.9 %: evidence 27.4, 20 is enough', success: 'errors ≤ stable, alpha 0.05',
    measurements: series(18, (index) => ({ value: digits(0.018 + Math.max(0, index - 9) * 0.009), stable: digits(0.019 + 0.003 * noise(index, 4)), phase: index > 15 ? 'Failed' : index > 11 ? 'Inconclusive' : 'Successful' })),
  };
  return [
    model(namespace, { name: 'ranker', health: { status: 'Progressing' }, status: target('ranker', {
      phase: 'Progressing', message: 'waits for error-rate (2 of 5 measured)', waitingFor: 'AnalysisRunning', currentStepIndex: 2, stepSince: minutesAgo(6), weight: 10, stablePods: { desired: 4, ready: 4 }, canaryPods: { desired: 1, ready: 1 },
      metrics: makeMetrics(7).filter((metric) => metric.name !== 'cache-hit-rate').slice(0, 8), decisions: DECISIONS.slice(0, 3),
    }) }),
    model(namespace, { name: 'embedder', health: { status: 'Suspended' }, status: target('embedder', {
      phase: 'Paused', message: 'paused until 2026-11-23T18:00:00Z', waitingFor: 'Paused', currentStepIndex: 3, stepSince: minutesAgo(4), weight: 10, stablePods: { desired: 20, ready: 20 }, canaryPods: { desired: 2, ready: 2 }, decisions: DECISIONS.slice(0, 4),
    }) }),
    model(namespace, { name: 'summariser', kind: 'LLMInferenceService', health: { status: 'Degraded' }, status: target('summariser', {
      phase: 'Held', message: 'metric worse-than-stable: the share of errors is 9.1 % against 1.9 %; promote, retry or abort decides', waitingFor: 'Held', currentStepIndex: 2, stepSince: minutesAgo(21), weight: 10,
      stablePods: { desired: 2, ready: 2 }, canaryPods: { desired: 1, ready: 1 }, metrics: [bad, ...makeMetrics(18).slice(0, 3)],
      decisions: [...DECISIONS.slice(0, 3), { sequence: 4, at: minutesAgo(3), reason: 'AnalysisFailed', message: bad.message, inputs: { 'canary.bad': '41', 'canary.total': '450', 'stable.bad': '77', 'stable.total': '4050', evidence: '27.4', alpha: '0.05' } }],
    }) }),
    model(namespace, { name: 'pricing', health: { status: 'Degraded' }, status: target('pricing', {
      phase: 'Degraded', message: '7c1e02ab9d failed: metric error-rate: 0.12 is not below 0.05', canaryVersion: '', currentStepIndex: undefined, weight: 0, stablePods: { desired: 3, ready: 3 }, metrics: [bad],
      quarantined: [{ version: '55d0aa31c2', reason: 'aborted by min-ji', at: minutesAgo(4000) }, { version: '7c1e02ab9d', reason: 'metric error-rate: 0.12 is not below 0.05', at: minutesAgo(12) }],
      decisions: [...DECISIONS.slice(0, 3), { sequence: 4, at: minutesAgo(12), reason: 'AnalysisFailed', message: 'metric error-rate: 0.12 is not below 0.05' }, { sequence: 5, at: minutesAgo(12), reason: 'TrafficRestored', message: '3f9a0c77b1 has all traffic again', inputs: { took: '0.4 s' } }],
    }) }),
    model(namespace, { name: 'vision-ocr', kind: 'LLMInferenceService', status: target('vision-ocr', {
      phase: 'Waiting', message: '0 of 2 pods fit', waitingFor: 'CapacityHold', canaryVersion: '', currentStepIndex: undefined, weight: undefined, stablePods: { desired: 2, ready: 2 },
      fit: '0 of 2 pods fit: 4 nodes have too few nvidia.com/gpu (0 of 8 free each), 2 nodes have the taint spot=true:NoSchedule',
    }) }),
    model(namespace, { name: 'forecast', status: target('forecast', {
      phase: 'RollingBack', message: 'traffic goes back to 3f9a0c77b1', waitingFor: 'Restoring', currentStepIndex: 4, stepSince: minutesAgo(0.2), weight: 30, stablePods: { desired: 3, ready: 3 }, canaryPods: { desired: 2, ready: 1 }, decisions: DECISIONS.slice(0, 5),
    }) }),
    model(namespace, { name: 'churn', health: { status: 'Healthy' }, forbidden: true, status: target('churn', { ...approval, name: 'churn' }) }),
    model(namespace, { name: 'speech', health: { status: 'Healthy' }, status: target('speech', {
      phase: 'Healthy', message: '7c1e02ab9d serves', stableVersion: '7c1e02ab9d', canaryVersion: '', currentStepIndex: undefined, weight: 0, stablePods: { desired: 2, ready: 2 },
    }) }),
    model(namespace, {
      name: 'regions', spec: { targetRef: undefined, selector: { apiVersion: 'serving.kserve.io/v1beta1', kind: 'InferenceService', matchLabels: { team: 'search' } } },
      status: { ...head, phase: 'Progressing', message: '3 targets', targets: ['regions-ap', 'regions-eu', 'regions-us'].map((name, at) => ({
        ...moving, name, phase: at === 2 ? 'Paused' : 'Progressing', message: at === 2 ? 'paused by ada after step 1' : 'traffic moves', waitingFor: at === 2 ? 'PausedByUser' : 'TrafficMoving', pausedBy: at === 2 ? 'ada' : '',
        currentStepIndex: at + 1, stepSince: minutesAgo(3 - at), weight: 10 * at, stablePods: { desired: 3, ready: 3 }, canaryPods: { desired: 1, ready: at === 0 ? 0 : 1 },
      })) },
    }),
    model(namespace, { name: 'unseen' }),
    model(namespace, { name: 'unreadable', status: { phase: 7, targets: 'none' } }),
    model(namespace, { name: 'misspelt', status: { ...head, phase: 'Invalid', message: 'step 3: setWieght is not known', conditions: [{ type: 'Valid', status: 'False', reason: 'UnknownField', message: 'spec.strategy.canary.steps[2]: unknown field setWieght, did you mean setWeight?' }] } }),
  ];
}

function argo(namespace: string): MockRollout {
  return {
    node: { group: 'argoproj.io', version: 'v1alpha1', kind: 'Rollout', namespace, name: 'gateway', uid: 'rollout-gateway', resourceVersion: nextVersion(), createdAt: minutesAgo(9000), health: { status: 'Suspended', message: 'CanaryPauseStep' } },
    object: {
      apiVersion: 'argoproj.io/v1alpha1', kind: 'Rollout', metadata: { name: 'gateway', namespace, generation: 2 },
      spec: { replicas: 5, strategy: { canary: { steps: [{ setWeight: 20 }, { pause: {} }, { setWeight: 60 }, { pause: { duration: '5m' } }] } } },
      status: {
        phase: 'Paused', message: 'CanaryPauseStep', currentStepIndex: 1, currentPodHash: '6d5f8b7c9', stableRS: '84c9d5b6f', replicas: 5, updatedReplicas: 1, readyReplicas: 5, availableReplicas: 5,
        pauseConditions: [{ reason: 'CanaryPauseStep', startTime: minutesAgo(9) }], canary: { weights: { canary: { weight: 20 }, stable: { weight: 80 } } },
      },
    },
  };
}

function analysisRun(namespace: string, owner: ResourceNode): MockRollout {
  const measurements = series(14, (index) => ({ value: digits(0.02 + 0.01 * noise(index, 2)), phase: 'Successful' })).map(({ at, value, phase }) => ({ finishedAt: at, value: `[${value ?? 0}]`, phase }));
  return {
    node: { group: 'argoproj.io', version: 'v1alpha1', kind: 'AnalysisRun', namespace, name: 'gateway-6d5f8b7c9-2', uid: 'run-gateway', resourceVersion: nextVersion(), createdAt: minutesAgo(15), parentRefs: [owner], health: { status: 'Progressing' } },
    object: {
      apiVersion: 'argoproj.io/v1alpha1', kind: 'AnalysisRun', metadata: { name: 'gateway-6d5f8b7c9-2', namespace, labels: { 'rollout-type': 'Background' } },
      spec: { metrics: [{ name: 'error-rate', successCondition: 'result[0] < 0.05' }] },
      status: { phase: 'Running', metricResults: [{ name: 'error-rate', phase: 'Running', measurements }] },
    },
  };
}
