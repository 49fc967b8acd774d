import type { HealthStatus } from './application';

export interface ResourceRef {
  group?: string;
  version?: string;
  kind: string;
  namespace?: string;
  name: string;
  uid?: string;
}

export interface ResourceNode extends ResourceRef {
  parentRefs?: ResourceRef[];
  info?: { name: string; value: string }[];
  networkingInfo?: { externalURLs?: string[] };
  resourceVersion?: string;
  images?: string[];
  health?: HealthStatus;
  createdAt?: string;
}

export interface ApplicationTree {
  nodes?: ResourceNode[] | null;
  orphanedNodes?: ResourceNode[] | null;
}

/** One object as Git wants it and as it is; each state is a JSON document in a string. */
export interface ManagedResource {
  group?: string;
  kind: string;
  namespace?: string;
  name: string;
  targetState?: string;
  liveState?: string;
  normalizedLiveState?: string;
  predictedLiveState?: string;
  hook?: boolean;
  resourceVersion?: string;
  modified?: boolean;
}

export interface ManagedResources {
  items?: ManagedResource[] | null;
}

/** Something that can be done to an object: a built-in action or one of the settings' scripts. */
export interface ResourceAction {
  name: string;
  displayName?: string;
  disabled?: boolean;
  /** The reader lacks the right to run it. */
  denied?: boolean;
  params?: { name: string; value?: string; default?: string }[] | null;
}

export interface ResourceActions {
  actions?: ResourceAction[] | null;
}

export interface LogEntry {
  content?: string;
  timeStampStr?: string;
  podName?: string;
  last?: boolean;
}
