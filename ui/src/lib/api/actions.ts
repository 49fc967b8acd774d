import type { Application, RollbackRequest, SyncRequest } from '@/api-types';
import type { AppId } from '../application';
import { request } from '../http';

/** Calls on one application that more than one feature makes. */

export function applicationPath({ name }: AppId, rest = ''): string {
  return `api/v1/applications/${encodeURIComponent(name)}${rest}`;
}

export function syncApplication(id: AppId, body: SyncRequest): Promise<Application> {
  return request(applicationPath(id, '/sync'), { method: 'POST', body: { appNamespace: id.namespace, ...body } });
}

export type RefreshKind = 'normal' | 'hard';

export function refreshApplication(id: AppId, kind: RefreshKind): Promise<Application> {
  return request(applicationPath(id), { query: { refresh: kind, appNamespace: id.namespace } });
}

export function rollbackApplication(id: AppId, body: RollbackRequest): Promise<Application> {
  return request(applicationPath(id, '/rollback'), { method: 'POST', body: { appNamespace: id.namespace, ...body } });
}

export function terminateOperation(id: AppId): Promise<unknown> {
  return request(applicationPath(id, '/operation'), { method: 'DELETE', query: { appNamespace: id.namespace } });
}
