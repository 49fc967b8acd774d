import type { ObjectMeta } from './kubernetes';

/** `argoproj.io/v1alpha1` Application, as far as the UI reads or writes it. Unknown fields pass through untouched. */

export const HEALTH_STATUSES = ['Degraded', 'Missing', 'Progressing', 'Suspended', 'Healthy', 'Unknown'] as const;
export type HealthStatusCode = (typeof HEALTH_STATUSES)[number];

export const SYNC_STATUSES = ['OutOfSync', 'Synced', 'Unknown'] as const;
export type SyncStatusCode = (typeof SYNC_STATUSES)[number];

export type OperationPhase = 'Running' | 'Terminating' | 'Failed' | 'Error' | 'Succeeded';
export type ResultCode = 'Synced' | 'SyncFailed' | 'Pruned' | 'PruneSkipped';

export interface HealthStatus {
  status?: HealthStatusCode;
  message?: string;
  lastTransitionTime?: string;
}

export interface HelmParameter {
  name: string;
  value?: string;
  forceString?: boolean;
}

export interface ApplicationSource {
  repoURL: string;
  path?: string;
  targetRevision?: string;
  chart?: string;
  ref?: string;
  name?: string;
  helm?: {
    releaseName?: string;
    valueFiles?: string[];
    parameters?: HelmParameter[];
    values?: string;
    valuesObject?: unknown;
  };
  kustomize?: { images?: string[]; namePrefix?: string; nameSuffix?: string };
  directory?: { recurse?: boolean; include?: string; exclude?: string };
  plugin?: { name?: string };
}

export interface ApplicationDestination {
  server?: string;
  name?: string;
  namespace?: string;
}

export interface SyncPolicy {
  automated?: { prune?: boolean; selfHeal?: boolean; allowEmpty?: boolean; enabled?: boolean };
  syncOptions?: string[];
  retry?: { limit?: number; backoff?: { duration?: string; factor?: number; maxDuration?: string } };
}

export interface ApplicationSpec {
  project: string;
  source?: ApplicationSource;
  sources?: ApplicationSource[];
  destination: ApplicationDestination;
  syncPolicy?: SyncPolicy;
  info?: { name: string; value: string }[];
  ignoreDifferences?: unknown[];
  revisionHistoryLimit?: number;
}

export interface ResourceStatus {
  group?: string;
  version?: string;
  kind: string;
  namespace?: string;
  name: string;
  status?: SyncStatusCode;
  health?: HealthStatus;
  hook?: boolean;
  requiresPruning?: boolean;
  requiresDeletionConfirmation?: boolean;
  syncWave?: number;
}

export interface ResourceResult {
  group?: string;
  version?: string;
  kind: string;
  namespace?: string;
  name: string;
  status?: ResultCode | '';
  message?: string;
  hookType?: string;
  hookPhase?: OperationPhase | '';
  syncPhase?: string;
}

export interface OperationInitiator {
  username?: string;
  automated?: boolean;
}

export interface Operation {
  sync?: {
    revision?: string;
    prune?: boolean;
    dryRun?: boolean;
    resources?: { group?: string; kind: string; namespace?: string; name: string }[];
    syncOptions?: string[];
  };
  initiatedBy?: OperationInitiator;
  retry?: { limit?: number };
}

export interface OperationState {
  operation: Operation;
  phase: OperationPhase;
  message?: string;
  syncResult?: {
    resources?: ResourceResult[];
    revision?: string;
    revisions?: string[];
  };
  startedAt: string;
  finishedAt?: string;
  retryCount?: number;
}

export interface RevisionHistory {
  id: number;
  revision?: string;
  revisions?: string[];
  source?: ApplicationSource;
  sources?: ApplicationSource[];
  deployedAt: string;
  deployStartedAt?: string;
  initiatedBy?: OperationInitiator;
}

export interface ApplicationCondition {
  type: string;
  message: string;
  lastTransitionTime?: string;
}

export interface ApplicationStatus {
  sync?: {
    status?: SyncStatusCode;
    revision?: string;
    revisions?: string[];
  };
  health?: HealthStatus;
  resources?: ResourceStatus[];
  operationState?: OperationState;
  history?: RevisionHistory[];
  conditions?: ApplicationCondition[];
  summary?: { images?: string[]; externalURLs?: string[] };
  sourceType?: string;
  reconciledAt?: string;
}

export interface Application {
  apiVersion?: string;
  kind?: string;
  metadata: ObjectMeta;
  spec: ApplicationSpec;
  status?: ApplicationStatus;
  operation?: Operation | null;
}

/** How many applications carry each value of each dimension; sent by servers that filter for the client. */
export type FacetName = 'health' | 'sync' | 'project' | 'cluster' | 'namespace' | 'repo';
export type Facets = Record<FacetName, Record<string, number>>;

export interface ApplicationList {
  metadata?: { resourceVersion?: string; total?: number; facets?: Partial<Facets> };
  items?: Application[] | null;
}

export type WatchEventType = 'ADDED' | 'MODIFIED' | 'DELETED';

export interface ApplicationWatchEvent {
  type: WatchEventType;
  application: Application;
}

export interface SyncRequest {
  revision?: string;
  prune?: boolean;
  dryRun?: boolean;
  strategy?: { apply?: { force?: boolean }; hook?: { force?: boolean } };
  resources?: { group: string; kind: string; namespace?: string; name: string }[];
  syncOptions?: { items: string[] };
  appNamespace?: string;
  project?: string;
}

export interface RollbackRequest {
  id: number;
  prune?: boolean;
  dryRun?: boolean;
  appNamespace?: string;
  project?: string;
}

export interface RevisionMetadata {
  author?: string;
  date?: string;
  message?: string;
  tags?: string[] | null;
}

/** When the project lets an application be synced. */
export interface SyncWindow {
  kind?: 'allow' | 'deny';
  schedule?: string;
  duration?: string;
  manualSync?: boolean;
}

export interface SyncWindows {
  activeWindows?: SyncWindow[] | null;
  assignedWindows?: SyncWindow[] | null;
  /** Whether a person may sync now. */
  canSync?: boolean;
}
