import type { Rollout, RolloutTarget } from '@/lib/rollout';

/** What a person can do to a target in the state that it is in. Pure: the page asks for nothing else. */

export type Label =
  | 'approve' | 'continueNow' | 'resume' | 'goOn' | 'skipStep' | 'pause' | 'promoteFull' | 'abort' | 'retry' | 'measureAgain' | 'tryAgain';

export interface Offer {
  /** Name of the resource action. */
  action: string;
  /** What does nearly the same on servers that do not have it. */
  instead?: string;
  label: Label;
  tone: 'primary' | 'plain' | 'danger';
  /** Asked for first: what cannot be taken back, or passes over a judgement. */
  confirm: boolean;
}

/** Names of the actions, which differ between the kinds. */
const NAMES = {
  ModelRollout: { promote: 'promote', skip: 'promote', pause: 'pause', full: 'promote-full', abort: 'abort', retry: 'retry' },
  Rollout: { promote: 'promote', skip: 'skip-current-step', pause: 'pause', full: 'promote-full', abort: 'abort', retry: 'retry' },
} as const;

export function offersOf(rollout: Rollout, target: RolloutTarget): Offer[] {
  const names = NAMES[rollout.kind];
  const promote = (label: Label, tone: Offer['tone'] = 'primary'): Offer => ({ action: names.promote, ...(rollout.kind === 'Rollout' ? { instead: 'resume' } : {}), label, tone, confirm: label === 'goOn' });
  const skip: Offer = { action: names.skip, label: 'skipStep', tone: 'plain', confirm: true };
  const pause: Offer = { action: names.pause, label: 'pause', tone: 'plain', confirm: false };
  const full: Offer = { action: names.full, label: 'promoteFull', tone: 'plain', confirm: true };
  const abort: Offer = { action: names.abort, label: 'abort', tone: 'danger', confirm: true };
  const retry = (label: Label, tone: Offer['tone']): Offer => ({ action: names.retry, label, tone, confirm: false });
  const stopped = target.pausedBy !== undefined || target.waitingFor === 'PausedByUser';
  const stepsLeft = target.index === undefined || target.index < target.steps.length;
  const onward = stepsLeft ? [full, abort] : [abort];
  switch (target.phase) {
    case 'Paused':
      if (target.waitingFor === 'AnalysisInconclusive') return [promote('goOn'), retry('measureAgain', 'plain'), ...onward];
      if (stopped) return [promote('resume'), ...onward];
      if (target.waitingFor === 'WaitingForApproval') return [promote('approve'), ...onward];
      return [promote('continueNow', 'plain'), pause, ...onward];
    case 'Progressing':
      if (stopped) return [promote('resume'), ...onward];
      return [...(target.waitingFor === 'AnalysisRunning' || target.waitingFor === 'WarmingUp' ? [skip] : []), ...(stepsLeft ? [pause] : []), ...onward];
    case 'Held': return [retry('retry', 'primary'), promote('goOn', 'plain'), ...onward];
    case 'Waiting': return [abort];
    case 'Degraded': return target.canary || rollout.kind === 'ModelRollout' || target.wanted !== target.stable.version ? [retry('tryAgain', 'primary')] : [];
    default: return [];
  }
}

/** Changes whenever the controller has done something about the target. */
export function stateOf(target: RolloutTarget): string {
  return JSON.stringify([target.lastCommand, target.phase, target.index, target.waitingFor, target.pausedBy, target.since]);
}
