import { useQuery } from '@tanstack/react-query';
import clsx from 'clsx';
import { ChevronDown, ChevronRight, CircleCheck } from 'lucide-react';
import { useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { Application } from '@/api-types';
import { Button } from '@/components/button';
import { Chip, type ChipTone } from '@/components/chip';
import { DiffView } from '@/components/diff-view';
import { Empty, ErrorPanel, Skeleton } from '@/components/empty';
import { Checkbox } from '@/components/field';
import { KindIcon } from '@/components/kind-icon';
import { appId } from '@/lib/application';
import { diffStat, lineDiff } from '@/lib/diff';
import { resourceKey } from '@/lib/resource-key';
import { managedResourcesQuery } from '../api/resources';
import { compare, type Change, type Comparison } from '../comparison';
import styles from './app-diff.module.css';

/** So many are opened at once; more would be slow and not be read. */
const OPEN_AT_FIRST = 12;

const TONES: Record<Change, ChipTone> = { create: 'success', remove: 'danger', modify: 'warning', same: 'neutral' };

interface Item {
  key: string;
  kind: string;
  name: string;
  namespace: string;
  comparison: Comparison;
}

/** Everything a sync would change, object by object. */
export function AppDiff({ app, onOpen }: { app: Application; onOpen: (key: string) => void }) {
  const { t } = useTranslation();
  const query = useQuery(managedResourcesQuery(appId(app)));
  const [compact, setCompact] = useState(true);
  const items = useMemo<Item[]>(
    () =>
      (query.data?.items ?? [])
        .filter((item) => !item.hook)
        .map((item) => ({ key: resourceKey(item), kind: item.kind, name: item.name, namespace: item.namespace ?? '', comparison: compare(item) }))
        .filter((item) => item.comparison.change !== 'same'),
    [query.data],
  );
  if (query.isPending) return <Skeleton lines={12} />;
  if (query.isError && !query.data) return <ErrorPanel error={query.error} onRetry={() => void query.refetch()} />;
  if (items.length === 0) return <Empty icon={<CircleCheck aria-hidden />} title={t('diff.allEqual')}>{t('diff.allEqualHint')}</Empty>;
  return (
    <div className={styles.scroller}>
      <div className={styles.bar}>
        <p className={styles.summary}>{t('diff.summary', { count: items.length })}</p>
        <Checkbox label={t('diff.compact')} checked={compact} onChange={setCompact} />
      </div>
      {items.map((item, index) => (
        <ObjectSection key={item.key} item={item} compact={compact} openAtFirst={index < OPEN_AT_FIRST} onOpen={onOpen} />
      ))}
    </div>
  );
}

function ObjectSection({ item, compact, openAtFirst, onOpen }: { item: Item; compact: boolean; openAtFirst: boolean; onOpen: (key: string) => void }) {
  const { t } = useTranslation();
  const [open, setOpen] = useState(openAtFirst);
  const { change, live, desired } = item.comparison;
  const stat = useMemo(() => (open ? diffStat(lineDiff(live, desired, 0)) : undefined), [open, live, desired]);
  const Chevron = open ? ChevronDown : ChevronRight;
  return (
    <section className={styles.object} aria-label={`${item.kind} ${item.name}`}>
      <header className={styles.head}>
        <button type="button" className={styles.toggle} aria-expanded={open} onClick={() => setOpen(!open)}>
          <Chevron aria-hidden size={15} />
          <KindIcon kind={item.kind} size={16} />
          <span className={styles.kind}>{item.kind}</span>
          <span className={styles.name}>{item.name}</span>
          <span className={styles.namespace}>{item.namespace}</span>
        </button>
        <Chip tone={TONES[change]}>{t(`diff.change.${change}`)}</Chip>
        {stat ? <span className={styles.stat}><span className={styles.plus}>+{stat.added}</span> <span className={styles.minus}>−{stat.removed}</span></span> : null}
        <Button size="s" tone="ghost" onClick={() => onOpen(item.key)}>{t('common.details')}</Button>
      </header>
      {open ? <div className={clsx(styles.body)}><DiffView live={live} desired={desired} compact={compact && change === 'modify'} label={`${t('panel.diff')}: ${item.kind} ${item.name}`} /></div> : null}
    </section>
  );
}
