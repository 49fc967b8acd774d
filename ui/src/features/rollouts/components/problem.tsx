import { CircleDashed, FileQuestionMark, Ghost, OctagonAlert, Puzzle } from 'lucide-react';
import { useTranslation } from 'react-i18next';
import { Empty, ErrorPanel, Skeleton } from '@/components/empty';
import { isModelRollout } from '@/lib/rollout';
import type { RolloutEntry } from '../hooks/use-rollouts';

/** The API server's and the sync's words for a kind that is not installed. */
const NO_KIND = /no matches for kind|could not find the requested resource|not installed|no such kind|is not known|NotFound.*customresource/i;

const PRINT_CRDS = 'driftless crds';

/** Why there is nothing to show of a rollout. "Not there yet", "not readable" and "could not be read" are three things. */
export function Problem({ entry }: { entry: RolloutEntry }) {
  const { t } = useTranslation();
  const { rollout, error, missing } = entry;
  if (missing) {
    const noKind = NO_KIND.test(missing.message ?? '');
    return (
      <Empty icon={noKind ? <Puzzle aria-hidden /> : <Ghost aria-hidden />} title={t(noKind ? 'rollout.noKind' : 'resource.missing')}>
        {noKind && isModelRollout({ group: entry.ref.group ?? '', kind: entry.ref.kind }) ? <p>{t('rollout.noKindHint')} <code>{PRINT_CRDS}</code></p> : <p>{t('resource.missingHint')}</p>}
        {missing.message ? <p><code>{missing.message}</code></p> : null}
      </Empty>
    );
  }
  if (error) return <ErrorPanel title={t('rollout.readFailed', { name: entry.ref.name })} error={error} onRetry={entry.retry} />;
  if (!rollout) return <Skeleton lines={8} />;
  if (rollout.problem === 'unreadable') return <div role="alert"><Empty icon={<FileQuestionMark aria-hidden />} title={t('rollout.unreadable')}>{t('rollout.unreadableHint')}</Empty></div>;
  if (rollout.phase === 'Invalid') return <div role="alert"><Empty icon={<OctagonAlert aria-hidden />} title={t('rollout.phase.Invalid')}>{rollout.message}</Empty></div>;
  if (rollout.problem === 'noStatus') return <Empty icon={<CircleDashed aria-hidden />} title={t('rollout.noStatus')}>{t('rollout.noStatusHint')}</Empty>;
  return <Empty title={t('rollout.noTargets')}>{rollout.message ?? t('rollout.noTargetsHint')}</Empty>;
}

/** The same in a few words, for a row of the list. */
export function useProblemWords(): (entry: RolloutEntry) => string | undefined {
  const { t } = useTranslation();
  return ({ rollout, error, missing, ref }) => {
    if (missing) return NO_KIND.test(missing.message ?? '') ? t('rollout.noKind') : t('resource.missing');
    if (error) return `${t('rollout.readFailed', { name: ref.name })}: ${error.message}`;
    if (!rollout) return t('common.loading');
    if (rollout.problem) return t(`rollout.${rollout.problem}`);
    if (rollout.targets.length === 0) return rollout.message ?? t('rollout.noTargets');
    return undefined;
  };
}
