import type { KubernetesObject, RolloutPhase } from '@/api-types';
import { fields, isFields, list, number, text, type Fields } from '../fields';
import { blueGreenSteps, readStep } from './steps';
import type { Rollout, RolloutTarget, Step } from './types';

/** Reading of Argo Rollouts' Rollout: what its own status tells of steps, weight and pods. */
export function readArgoRollout(object: KubernetesObject): Rollout {
  const spec = fields(object.spec);
  const status = fields(object.status);
  const strategy = fields(spec.strategy);
  const blueGreen = isFields(strategy.blueGreen);
  const steps = blueGreen ? blueGreenSteps(fields(strategy.blueGreen)) : list(fields(strategy.canary).steps).map(readStep);
  const unwritten = object.status === undefined || object.status === null || Object.keys(status).length === 0;
  const phase = argoPhase(spec, status);
  return {
    kind: 'Rollout',
    strategy: blueGreen ? 'blueGreen' : isFields(strategy.canary) ? 'canary' : undefined,
    targetKind: 'Rollout',
    phase,
    message: text(status.message),
    targets: unwritten ? [] : [readTarget(object.metadata?.name ?? '', spec, status, steps, phase)],
    conditions: [],
    problem: unwritten ? (object.status === undefined || object.status === null || isFields(object.status) ? 'noStatus' : 'unreadable') : undefined,
    command: undefined,
    revisions: {},
  };
}

function argoPhase(spec: Fields, status: Fields): RolloutPhase | undefined {
  const reason = text(list(status.conditions).find((each) => each.type === 'InvalidSpec' && each.status === 'True')?.reason);
  if (reason) return 'Invalid';
  if (status.abort === true) return 'Degraded';
  switch (status.phase) {
    case 'Healthy': return 'Healthy';
    case 'Paused': return 'Paused';
    case 'Progressing': return spec.paused === true ? 'Paused' : 'Progressing';
    case 'Degraded': return 'Degraded';
    default: return undefined;
  }
}

function readTarget(name: string, spec: Fields, status: Fields, steps: readonly Step[], phase: RolloutPhase | undefined): RolloutTarget {
  const stable = text(status.stableRS) ?? text(fields(status.blueGreen).activeSelector);
  const current = text(status.currentPodHash) ?? text(fields(status.blueGreen).previewSelector);
  const moving = current !== undefined && current !== stable;
  const pause = list(status.pauseConditions)[0];
  const index = number(status.currentStepIndex);
  const replicas = number(status.replicas) ?? 0;
  const updated = number(status.updatedReplicas) ?? 0;
  const waits = pause !== undefined && index !== undefined && steps[index]?.kind === 'pause' && steps[index].seconds === undefined;
  return {
    name,
    phase,
    message: text(status.message),
    stable: { version: stable ?? current, pods: stablePods(status, moving, replicas, updated) },
    canary: moving && status.abort !== true ? { version: current, pods: { desired: updated } } : undefined,
    wanted: current,
    weight: moving ? liveWeight(status, steps, index, replicas, updated) : undefined,
    steps,
    index: moving && status.abort !== true ? index : undefined,
    since: text(pause?.startTime),
    waitingFor: spec.paused === true ? 'PausedByUser' : waits ? 'WaitingForApproval' : pause ? 'Paused' : undefined,
    pausedBy: undefined,
    fit: undefined,
    metrics: [],
    quarantined: [],
    decisions: [],
    lastCommand: undefined,
  };
}

function stablePods(status: Fields, moving: boolean, replicas: number, updated: number) {
  const ready = number(status.readyReplicas) ?? 0;
  return moving ? { desired: Math.max(0, replicas - updated) } : { desired: replicas, ready };
}

/** What the router reports; without one, the share of pods is the share of traffic. */
function liveWeight(status: Fields, steps: readonly Step[], index: number | undefined, replicas: number, updated: number): number | undefined {
  const reported = number(fields(fields(fields(status.canary).weights).canary).weight);
  if (reported !== undefined) return reported;
  if (index === undefined || status.abort === true) return undefined;
  if (replicas > 0) return Math.round((100 * updated) / replicas);
  return steps.slice(0, index + 1).reduce<number | undefined>((weight, step) => (step.kind === 'setWeight' ? step.amount : weight), undefined);
}
