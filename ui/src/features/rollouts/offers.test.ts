import { describe, expect, it } from 'vitest';
import { readRollout } from '@/lib/rollout';
import { offersOf, stateOf } from './offers';

function offers(more: Record<string, unknown>): string[] {
  const target = { name: 'fraud', stableVersion: 'a', canaryVersion: 'b', wantedVersion: 'b', steps: 3, currentStepIndex: 1, ...more };
  const rollout = readRollout({ kind: 'ModelRollout', metadata: { name: 'fraud' }, spec: {}, status: { targets: [target] } });
  return offersOf(rollout, rollout.targets[0]!).map((offer) => `${offer.label}${offer.confirm ? '?' : ''}`);
}

describe('what can be done', () => {
  it.each([
    [{ phase: 'Paused', waitingFor: 'WaitingForApproval' }, ['approve', 'promoteFull?', 'abort?']],
    [{ phase: 'Paused', waitingFor: 'Paused' }, ['continueNow', 'pause', 'promoteFull?', 'abort?']],
    [{ phase: 'Paused', waitingFor: 'PausedByUser', pausedBy: 'ada' }, ['resume', 'promoteFull?', 'abort?']],
    [{ phase: 'Paused', waitingFor: 'AnalysisInconclusive' }, ['goOn?', 'measureAgain', 'promoteFull?', 'abort?']],
    [{ phase: 'Progressing', waitingFor: 'TrafficMoving' }, ['pause', 'promoteFull?', 'abort?']],
    [{ phase: 'Progressing', waitingFor: 'AnalysisRunning' }, ['skipStep?', 'pause', 'promoteFull?', 'abort?']],
    [{ phase: 'Progressing', waitingFor: 'OldVersionKept', currentStepIndex: 3 }, ['abort?']],
    [{ phase: 'Held' }, ['retry', 'goOn?', 'promoteFull?', 'abort?']],
    [{ phase: 'Waiting' }, ['abort?']],
    [{ phase: 'Degraded', canaryVersion: '' }, ['tryAgain']],
    [{ phase: 'RollingBack' }, []],
    [{ phase: 'Healthy' }, []],
    [{ phase: 'Invalid' }, []],
    [{ phase: 'Strange' }, []],
  ])('in %j is %j', (state, want) => {
    expect(offers(state)).toEqual(want);
  });

  it('has a second name in Argo Rollouts', () => {
    const rollout = readRollout({ kind: 'Rollout', metadata: { name: 'r' }, spec: { strategy: { canary: { steps: [{ pause: {} }] } } }, status: { phase: 'Paused', currentStepIndex: 0, currentPodHash: 'b', stableRS: 'a', pauseConditions: [{}] } });
    expect(offersOf(rollout, rollout.targets[0]!).map((offer) => offer.action)).toEqual(['promote', 'promote-full', 'abort']);
  });

  it('is done when the state is another one', () => {
    const read = (more: Record<string, unknown>) => stateOf(readRollout({ kind: 'ModelRollout', spec: {}, status: { targets: [{ name: 'f', phase: 'Paused', lastCommand: '1', ...more }] } }).targets[0]!);
    expect(read({})).toBe(read({ message: 'another word' }));
    expect(read({})).not.toBe(read({ lastCommand: '2' }));
    expect(read({})).not.toBe(read({ phase: 'Progressing' }));
  });
});
