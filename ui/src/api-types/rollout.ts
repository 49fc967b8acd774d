/** `driftless.dev/v1alpha1` ModelRollout, as far as the UI reads it. */

export const ROLLOUT_PHASES = ['Healthy', 'Waiting', 'Progressing', 'Paused', 'Held', 'RollingBack', 'Degraded', 'Invalid'] as const;
export type RolloutPhase = (typeof ROLLOUT_PHASES)[number];

export type MeasurementPhase = 'Pending' | 'Running' | 'Successful' | 'Failed' | 'Inconclusive' | 'Error';

export interface Pods {
  desired?: number;
  ready?: number;
}

export interface Measurement {
  at?: string;
  phase?: string;
  /** Of the new version; absent when it is no number. */
  value?: number;
  /** Of the stable version, for metrics that compare. */
  stable?: number;
  /** The value as text, or why there is none. */
  text?: string;
}

export interface RolloutMetric {
  name: string;
  /** `background`, or `step` with its number counted from 0: `step 2`. */
  analysis?: string;
  phase?: string;
  message?: string;
  dryRun?: boolean;
  success?: string;
  failure?: string;
  threshold?: number;
  measurements?: Measurement[];
}

export interface QuarantinedVersion {
  version: string;
  reason?: string;
  at?: string;
}

export interface RolloutDecision {
  sequence?: number;
  at?: string;
  reason?: string;
  message?: string;
  inputs?: Record<string, string>;
}

/** What a person asked for, until it is carried out; in the annotation `driftless.dev/rollout-command`. */
export interface RolloutCommand {
  id: string;
  verb: string;
  target?: string;
  by?: string;
  at?: string;
}
