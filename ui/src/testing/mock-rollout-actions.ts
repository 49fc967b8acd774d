import type { KubernetesObject, ResourceAction } from '../api-types';
import { fields, list, number, type Fields } from '../lib/fields';

/** What the test double's rollouts do when they are told to. */

export function rolloutActions(kind: string | null): ResourceAction[] | undefined {
  if (kind === 'ModelRollout') return ['promote', 'promote-full', 'abort', 'retry', 'pause'].map((name) => ({ name, params: [{ name: 'target' }] }));
  if (kind === 'Rollout') return ['restart', 'resume', 'pause', 'abort', 'retry', 'promote-full', 'skip-current-step'].map((name) => ({ name }));
  return undefined;
}

let commands = 0;

export function actOnRollout(object: KubernetesObject, action: string, target: string | undefined): KubernetesObject {
  const status = fields(object.status);
  if (object.kind === 'Rollout') return { ...object, status: { ...status, phase: 'Progressing', message: undefined, pauseConditions: undefined, currentStepIndex: (number(status.currentStepIndex) ?? 0) + 1 } };
  const targets = list(status.targets).map((each) => (target && each.name !== target ? each : act(each, action)));
  return { ...object, status: { ...status, phase: targets[0]?.phase, message: targets[0]?.message, targets } };
}

function act(target: Fields, action: string): Fields {
  commands += 1;
  const now = new Date().toISOString();
  const decided = (reason: string, message: string) => ({
    lastCommand: `command-${commands}`, pausedBy: '', stepSince: now,
    decisions: [...list(target.decisions), { sequence: list(target.decisions).length + 1, at: now, reason, message, inputs: { by: 'admin' } }],
  });
  const steps = number(target.steps) ?? 0;
  const next = Math.min(steps, (number(target.currentStepIndex) ?? 0) + 1);
  switch (action) {
    case 'promote': {
      const weight = next >= steps ? 100 : next >= 4 ? 50 : 10;
      return { ...target, ...decided('Approved', 'admin approves'), phase: 'Progressing', currentStepIndex: next, weight, waitingFor: next >= steps ? 'OldVersionKept' : 'TrafficMoving', message: `weight ${weight}` };
    }
    case 'promote-full': return { ...target, ...decided('PromotedFully', 'admin skips what is left of the steps'), phase: 'Progressing', currentStepIndex: steps, weight: 100, waitingFor: 'OldVersionKept', message: 'it has all traffic' };
    case 'abort': return { ...target, ...decided('Aborted', 'admin aborts'), phase: 'Degraded', currentStepIndex: undefined, canaryVersion: '', weight: 0, waitingFor: '', message: 'aborted by admin', quarantined: [...list(target.quarantined), { version: target.canaryVersion, reason: 'aborted by admin', at: now }] };
    case 'pause': return { ...target, ...decided('PausedByUser', 'admin pauses before the next step'), phase: 'Paused', pausedBy: 'admin', waitingFor: 'PausedByUser', message: 'paused by admin' };
    default: return { ...target, ...decided('Retried', 'admin tries again'), phase: 'Progressing', canaryVersion: target.wantedVersion, currentStepIndex: 0, waitingFor: 'WarmingUp', quarantined: [], message: '0 of 50 requests succeeded, 50 wanted' };
  }
}
