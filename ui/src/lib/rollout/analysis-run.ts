import type { KubernetesObject, Measurement, ResourceRef, RolloutMetric } from '@/api-types';
import { fields, list, number, text, type Fields } from '../fields';

/** Reading of Argo Rollouts' AnalysisRun: the measurements of a Rollout's analyses. */

export function isAnalysisRun(ref: Pick<ResourceRef, 'group' | 'kind'>): boolean {
  return ref.group === 'argoproj.io' && ref.kind === 'AnalysisRun';
}

/** As many measurements as a ModelRollout keeps. */
const KEPT = 60;

export function readAnalysisRun(object: KubernetesObject): RolloutMetric[] {
  const wanted = new Map(list(fields(object.spec).metrics).map((metric) => [text(metric.name), metric]));
  const dryRun = new Set(list(fields(object.spec).dryRun).map((each) => text(each.metricName)));
  const analysis = analysisOf(object);
  return list(fields(object.status).metricResults).map((result): RolloutMetric => {
    const name = text(result.name) ?? '';
    const metric = wanted.get(name) ?? {};
    const success = text(metric.successCondition);
    const failure = text(metric.failureCondition);
    return {
      name, analysis, success, failure,
      phase: text(result.phase),
      message: text(result.message),
      dryRun: dryRun.has(name) || result.dryRun === true,
      threshold: thresholdOf(success) ?? thresholdOf(failure),
      measurements: list(result.measurements).slice(-KEPT).map(readMeasurement),
    };
  });
}

/** The labels that Argo Rollouts puts on a run, in the words of a ModelRollout's status. */
function analysisOf(object: KubernetesObject): string {
  const labels = object.metadata?.labels ?? {};
  const step = labels['step-index'];
  if (labels['rollout-type'] === 'Step' && step !== undefined && /^\d+$/.test(step)) return `step ${step}`;
  return labels['rollout-type'] === 'Background' ? 'background' : (labels['rollout-type'] ?? object.metadata?.name ?? '');
}

function readMeasurement(each: Fields): Measurement {
  const value = text(each.value);
  return { at: text(each.finishedAt) ?? text(each.startedAt), phase: text(each.phase), value: numberIn(value), text: text(each.message) ?? value };
}

/** Prometheus answers with lists: the first number counts, as in `result[0]`. */
export function numberIn(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  try {
    const parsed: unknown = JSON.parse(value);
    return number(Array.isArray(parsed) ? parsed[0] : parsed);
  } catch {
    return undefined;
  }
}

/** The number in a condition such as `result[0] < 0.05`; conditions that say more have none. */
export function thresholdOf(condition: string | undefined): number | undefined {
  const found = /^\s*(?:as(?:Float|Int)\()?result(?:\[0\])?\)?\s*(?:<=?|>=?)\s*(-?\d+(?:\.\d+)?(?:e-?\d+)?)\s*$/i.exec(condition ?? '')?.[1];
  return found === undefined ? undefined : Number(found);
}
