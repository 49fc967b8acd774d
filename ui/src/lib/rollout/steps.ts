import { fields, list, number, text, type Fields } from '../fields';
import type { Step, StepKind } from './types';

/** The steps that a strategy asks for, in the order in which the controller takes them. */

const UNITS: Record<string, number> = { ms: 0.001, s: 1, m: 60, h: 3_600, d: 86_400 };

/** Seconds of a duration: a number, digits alone, or Go's form such as `1h30m`. */
export function seconds(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) && value >= 0 ? value : undefined;
  if (typeof value !== 'string') return undefined;
  if (/^\d+$/.test(value)) return Number(value);
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(value)) return undefined;
  let sum = 0;
  for (const [, amount, unit] of value.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) sum += Number(amount) * (UNITS[unit ?? ''] ?? 0);
  return sum;
}

const KINDS: readonly (readonly [field: string, kind: StepKind])[] = [
  ['setWeight', 'setWeight'],
  ['pause', 'pause'],
  ['analysis', 'analysis'],
  ['experiment', 'experiment'],
  ['setCanaryScale', 'setCanaryScale'],
  ['setScale', 'setCanaryScale'],
  ['warmup', 'warmup'],
  ['setHeaderRoute', 'setHeaderRoute'],
  ['setHeader', 'setHeaderRoute'],
  ['setMirrorRoute', 'setMirrorRoute'],
  ['mirror', 'setMirrorRoute'],
  ['plugin', 'plugin'],
];

export function readStep(step: Fields): Step {
  const found = KINDS.find(([field]) => step[field] !== undefined);
  if (!found) return { kind: undefined };
  const [field, kind] = found;
  const value = step[field];
  const inner = fields(value);
  switch (kind) {
    case 'setWeight': return { kind, amount: number(value) };
    case 'pause': return { kind, seconds: inner.duration === undefined ? undefined : seconds(inner.duration) };
    case 'analysis': return { kind, names: analysisNames(inner) };
    case 'experiment': return { kind, names: list(inner.templates).flatMap((each) => text(each.name) ?? []) };
    case 'setCanaryScale': return { kind, amount: number(inner.replicas), followsWeight: inner.matchTrafficWeight === true };
    case 'warmup': return { kind, amount: number(inner.requests) ?? 1 };
    case 'setMirrorRoute': return { kind, names: names(inner), amount: number(inner.percentage) ?? (list(inner.match).length > 0 ? 100 : 0) };
    case 'setHeaderRoute': return { kind, names: names(inner), amount: list(inner.match).length };
    case 'plugin': return { kind, names: names(inner) };
  }
}

function names(inner: Fields): string[] {
  const name = text(inner.name);
  return name ? [name] : [];
}

export function analysisNames(analysis: Fields): string[] {
  return [...list(analysis.templates).flatMap((each) => text(each.templateName) ?? []), ...list(analysis.metrics).flatMap((each) => text(each.name) ?? [])];
}

/** Blue-green is a sequence of the same steps: this is the controller's own. */
export function blueGreenSteps(spec: Fields): Step[] {
  const analysis = (value: unknown): Step[] => (value === undefined ? [] : [{ kind: 'analysis', names: analysisNames(fields(value)) }]);
  const after = number(spec.autoPromotionSeconds);
  const pause: Step[] = after !== undefined ? [{ kind: 'pause', seconds: after }] : spec.autoPromotionEnabled === false ? [{ kind: 'pause' }] : [];
  return [
    { kind: 'setCanaryScale', amount: number(spec.previewReplicaCount) },
    ...analysis(spec.prePromotionAnalysis),
    ...pause,
    { kind: 'setCanaryScale', followsWeight: true },
    { kind: 'setWeight', amount: 100 },
    ...analysis(spec.postPromotionAnalysis),
  ];
}

/** Weights that the steps pass through, without repetition. */
export function weightsOf(steps: readonly Step[]): number[] {
  return [...new Set(steps.flatMap((step) => (step.kind === 'setWeight' && step.amount !== undefined ? [step.amount] : [])))].sort((a, b) => a - b);
}
