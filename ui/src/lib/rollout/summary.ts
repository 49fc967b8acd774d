import type { RolloutPhase } from '@/api-types';
import type { Rollout, RolloutTarget } from './types';

/** A rollout in one line, for the tree and for lists. */
export interface RolloutSummary {
  phase: RolloutPhase | undefined;
  /** Counted from 1; absent when nothing is on its way. */
  step: number | undefined;
  steps: number;
  weight: number | undefined;
  /** How many targets there are besides the one that is told. */
  more: number;
}

/** Those that need a person first, then those that move. */
const URGENCY: readonly (RolloutPhase | undefined)[] = ['Invalid', 'Held', 'Degraded', 'RollingBack', 'Paused', 'Progressing', 'Waiting', undefined, 'Healthy'];

export function urgency(phase: RolloutPhase | undefined): number {
  return URGENCY.indexOf(phase);
}

/** The target that most needs to be looked at speaks for all. */
export function summaryOf(rollout: Rollout): RolloutSummary {
  const [first, ...others] = [...rollout.targets].sort((a, b) => urgency(a.phase) - urgency(b.phase));
  return { phase: rollout.phase ?? first?.phase, ...stepOf(first), weight: first?.canary ? first.weight : undefined, more: others.length };
}

function stepOf(target: RolloutTarget | undefined): { step: number | undefined; steps: number } {
  const steps = target?.steps.length ?? 0;
  return { step: target?.index === undefined || steps === 0 ? undefined : Math.min(target.index + 1, steps), steps };
}
