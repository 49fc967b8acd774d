import { describe, expect, it } from 'vitest';
import type { KubernetesObject } from '@/api-types';
import { readRollout, summaryOf } from '.';
import { blueGreenSteps, seconds } from './steps';

const object = (status: unknown, more: Partial<KubernetesObject> = {}): KubernetesObject => ({
  apiVersion: 'driftless.dev/v1alpha1', kind: 'ModelRollout', metadata: { name: 'fraud', namespace: 'models', generation: 2 },
  spec: { targetRef: { kind: 'InferenceService', name: 'fraud' }, strategy: { canary: { steps: [{ setWeight: 10 }, { pause: { duration: '90s' } }, { pause: {} }] } } },
  status, ...more,
});

describe('a ModelRollout', () => {
  it('is read with steps that both spec and status agree on', () => {
    const target = { name: 'fraud', phase: 'Paused', stableVersion: 'a', canaryVersion: 'b', currentStepIndex: 1, steps: 3, weight: 10, stepTitles: ['one', 'two', 'three'], stablePods: { desired: 3, ready: 3 }, canaryPods: { desired: 1 } };
    const rollout = readRollout(object({ observedGeneration: 2, phase: 'Paused', targets: [target] }));
    expect(rollout).toMatchObject({ problem: undefined, targetKind: 'InferenceService', strategy: 'canary' });
    expect(rollout.targets[0]).toMatchObject({ index: 1, weight: 10, canary: { version: 'b', pods: { desired: 1, ready: 0 } }, stable: { version: 'a' } });
    expect(rollout.targets[0]?.steps).toEqual([{ kind: 'setWeight', amount: 10, title: 'one' }, { kind: 'pause', seconds: 90, title: 'two' }, { kind: 'pause', seconds: undefined, title: 'three' }]);
    expect(summaryOf(rollout)).toEqual({ phase: 'Paused', step: 2, steps: 3, weight: 10, more: 0 });
  });

  it('takes the words of the status where the steps were edited since', () => {
    const rollout = readRollout(object({ observedGeneration: 1, targets: [{ name: 'fraud', steps: 2, stepTitles: ['Set weight to 5 %', 'Wait'] }] }));
    expect(rollout.targets[0]?.steps).toEqual([{ kind: undefined, title: 'Set weight to 5 %' }, { kind: undefined, title: 'Wait' }]);
  });

  it.each([[undefined], [null], [{}]])('has no status yet: %j', (status) => {
    expect(readRollout(object(status))).toMatchObject({ problem: 'noStatus', targets: [] });
  });

  it.each([['words'], [7], [[]], [{ targets: 'none' }], [{ targets: [3] }], [{ targets: [{ phase: 'Healthy' }] }]])('has a status that cannot be read: %j', (status) => {
    expect(readRollout(object(status))).toMatchObject({ problem: 'unreadable', targets: [] });
  });

  it('passes over fields of the wrong type, and phases it does not know', () => {
    const rollout = readRollout(object({ phase: 'Dancing', targets: [{ name: 'fraud', phase: 3, weight: 'much', currentStepIndex: null, metrics: [{ name: 'm', measurements: [{ value: 'NaN', text: 'NaN' }, 4] }], decisions: 'none', quarantined: [{}] }] }));
    expect(rollout.phase).toBeUndefined();
    expect(rollout.targets[0]).toMatchObject({ phase: undefined, weight: undefined, index: undefined, decisions: [], quarantined: [], metrics: [{ name: 'm', measurements: [{ value: undefined, text: 'NaN' }] }] });
  });

  it('draws the first of several series, of which conditions speak as `result[0]`', () => {
    const measurements = [{ text: '[41.5,40]' }, { text: '[]' }, { text: '[connection refused' }, { value: 3, text: '[4]' }];
    const rollout = readRollout(object({ targets: [{ name: 'fraud', metrics: [{ name: 'm', measurements }] }] }));
    expect(rollout.targets[0]?.metrics[0]?.measurements?.map((each) => each.value)).toEqual([41.5, undefined, undefined, 3]);
  });

  it('tells what a person asked for and which commits its versions come from', () => {
    const annotations = { 'driftless.dev/rollout-command': '{"id":"c1","verb":"abort","by":"ada"}', 'driftless.dev/wanted': '{"fraud":{"version":"b","revision":"4f1c"}}' };
    expect(readRollout(object({}, { metadata: { name: 'fraud', annotations } }))).toMatchObject({ command: { id: 'c1', verb: 'abort', by: 'ada' }, revisions: { fraud: '4f1c' } });
    expect(readRollout(object({}, { metadata: { name: 'fraud', annotations: { 'driftless.dev/rollout-command': '{', 'driftless.dev/wanted': '[1]' } } }))).toMatchObject({ command: undefined, revisions: {} });
  });

  it('lets the target that most needs a person speak for all', () => {
    const target = (name: string, phase: string) => ({ name, phase, canaryVersion: 'b', stableVersion: 'a', steps: 3, currentStepIndex: 0, weight: name === 'held' ? 5 : 50 });
    expect(summaryOf(readRollout(object({ targets: [target('fine', 'Healthy'), target('held', 'Held'), target('on', 'Progressing')] })))).toEqual({ phase: 'Held', step: 1, steps: 3, weight: 5, more: 2 });
  });
});

describe('a Rollout of Argo Rollouts', () => {
  const rollout = (status: unknown, spec: Record<string, unknown> = {}) =>
    readRollout({ apiVersion: 'argoproj.io/v1alpha1', kind: 'Rollout', metadata: { name: 'gateway' }, spec: { strategy: { canary: { steps: [{ setWeight: 20 }, { pause: {} }] } }, ...spec }, status });

  it('waits for approval at the weight that its router reports', () => {
    const read = rollout({ phase: 'Paused', currentStepIndex: 1, currentPodHash: 'b', stableRS: 'a', replicas: 5, updatedReplicas: 1, pauseConditions: [{ startTime: '2026-01-01T00:00:00Z' }], canary: { weights: { canary: { weight: 20 } } } });
    expect(read.targets[0]).toMatchObject({ phase: 'Paused', waitingFor: 'WaitingForApproval', weight: 20, since: '2026-01-01T00:00:00Z', canary: { version: 'b' }, stable: { version: 'a' } });
  });
  it('has the share of its pods as weight where no router reports one', () => {
    expect(rollout({ phase: 'Progressing', currentStepIndex: 0, currentPodHash: 'b', stableRS: 'a', replicas: 4, updatedReplicas: 1 }).targets[0]?.weight).toBe(25);
  });
  it('is degraded once aborted, and has nothing on its way when healthy', () => {
    expect(rollout({ phase: 'Degraded', abort: true, currentPodHash: 'b', stableRS: 'a' }).targets[0]).toMatchObject({ phase: 'Degraded', canary: undefined });
    expect(rollout({ phase: 'Healthy', currentPodHash: 'a', stableRS: 'a', replicas: 3, readyReplicas: 3 }).targets[0]).toMatchObject({ phase: 'Healthy', canary: undefined, stable: { pods: { desired: 3, ready: 3 } } });
  });
});

describe('steps', () => {
  it.each([['10m', 600], ['1h30m', 5400], ['45', 45], [30, 30], ['1.5s', 1.5], ['soon', undefined], [-1, undefined], [true, undefined]])('last %j = %j seconds', (text, want) => {
    expect(seconds(text)).toBe(want);
  });
  it('of blue-green are the controller’s own sequence', () => {
    const kinds = blueGreenSteps({ prePromotionAnalysis: { templates: [{ templateName: 'smoke' }] }, autoPromotionEnabled: false, postPromotionAnalysis: {} }).map((step) => step.kind);
    expect(kinds).toEqual(['setCanaryScale', 'analysis', 'pause', 'setCanaryScale', 'setWeight', 'analysis']);
  });
});
