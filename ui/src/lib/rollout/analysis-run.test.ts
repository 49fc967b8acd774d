import { describe, expect, it } from 'vitest';
import { numberIn, readAnalysisRun, thresholdOf } from './analysis-run';

describe('an AnalysisRun', () => {
  const run = (labels: Record<string, string>, status: unknown) =>
    readAnalysisRun({ kind: 'AnalysisRun', metadata: { name: 'gateway-2', labels }, spec: { metrics: [{ name: 'errors', successCondition: 'result[0] < 0.05' }], dryRun: [{ metricName: 'slow' }] }, status });

  it('is read as metrics of the step that it belongs to', () => {
    const measurements = [{ finishedAt: '2026-01-01T00:00:00Z', phase: 'Successful', value: '[0.012]' }, { startedAt: '2026-01-01T00:01:00Z', phase: 'Error', message: 'no route to host' }];
    expect(run({ 'rollout-type': 'Step', 'step-index': '1' }, { metricResults: [{ name: 'errors', phase: 'Running', measurements }, { name: 'slow', phase: 'Failed' }] })).toEqual([
      {
        name: 'errors', analysis: 'step 1', phase: 'Running', message: undefined, dryRun: false, success: 'result[0] < 0.05', failure: undefined, threshold: 0.05,
        measurements: [{ at: '2026-01-01T00:00:00Z', phase: 'Successful', value: 0.012, text: '[0.012]' }, { at: '2026-01-01T00:01:00Z', phase: 'Error', value: undefined, text: 'no route to host' }],
      },
      { name: 'slow', analysis: 'step 1', phase: 'Failed', message: undefined, dryRun: true, success: undefined, failure: undefined, threshold: undefined, measurements: [] },
    ]);
    expect(run({ 'rollout-type': 'Background' }, { metricResults: [{ name: 'errors' }] })[0]?.analysis).toBe('background');
  });
  it('may have no status, or one of another shape', () => {
    for (const status of [undefined, null, 'words', { metricResults: 3 }]) expect(run({}, status)).toEqual([]);
  });
  it.each([['0.5', 0.5], ['[1,2]', 1], ['[]', undefined], ['NaN', undefined], ['"x"', undefined], [undefined, undefined]])('takes %j as %j', (value, want) => {
    expect(numberIn(value)).toBe(want);
  });
  it.each([['result[0] < 0.05', 0.05], ['result >= 95', 95], ['asFloat(result[0]) <= 1e-3', 0.001], ['result[0] < 0.05 || isNaN(result[0])', undefined], ['len(result) > 0', undefined], [undefined, undefined]])('has the threshold of %j: %j', (condition, want) => {
    expect(thresholdOf(condition)).toBe(want);
  });
});
