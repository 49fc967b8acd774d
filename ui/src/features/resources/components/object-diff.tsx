import { useQuery } from '@tanstack/react-query';
import { CircleCheck } from 'lucide-react';
import { useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { CodeView } from '@/components/code-view';
import { DiffView } from '@/components/diff-view';
import { Empty, ErrorPanel, Skeleton } from '@/components/empty';
import { Checkbox } from '@/components/field';
import { Segmented } from '@/components/segmented';
import type { AppId } from '@/lib/application';
import { resourceKey } from '@/lib/resource-key';
import { managedResourcesQuery } from '../api/resources';
import { compare, desiredText } from '../comparison';
import type { GraphNode } from '../graph';
import styles from './node-panel.module.css';

/** One object: what a sync would change, or what Git says in full. */
export function ObjectDiff({ id, node }: { id: AppId; node: GraphNode }) {
  const { t } = useTranslation();
  const query = useQuery(managedResourcesQuery(id));
  const [mode, setMode] = useState<'diff' | 'desired'>('diff');
  const [compact, setCompact] = useState(true);
  const key = resourceKey(node.ref);
  const item = query.data?.items?.find((each) => resourceKey(each) === key);
  const comparison = useMemo(() => item && compare(item), [item]);
  const desired = useMemo(() => (item ? desiredText(item) : undefined), [item]);
  if (query.isPending) return <Skeleton lines={8} />;
  if (query.isError && !query.data) return <ErrorPanel error={query.error} onRetry={() => void query.refetch()} />;
  if (!comparison) return <Empty title={t('diff.notManaged')} />;
  return (
    <>
      <div className={styles.bar}>
        <Segmented
          label={t('panel.diff')}
          value={mode}
          onChange={setMode}
          options={[{ value: 'diff', label: t('diff.changes') }, { value: 'desired', label: t('diff.desired') }]}
        />
        <span className={styles.spacer} />
        {mode === 'diff' ? <Checkbox label={t('diff.compact')} checked={compact} onChange={setCompact} /> : null}
      </div>
      {mode === 'desired' ? (
        desired === undefined ? <Empty title={t('resource.notInGit')}>{t('resource.notInGitHint')}</Empty> : <CodeView text={desired} label={t('diff.desired')} />
      ) : comparison.change === 'same' ? (
        <Empty icon={<CircleCheck aria-hidden />} title={t('diff.none')}>{t('diff.noneHint')}</Empty>
      ) : (
        <DiffView live={comparison.live} desired={comparison.desired} compact={compact} label={t('panel.diff')} />
      )}
    </>
  );
}
