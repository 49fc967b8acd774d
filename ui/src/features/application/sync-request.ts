import type { ApplicationSpec, ResourceStatus, SyncRequest } from '@/api-types';
import { resourceKey } from '@/lib/resource-key';

/** The sync dialog's choices, and the request they become. */
export interface SyncChoices {
  revision: string;
  prune: boolean;
  dryRun: boolean;
  applyOnly: boolean;
  force: boolean;
  options: string[];
  /** Keys of the chosen objects; `all` means a full sync, which alone runs hooks and is recorded in the history. */
  resources: ReadonlySet<string> | 'all';
}

export const TOGGLE_OPTIONS = [
  'ServerSideApply=true', 'CreateNamespace=true', 'ApplyOutOfSyncOnly=true', 'PruneLast=true', 'RespectIgnoreDifferences=true',
  'Validate=false', 'Replace=true',
] as const;
export const PROPAGATION = ['foreground', 'background', 'orphan'] as const;

export function initialChoices(spec: ApplicationSpec): SyncChoices {
  return {
    revision: '',
    prune: spec.syncPolicy?.automated?.prune ?? false,
    dryRun: false,
    applyOnly: false,
    force: false,
    options: [...(spec.syncPolicy?.syncOptions ?? [])],
    resources: 'all',
  };
}

export function toggleOption(options: readonly string[], option: string, on: boolean): string[] {
  const name = option.split('=')[0] ?? option;
  const rest = options.filter((each) => each.split('=')[0] !== name);
  return on ? [...rest, option] : rest;
}

export function toSyncRequest(choices: SyncChoices, managed: readonly ResourceStatus[]): SyncRequest {
  const { revision, prune, dryRun, applyOnly, force, options, resources } = choices;
  const request: SyncRequest = { prune, dryRun, strategy: applyOnly ? { apply: { force } } : { hook: { force } } };
  // Sent even when empty: without them the application's own options would hold.
  request.syncOptions = { items: options };
  if (revision.trim()) request.revision = revision.trim();
  if (resources !== 'all') {
    request.resources = managed
      .filter((resource) => resources.has(resourceKey(resource)))
      .map(({ group, kind, namespace, name }) => ({ group: group ?? '', kind, namespace, name }));
  }
  return request;
}
