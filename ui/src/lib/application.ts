import type {
  Application, ApplicationCondition, ApplicationSource, HealthStatusCode, SyncStatusCode,
} from '@/api-types';

/** Readings of an Application that more than one feature needs. All are total: absent status reads as unknown. */

export interface AppId {
  namespace: string;
  name: string;
}

export function appId(app: Application): AppId {
  return { namespace: app.metadata.namespace ?? '', name: app.metadata.name };
}

export function appKey(id: AppId): string {
  return `${id.namespace}/${id.name}`;
}

export function healthOf(app: Application): HealthStatusCode {
  return app.status?.health?.status ?? 'Unknown';
}

export function syncOf(app: Application): SyncStatusCode {
  return app.status?.sync?.status ?? 'Unknown';
}

/** The source that counts when there is one; the first of several otherwise. */
export function sourceOf(app: Application): ApplicationSource | undefined {
  return app.spec.sources?.[0] ?? app.spec.source;
}

export function clusterOf(app: Application): string {
  const { name, server } = app.spec.destination;
  if (name) return name;
  if (!server || server === 'https://kubernetes.default.svc') return 'in-cluster';
  return server.replace(/\/$/, '');
}

export function revisionOf(app: Application): string | undefined {
  return app.status?.sync?.revision ?? app.status?.sync?.revisions?.[0];
}

export function isAutomated(app: Application): boolean {
  const automated = app.spec.syncPolicy?.automated;
  return automated !== undefined && automated.enabled !== false;
}

/** An operation that was asked for or is under way. */
export function isOperating(app: Application): boolean {
  const phase = app.status?.operationState?.phase;
  return Boolean(app.operation) || phase === 'Running' || phase === 'Terminating';
}

export function lastActivityOf(app: Application): string | undefined {
  const state = app.status?.operationState;
  return state?.finishedAt ?? state?.startedAt ?? app.status?.reconciledAt ?? app.metadata.creationTimestamp;
}

export type ConditionSeverity = 'error' | 'warning' | 'info';

export function severityOf(condition: ApplicationCondition): ConditionSeverity {
  if (condition.type.endsWith('Warning')) return 'warning';
  if (condition.type.endsWith('Error')) return 'error';
  return /quarantine|hold|confirm|budget|paused/i.test(condition.type) ? 'warning' : 'info';
}

export function isQuarantine(condition: ApplicationCondition): boolean {
  return /quarantin/i.test(condition.type);
}

/** A model's version is quarantined by its rollout, not by the application: there is no record here to lift. */
export function isVersionQuarantine(condition: ApplicationCondition): boolean {
  return condition.type === 'QuarantinedVersionWarning';
}

/** Streams and answers race: of one object the higher resource version is the later one. */
export function newest(held: Application | undefined, next: Application): Application {
  if (held?.metadata.uid !== next.metadata.uid) return next;
  const a = Number(held?.metadata.resourceVersion);
  const b = Number(next.metadata.resourceVersion);
  return held && Number.isFinite(a) && Number.isFinite(b) && b < a ? held : next;
}
