import { LayoutGrid, ListFilter, Plus, Rows3 } from 'lucide-react';
import { useCallback, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { Application, FacetName } from '@/api-types';
import { Button, IconButton } from '@/components/button';
import { Empty, ErrorPanel, Skeleton } from '@/components/empty';
import { Segmented } from '@/components/segmented';
import { StreamIndicator } from '@/components/stream-indicator';
import { readPreference, writePreference } from '@/lib/storage';
import { useApplicationStream } from '../hooks/use-application-stream';
import { useApplicationWindow } from '../hooks/use-application-window';
import { hasFilter, toggleFacet, withoutFilter, type ListSearch } from '../search';
import styles from './application-list.module.css';
import { ApplicationTable } from './application-table';
import { ApplicationTiles } from './application-tiles';
import { BulkBar } from './bulk-bar';
import { FilterRail } from './filter-rail';
import { HealthBar } from './health-bar';
import type { ListHandle } from './list-handle';
import { SearchBox } from './search-box';

interface Props {
  search: ListSearch;
  /** Puts a new wish into the address; typing replaces the history entry, choosing adds one. */
  onSearch: (next: ListSearch, replace?: boolean) => void;
  onOpen: (app: Application) => void;
}

export function ApplicationList({ search, onSearch, onOpen }: Props) {
  const { t } = useTranslation();
  const list = useApplicationWindow(search);
  const stream = useApplicationStream(list.mode, list.resourceVersion);
  const handle = useRef<ListHandle>(null);
  const searchBox = useRef<HTMLInputElement>(null);
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const [rail, setRail] = useState(() => readPreference('rail') !== 'closed');

  const select = useCallback((keys: readonly string[], on: boolean) => {
    setSelected((now) => {
      const next = new Set(now);
      for (const key of keys) {
        if (on) next.add(key);
        else next.delete(key);
      }
      return next;
    });
  }, []);
  const toggle = (facet: FacetName, value: string) => onSearch(toggleFacet(search, facet, value));
  const clear = () => onSearch(withoutFilter(search));
  const escape = () => searchBox.current?.focus();
  const view = search.view ?? 'table';

  return (
    <div className={styles.page}>
      <header className={styles.toolbar}>
        <IconButton
          label={t(rail ? 'filters.hide' : 'filters.show')}
          aria-pressed={rail}
          onClick={() => {
            setRail(!rail);
            writePreference('rail', rail ? 'closed' : 'open');
          }}
        >
          <ListFilter />
        </IconButton>
        <h1 className={styles.title}>{t('applications.title')}</h1>
        <span className={styles.total} aria-live="polite">{list.status === 'ready' ? list.total.toLocaleString() : ''}</span>
        <SearchBox ref={searchBox} value={search.q ?? ''} onChange={(q) => onSearch({ ...search, q: q || undefined }, true)} onDown={() => handle.current?.focusFirst()} />
        <StreamIndicator state={stream} />
        <Segmented
          label={t('applications.view')}
          iconOnly
          value={view}
          onChange={(next) => onSearch({ ...search, view: next === 'tiles' ? 'tiles' : undefined })}
          options={[
            { value: 'table', label: t('applications.table'), icon: <Rows3 aria-hidden /> },
            { value: 'tiles', label: t('applications.tiles'), icon: <LayoutGrid aria-hidden /> },
          ]}
        />
        <Button tone="primary" icon={<Plus aria-hidden />} onClick={() => onSearch({ ...search, create: true })}>{t('applications.new')}</Button>
      </header>
      <HealthBar counts={list.facets.health} chosen={search.health ?? []} onToggle={(value) => toggle('health', value)} />
      <div className={styles.main}>
        {rail ? <FilterRail search={search} facets={list.facets} onToggle={toggle} onClear={clear} /> : null}
        <section className={styles.content} aria-busy={list.stale || list.status === 'pending'} data-stale={list.stale || undefined}>
          {list.status === 'pending' ? <Skeleton lines={12} /> : null}
          {list.status === 'error' ? <ErrorPanel title={t('applications.loadFailed')} error={list.error} onRetry={list.retry} /> : null}
          {list.status === 'ready' && list.total === 0 ? <Nothing filtered={hasFilter(search)} onClear={clear} onNew={() => onSearch({ ...search, create: true })} /> : null}
          {list.status === 'ready' && list.total > 0 ? (
            view === 'tiles' ? (
              <ApplicationTiles window={list} onOpen={onOpen} onEscape={escape} handle={handle} />
            ) : (
              <ApplicationTable
                window={list}
                search={search}
                selected={selected}
                onSelect={select}
                onSort={(sort, desc) => onSearch({ ...search, sort: sort === 'name' ? undefined : sort, desc: desc || undefined }, true)}
                onOpen={onOpen}
                onEscape={escape}
                handle={handle}
              />
            )
          ) : null}
        </section>
      </div>
      {selected.size > 0 ? <BulkBar selected={selected} onClear={() => setSelected(new Set())} /> : null}
    </div>
  );
}

function Nothing({ filtered, onClear, onNew }: { filtered: boolean; onClear: () => void; onNew: () => void }) {
  const { t } = useTranslation();
  return filtered ? (
    <Empty title={t('applications.noMatch')} action={<Button onClick={onClear}>{t('filters.clear')}</Button>}>{t('applications.noMatchHint')}</Empty>
  ) : (
    <Empty title={t('applications.none')} action={<Button tone="primary" onClick={onNew}>{t('applications.new')}</Button>}>{t('applications.noneHint')}</Empty>
  );
}
