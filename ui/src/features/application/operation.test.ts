import { describe, expect, it } from 'vitest';
import type { Application, OperationPhase, ResourceResult } from '@/api-types';
import { quarantineOf, waitsForConfirmation } from '@/lib/quarantine';
import { newest } from '@/lib/application';
import { hasBegun, progressOf } from './progress';
import { blockedBy } from './sync-windows';
import { initialChoices, toggleOption, toSyncRequest } from './sync-request';

const managed = [
  { group: 'apps', kind: 'Deployment', namespace: 'ns', name: 'web' },
  { kind: 'ConfigMap', namespace: 'ns', name: 'conf' },
  { kind: 'Secret', namespace: 'ns', name: 'old', requiresPruning: true },
];

function running(results: ResourceResult[], phase: OperationPhase = 'Running', sync = {}): Application {
  return {
    metadata: { name: 'web' },
    spec: { project: 'default', destination: {} },
    status: { resources: managed, operationState: { operation: { sync }, phase, startedAt: '2026-11-01T00:00:00Z', syncResult: { resources: results } } },
  };
}

describe('hasBegun', () => {
  const ended = running([], 'Succeeded');
  const at = (app: Application, resourceVersion: string, operation?: object): Application => ({ ...app, operation, metadata: { ...app.metadata, uid: 'u', resourceVersion } });
  const asked = at({ ...ended, status: {} }, '100', {});

  it('does not take the operation before for the one asked for', () => {
    expect(hasBegun(at(ended, '99'), asked)).toBe(false);
    expect(hasBegun(asked, asked)).toBe(false);
  });
  it('waits while the state of the one before is still there', () => {
    expect(hasBegun(at(ended, '101', {}), asked)).toBe(false);
    expect(hasBegun(at(running([]), '102', {}), asked)).toBe(true);
  });
  it('knows one that ended in the second in which the one before did', () => {
    expect(hasBegun(at(ended, '101'), asked)).toBe(true);
  });
});

describe('blockedBy', () => {
  const deny = { kind: 'deny' as const };
  const allow = { kind: 'allow' as const };
  it('is nobody without windows, and while an allow is active', () => {
    expect(blockedBy({ canSync: true })).toBeUndefined();
    expect(blockedBy({ activeWindows: [allow], assignedWindows: [allow, deny], canSync: true })).toBeUndefined();
  });
  it('is everyone, or automation where people may pass', () => {
    expect(blockedBy({ activeWindows: [deny], assignedWindows: [deny], canSync: false })).toBe('everyone');
    expect(blockedBy({ activeWindows: [deny], assignedWindows: [deny], canSync: true })).toBe('automation');
  });
  it('closes when every allow is closed', () => {
    expect(blockedBy({ activeWindows: null, assignedWindows: [allow], canSync: false })).toBe('everyone');
  });
});

describe('progressOf', () => {
  it('lists what is done, what is under way and what waits', () => {
    const progress = progressOf(running([{ kind: 'ConfigMap', namespace: 'ns', name: 'conf', status: 'Synced', syncPhase: 'Sync' }]));
    expect(progress.rows.map((row) => [row.name, row.state])).toEqual([['conf', 'done'], ['web', 'waiting']]);
    expect(progress).toMatchObject({ done: 1, failed: 0, total: 2 });
  });
  it('expects pruned objects only when the operation prunes', () => {
    expect(progressOf(running([], 'Running', { prune: true })).total).toBe(3);
  });
  it('follows hooks by their own phase, in the order of phases', () => {
    const progress = progressOf(running([
      { kind: 'Job', name: 'after', hookType: 'PostSync', hookPhase: 'Running', status: '' },
      { kind: 'Job', name: 'before', hookType: 'PreSync', hookPhase: 'Succeeded', status: '' },
    ]));
    expect(progress.rows.map((row) => [row.phase, row.state])).toEqual([['PreSync', 'done'], ['Sync', 'waiting'], ['Sync', 'waiting'], ['PostSync', 'running']]);
  });
  it('shows what is applied but not healthy yet as under way', () => {
    expect(progressOf(running([{ kind: 'ConfigMap', namespace: 'ns', name: 'conf', status: 'Synced', hookPhase: 'Running' }])).rows[0]?.state).toBe('running');
  });
  it('leaves nothing waiting once it has ended', () => {
    const progress = progressOf(running([{ kind: 'ConfigMap', namespace: 'ns', name: 'conf', status: 'SyncFailed', message: 'denied' }], 'Failed'));
    expect(progress.rows.map((row) => row.state)).toEqual(['failed']);
  });
  it('expects only the chosen objects of a selective sync', () => {
    expect(progressOf(running([], 'Running', { resources: [{ kind: 'ConfigMap', namespace: 'ns', name: 'conf' }] })).rows.map((row) => row.name)).toEqual(['conf']);
  });
});

describe('toSyncRequest', () => {
  const choices = initialChoices({ project: 'default', destination: {}, syncPolicy: { automated: { prune: true }, syncOptions: ['ServerSideApply=true'] } });
  it('starts from the policy of the application', () => {
    expect(toSyncRequest(choices, managed)).toEqual({ prune: true, dryRun: false, strategy: { hook: { force: false } }, syncOptions: { items: ['ServerSideApply=true'] } });
  });
  it('says so when all options were taken away', () => {
    expect(toSyncRequest({ ...choices, options: [] }, managed).syncOptions).toEqual({ items: [] });
  });
  it('names objects only when some are left out', () => {
    const request = toSyncRequest({ ...choices, resources: new Set(['/ConfigMap/ns/conf']) }, managed);
    expect(request.resources).toEqual([{ group: '', kind: 'ConfigMap', namespace: 'ns', name: 'conf' }]);
  });
  it('asks for apply alone, with force, at a revision', () => {
    expect(toSyncRequest({ ...choices, applyOnly: true, force: true, revision: ' v1 ' }, managed)).toMatchObject({ strategy: { apply: { force: true } }, revision: 'v1' });
  });
  it('replaces an option of the same name', () => {
    expect(toggleOption(['Validate=true', 'Prune=false'], 'Validate=false', true)).toEqual(['Prune=false', 'Validate=false']);
    expect(toggleOption(['Validate=false'], 'Validate=false', false)).toEqual([]);
  });
});

describe('newest', () => {
  const at = (version: string, uid = 'u'): Application => ({ metadata: { name: 'web', uid, resourceVersion: version }, spec: { project: '', destination: {} } });
  it('keeps the later of two versions of one application', () => {
    expect(newest(at('9'), at('10')).metadata.resourceVersion).toBe('10');
    expect(newest(at('10'), at('9')).metadata.resourceVersion).toBe('10');
    expect(newest(at('10'), at('2', 'other')).metadata.resourceVersion).toBe('2');
    expect(newest(undefined, at('1')).metadata.resourceVersion).toBe('1');
  });
});

describe('quarantineOf', () => {
  const bad = 'b82d0e4c6a1f3957e2d4c6b8a0f1e3d5c7b9a801';
  const good = '09e7d5c3b1a2f4860d8e6c4b2a1f3e5d7c9b8a70';
  const app: Application = { metadata: { name: 'web' }, spec: { project: '', destination: {} }, status: {} };
  const entry = { revisions: [bad], heldRevisions: [good], historyId: 1, at: '2026-11-01T00:00:00Z', by: 'admin', reason: 'rollback to 1' };
  app.metadata.annotations = { 'driftless.dev/quarantine': JSON.stringify([entry]) };

  it('marks the revision left behind, not the one gone back to', () => {
    expect(quarantineOf(app, { id: 2, revision: bad, deployedAt: '' })).toBeDefined();
    expect(quarantineOf(app, { id: 1, revision: good, deployedAt: '' })).toBeUndefined();
  });
  it('takes all revisions of several sources together', () => {
    expect(quarantineOf(app, { id: 3, revisions: [bad, good], deployedAt: '' })).toBeUndefined();
  });
  it('survives an annotation that is not a record', () => {
    const broken = { ...app, metadata: { ...app.metadata, annotations: { 'driftless.dev/quarantine': '{oops' } } };
    expect(quarantineOf(broken, { id: 2, revision: bad, deployedAt: '' })).toBeUndefined();
  });
});

describe('waitsForConfirmation', () => {
  it('is said of an operation that stands still for it, not of one that has ended', () => {
    const app = running([]);
    expect(waitsForConfirmation(app)).toBe(false);
    app.status!.conditions = [{ type: 'PruneBudgetWarning', message: 'waiting for pruning confirmation: 12 of 14 objects would be deleted' }];
    expect(waitsForConfirmation(app)).toBe(true);
    app.status!.operationState!.phase = 'Succeeded';
    expect(waitsForConfirmation(app)).toBe(false);
  });
});
