import { ROLLOUT_PHASES, type KubernetesObject, type Measurement, type Pods, type ResourceRef, type RolloutCommand, type RolloutMetric, type RolloutPhase } from '@/api-types';
import { fields, isFields, list, number, text, texts, type Fields } from '../fields';
import { numberIn } from './analysis-run';
import { readArgoRollout } from './argo';
import { blueGreenSteps, readStep } from './steps';
import type { Rollout, RolloutTarget, Step } from './types';

/** Reading of a ModelRollout. Total: whatever the cluster holds, the answer says what could be made of it. */

const WANTED = 'driftless.dev/wanted';
const COMMAND = 'driftless.dev/rollout-command';

type Kinded = Pick<ResourceRef, 'group' | 'kind'>;

export function isModelRollout(ref: Kinded): boolean {
  return ref.group === 'driftless.dev' && ref.kind === 'ModelRollout';
}

export function isArgoRollout(ref: Kinded): boolean {
  return ref.group === 'argoproj.io' && ref.kind === 'Rollout';
}

export function isRollout(ref: Kinded): boolean {
  return isModelRollout(ref) || isArgoRollout(ref);
}

export function readRollout(object: KubernetesObject): Rollout {
  return object.kind === 'Rollout' ? readArgoRollout(object) : readModelRollout(object);
}

function readModelRollout(object: KubernetesObject): Rollout {
  const spec = fields(object.spec);
  const strategy = fields(spec.strategy);
  const blueGreen = isFields(strategy.blueGreen);
  const planned = blueGreen ? blueGreenSteps(fields(strategy.blueGreen)) : list(fields(strategy.canary).steps).map(readStep);
  const annotations = object.metadata?.annotations ?? {};
  const status = object.status;
  const head = {
    kind: 'ModelRollout' as const,
    strategy: blueGreen ? ('blueGreen' as const) : isFields(strategy.canary) ? ('canary' as const) : undefined,
    targetKind: text(fields(spec.targetRef).kind) ?? text(fields(spec.selector).kind),
    command: readCommand(annotations[COMMAND]),
    revisions: readRevisions(annotations[WANTED]),
  };
  const nothing = { ...head, phase: undefined, message: undefined, targets: [], conditions: [] };
  if (status === undefined || status === null || (isFields(status) && Object.keys(status).length === 0)) return { ...nothing, problem: 'noStatus' };
  if (!isFields(status) || (status.targets !== undefined && (!Array.isArray(status.targets) || !status.targets.every(isTarget)))) {
    return { ...nothing, problem: 'unreadable' };
  }
  // Steps that were edited since the status was written are not the ones that it counts.
  const current = number(status.observedGeneration) === object.metadata?.generation;
  return {
    ...head,
    phase: readPhase(status.phase),
    message: text(status.message),
    targets: list(status.targets).map((target) => readTarget(target, planned, current)),
    conditions: list(status.conditions).map((each) => ({ type: text(each.type) ?? '', status: text(each.status), message: text(each.message) })),
    problem: undefined,
  };
}

function isTarget(value: unknown): boolean {
  return isFields(value) && text(value.name) !== undefined;
}

export function readPhase(value: unknown): RolloutPhase | undefined {
  return ROLLOUT_PHASES.find((phase) => phase === value);
}

function readTarget(target: Fields, planned: readonly Step[], current: boolean): RolloutTarget {
  const canary = text(target.canaryVersion);
  const stable = text(target.stableVersion);
  return {
    name: text(target.name) ?? '',
    phase: readPhase(target.phase),
    message: text(target.message),
    stable: { version: stable, pods: readPods(target.stablePods) },
    canary: canary && canary !== stable ? { version: canary, pods: readPods(target.canaryPods) } : undefined,
    wanted: text(target.wantedVersion),
    weight: number(target.weight),
    steps: stepsOf(texts(target.stepTitles), number(target.steps), planned, current),
    index: number(target.currentStepIndex),
    since: text(target.stepSince),
    waitingFor: text(target.waitingFor),
    pausedBy: text(target.pausedBy),
    fit: text(target.fit),
    metrics: list(target.metrics).map(readMetric),
    quarantined: list(target.quarantined).flatMap((each) => {
      const version = text(each.version);
      return version ? [{ version, reason: text(each.reason), at: text(each.at) }] : [];
    }),
    decisions: list(target.decisions).map((each) => ({
      sequence: number(each.sequence), at: text(each.at), reason: text(each.reason), message: text(each.message), inputs: readInputs(each.inputs),
    })),
    lastCommand: text(target.lastCommand),
  };
}

/** The plan's steps when they are the ones that the status counts, with the status's words as a second source. */
function stepsOf(titles: readonly string[], count: number | undefined, planned: readonly Step[], current: boolean): Step[] {
  const length = count ?? (titles.length > 0 ? titles.length : planned.length);
  const trusted = current && planned.length === length;
  return Array.from({ length: Math.min(length, 1_000) }, (_, index) => ({ ...(trusted ? planned[index] : { kind: undefined }), title: titles[index] }) as Step);
}

function readPods(value: unknown): Pods | undefined {
  return isFields(value) ? { desired: number(value.desired) ?? 0, ready: number(value.ready) ?? 0 } : undefined;
}

function readMetric(metric: Fields): RolloutMetric {
  return {
    name: text(metric.name) ?? '',
    analysis: text(metric.analysis),
    phase: text(metric.phase),
    message: text(metric.message),
    dryRun: metric.dryRun === true,
    success: text(metric.success),
    failure: text(metric.failure),
    threshold: number(metric.threshold),
    measurements: list(metric.measurements).map(readMeasurement),
  };
}

function readMeasurement(each: Fields): Measurement {
  // Of a list of series the conditions mostly speak of the first one, `result[0]`.
  const words = text(each.text);
  return { at: text(each.at), phase: text(each.phase), value: number(each.value) ?? (words?.startsWith('[') ? numberIn(words) : undefined), stable: number(each.stable), text: words };
}

function readInputs(value: unknown): Record<string, string> {
  const out: Record<string, string> = {};
  for (const [key, input] of Object.entries(fields(value))) out[key] = typeof input === 'string' ? input : JSON.stringify(input);
  return out;
}

function parse(value: string | undefined): Fields {
  if (!value) return {};
  try {
    return fields(JSON.parse(value) as unknown);
  } catch {
    return {};
  }
}

function readCommand(value: string | undefined): RolloutCommand | undefined {
  const command = parse(value);
  const id = text(command.id);
  const verb = text(command.verb);
  return id && verb ? { id, verb, target: text(command.target), by: text(command.by), at: text(command.at) } : undefined;
}

function readRevisions(value: string | undefined): Record<string, string> {
  const out: Record<string, string> = {};
  for (const [target, wanted] of Object.entries(parse(value))) {
    const revision = text(fields(wanted).revision);
    if (revision) out[target] = revision;
  }
  return out;
}
