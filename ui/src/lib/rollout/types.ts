import type { Pods, QuarantinedVersion, RolloutCommand, RolloutDecision, RolloutMetric, RolloutPhase } from '@/api-types';

/** A rollout as the pages show it, whichever kind it was read from. */

export type StepKind = 'setWeight' | 'pause' | 'analysis' | 'experiment' | 'setCanaryScale' | 'warmup' | 'setHeaderRoute' | 'setMirrorRoute' | 'plugin';

/** What a step asks for. Its title is made from these, or is the server's own words. */
export interface Step {
  kind: StepKind | undefined;
  /** Weight, percentage or number of pods or requests, whatever the kind counts in. */
  amount?: number;
  /** Pods of a `setCanaryScale` that follow the weight again. */
  followsWeight?: boolean;
  /** Seconds of a pause; absent for one that waits for approval. */
  seconds?: number;
  /** Templates and metrics of an analysis, or the name of a route. */
  names?: string[];
  /** The server's words; shown where the kind is not known here. */
  title?: string;
}

export interface Side {
  version: string | undefined;
  pods: Pods | undefined;
}

export interface RolloutTarget {
  name: string;
  phase: RolloutPhase | undefined;
  message: string | undefined;
  stable: Side;
  /** The version on its way, if there is one. */
  canary: Side | undefined;
  /** The version that Git asks for, where that is known. */
  wanted: string | undefined;
  /** Share of traffic of the new version in the live route. */
  weight: number | undefined;
  steps: readonly Step[];
  /** Step at work; the number of steps when all are done, absent when nothing is on its way. */
  index: number | undefined;
  since: string | undefined;
  waitingFor: string | undefined;
  pausedBy: string | undefined;
  fit: string | undefined;
  metrics: readonly RolloutMetric[];
  quarantined: readonly QuarantinedVersion[];
  decisions: readonly RolloutDecision[];
  /** Identifier of the last command that was carried out. */
  lastCommand: string | undefined;
}

export interface RolloutCondition {
  type: string;
  status: string | undefined;
  message: string | undefined;
}

export interface Rollout {
  kind: 'ModelRollout' | 'Rollout';
  strategy: 'canary' | 'blueGreen' | undefined;
  /** Kind of the targets. */
  targetKind: string | undefined;
  phase: RolloutPhase | undefined;
  message: string | undefined;
  targets: readonly RolloutTarget[];
  conditions: readonly RolloutCondition[];
  /** Why there is nothing to show: no controller has written a status yet, or it is no status that this page can read. */
  problem: 'noStatus' | 'unreadable' | undefined;
  /** What someone asked for and has not been carried out. */
  command: RolloutCommand | undefined;
  /** Commits that wanted versions come from, by name of the target. */
  revisions: Readonly<Record<string, string>>;
}
