import type { Application, OperationPhase, ResourceResult, ResourceStatus } from '@/api-types';
import { newest } from '@/lib/application';
import { resourceKey } from '@/lib/resource-key';

/**
 * Whether the operation that `asked` (the server's answer to asking for it) holds has begun in `app`. Times have whole
 * seconds only and two quick operations share theirs, so this goes by resource versions: `app` is at least as new as the
 * answer, and its operation was taken up. Servers drop the state of the operation before, or leave it until then.
 */
export function hasBegun(app: Application, asked: Application): boolean {
  const state = app.status?.operationState;
  return newest(asked, app) === app && Boolean(state) && (!app.operation || state?.phase === 'Running');
}

/** One object of an operation, from waiting to done. */
export interface ProgressRow {
  key: string;
  kind: string;
  group: string;
  namespace: string;
  name: string;
  phase: string;
  state: 'waiting' | 'running' | 'done' | 'failed' | 'skipped';
  message: string;
}

export interface Progress {
  rows: ProgressRow[];
  done: number;
  failed: number;
  total: number;
}

const PHASE_ORDER = ['PreSync', 'Sync', 'PostSync', 'SyncFail'];

function stateOf(result: ResourceResult, phase: OperationPhase): ProgressRow['state'] {
  if (result.hookType && result.hookPhase) {
    if (result.hookPhase === 'Running' || result.hookPhase === 'Terminating') return 'running';
    return result.hookPhase === 'Succeeded' ? 'done' : 'failed';
  }
  if (result.status === 'SyncFailed') return 'failed';
  if (result.status === 'PruneSkipped') return 'skipped';
  if (result.hookPhase === 'Failed' || result.hookPhase === 'Error') return 'failed';
  // Applied, but its health is still waited for.
  if (result.hookPhase === 'Running' && phase === 'Running') return 'running';
  return result.status ? 'done' : 'running';
}

/**
 * Every object the operation is about: those it has reported on, in its order, then those it has not come to. When it has
 * ended nothing waits any more.
 */
export function progressOf(app: Application): Progress {
  const operation = app.status?.operationState;
  const phase = operation?.phase ?? 'Running';
  const results = operation?.syncResult?.resources ?? [];
  const rows: ProgressRow[] = results.map((result) => ({
    key: `${resourceKey(result)}#${result.hookType ?? ''}`,
    kind: result.kind,
    group: result.group ?? '',
    namespace: result.namespace ?? '',
    name: result.name,
    phase: result.hookType ?? result.syncPhase ?? 'Sync',
    state: stateOf(result, phase),
    message: result.message ?? '',
  }));
  if (phase === 'Running') {
    const reported = new Set(results.map(resourceKey));
    for (const resource of expected(app)) {
      const key = resourceKey(resource);
      if (reported.has(key)) continue;
      rows.push({ key, kind: resource.kind, group: resource.group ?? '', namespace: resource.namespace ?? '', name: resource.name, phase: 'Sync', state: 'waiting', message: '' });
    }
  }
  rows.sort((a, b) => rank(a.phase) - rank(b.phase));
  const failed = rows.filter((row) => row.state === 'failed').length;
  const done = rows.filter((row) => row.state === 'done' || row.state === 'skipped').length;
  return { rows, done, failed, total: rows.length };
}

function rank(phase: string): number {
  const at = PHASE_ORDER.indexOf(phase);
  return at === -1 ? 1 : at;
}

function expected(app: Application): ResourceStatus[] {
  const selected = app.status?.operationState?.operation.sync?.resources;
  const managed = (app.status?.resources ?? []).filter((resource) => !resource.hook);
  if (!selected?.length) return managed.filter((resource) => !resource.requiresPruning || app.status?.operationState?.operation.sync?.prune);
  const keys = new Set(selected.map(resourceKey));
  return managed.filter((resource) => keys.has(resourceKey(resource)));
}
