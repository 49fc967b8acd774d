import type { Application, RevisionHistory } from '@/api-types';

/** The record of revisions that automation leaves alone; the controller keeps it in this annotation. */
export const QUARANTINE_ANNOTATION = 'driftless.dev/quarantine';
export const DELETION_APPROVED_ANNOTATION = 'argocd.argoproj.io/deletion-approved';

export interface QuarantineEntry {
  revisions: string[];
  heldRevisions?: string[];
  historyId?: number;
  at?: string;
  by?: string;
  reason?: string;
}

/** Reads the annotation. What cannot be read counts as no record here: the controller reports it as a condition. */
export function quarantineEntries(app: Application): QuarantineEntry[] {
  const text = app.metadata.annotations?.[QUARANTINE_ANNOTATION];
  if (!text) return [];
  try {
    const parsed: unknown = JSON.parse(text);
    return Array.isArray(parsed) ? parsed.filter(isEntry) : [];
  } catch {
    return [];
  }
}

function isEntry(value: unknown): value is QuarantineEntry {
  return typeof value === 'object' && value !== null && 'revisions' in value && Array.isArray(value.revisions);
}

/** The record that keeps this deployment's revisions away from automation, if there is one. */
export function quarantineOf(app: Application, deployment: RevisionHistory): QuarantineEntry | undefined {
  const revisions = deployment.revisions?.length ? deployment.revisions : deployment.revision ? [deployment.revision] : [];
  if (revisions.length === 0) return undefined;
  return quarantineEntries(app).find(
    (entry) => entry.revisions.length === revisions.length && entry.revisions.every((revision, index) => revision === revisions[index]),
  );
}

/** A sync or a deletion stands still until someone says that objects may be deleted. */
export function waitsForConfirmation(app: Application): boolean {
  const state = app.status?.operationState;
  const running = state?.phase === 'Running';
  if (running && /^waiting for pruning confirmation/.test(state.message ?? '')) return true;
  if (running && app.status?.conditions?.some((condition) => condition.type === 'PruneBudgetWarning' && condition.message.startsWith('waiting'))) return true;
  return Boolean(app.metadata.deletionTimestamp) && (app.status?.resources ?? []).some((resource) => resource.requiresDeletionConfirmation);
}
