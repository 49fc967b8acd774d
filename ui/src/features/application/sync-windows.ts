import type { SyncWindows } from '@/api-types';

/**
 * Whom the project's sync windows keep from syncing now. An active deny keeps automation out, and so does every allow that
 * is not active when none is; people may pass where the windows say so, which is what `canSync` tells.
 */
export function blockedBy({ activeWindows, assignedWindows, canSync }: SyncWindows): 'everyone' | 'automation' | undefined {
  const active = activeWindows ?? [];
  const allows = (assignedWindows ?? []).some((window) => window.kind === 'allow');
  const denied = active.some((window) => window.kind === 'deny');
  const closed = allows && !active.some((window) => window.kind === 'allow');
  if (!denied && !closed) return undefined;
  return canSync === false ? 'everyone' : 'automation';
}
