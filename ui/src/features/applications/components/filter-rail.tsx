import clsx from 'clsx';
import { X } from 'lucide-react';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { HEALTH_STATUSES, SYNC_STATUSES, type FacetName, type Facets, type HealthStatusCode, type SyncStatusCode } from '@/api-types';
import { Button } from '@/components/button';
import { Checkbox, TextInput } from '@/components/field';
import { Health, Sync } from '@/components/status';
import { shortRepo } from '@/lib/format';
import { FACETS, hasFilter, type ListSearch } from '../search';
import styles from './filter-rail.module.css';

const SHORT = 6;

interface Props {
  search: ListSearch;
  facets: Partial<Facets>;
  onToggle: (facet: FacetName, value: string) => void;
  onClear: () => void;
}

export function FilterRail({ search, facets, onToggle, onClear }: Props) {
  const { t } = useTranslation();
  return (
    <aside className={styles.rail} aria-label={t('filters.title')}>
      <div className={styles.top}>
        <h2 className={styles.title}>{t('filters.title')}</h2>
        {hasFilter(search) ? <Button size="s" tone="ghost" icon={<X aria-hidden />} onClick={onClear}>{t('filters.clear')}</Button> : null}
      </div>
      {FACETS.map((facet) => (
        <FacetGroup key={facet} facet={facet} counts={facets[facet]} chosen={search[facet] ?? []} onToggle={(value) => onToggle(facet, value)} />
      ))}
    </aside>
  );
}

interface GroupProps {
  facet: FacetName;
  counts: Record<string, number> | undefined;
  chosen: readonly string[];
  onToggle: (value: string) => void;
}

function FacetGroup({ facet, counts, chosen, onToggle }: GroupProps) {
  const { t } = useTranslation();
  const [open, setOpen] = useState(false);
  const [needle, setNeedle] = useState('');
  const values = valuesOf(facet, counts, chosen);
  if (values.length === 0) return null;
  const found = needle ? values.filter((value) => value.toLowerCase().includes(needle.toLowerCase())) : values;
  const shown = open ? found.slice(0, 200) : found.filter((value, index) => index < SHORT || chosen.includes(value));
  return (
    <section className={styles.group} aria-label={t(`filters.${facet}`)}>
      <h3 className={styles.heading}>{t(`filters.${facet}`)}</h3>
      {open && values.length > 12 ? (
        <TextInput className={styles.needle} placeholder={t('filters.find')} aria-label={t('filters.find')} value={needle} onChange={(event) => setNeedle(event.target.value)} />
      ) : null}
      <ul>
        {shown.map((value) => (
          <li key={value} className={clsx(styles.option, !counts?.[value] && !chosen.includes(value) && styles.none)} title={facet === 'repo' ? value : undefined}>
            <Checkbox checked={chosen.includes(value)} onChange={() => onToggle(value)} label={<FacetLabel facet={facet} value={value} />} />
            <span className={styles.count}>{counts?.[value] ?? 0}</span>
          </li>
        ))}
      </ul>
      {values.length > SHORT && facet !== 'health' ? (
        <button type="button" className={styles.more} aria-expanded={open} onClick={() => setOpen(!open)}>
          {open ? t('filters.less') : t('filters.more', { count: values.length - SHORT })}
        </button>
      ) : null}
    </section>
  );
}

function valuesOf(facet: FacetName, counts: Record<string, number> | undefined, chosen: readonly string[]): string[] {
  if (facet === 'health') return [...HEALTH_STATUSES];
  if (facet === 'sync') return [...SYNC_STATUSES];
  const all = new Set([...Object.keys(counts ?? {}), ...chosen]);
  return [...all].filter(Boolean).sort((a, b) => (counts?.[b] ?? 0) - (counts?.[a] ?? 0) || a.localeCompare(b));
}

function FacetLabel({ facet, value }: { facet: FacetName; value: string }) {
  if (facet === 'health') return <Health status={value as HealthStatusCode} />;
  if (facet === 'sync') return <Sync status={value as SyncStatusCode} />;
  return <span className={styles.value}>{facet === 'repo' ? shortRepo(value) : value}</span>;
}
