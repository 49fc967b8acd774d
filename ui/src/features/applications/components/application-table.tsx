import { useVirtualizer } from '@tanstack/react-virtual';
import { ArrowDown, ArrowUp } from 'lucide-react';
import { useCallback, useEffect, useRef, type Ref } from 'react';
import { useTranslation } from 'react-i18next';
import type { Application } from '@/api-types';
import { Checkbox } from '@/components/field';
import { appId, appKey } from '@/lib/application';
import { useRoving } from '@/lib/use-roving';
import type { ApplicationWindow } from '../hooks/use-application-window';
import type { ListSearch, SortKey } from '../search';
import { ApplicationRow } from './application-row';
import styles from './application-table.module.css';
import type { ListHandle } from './list-handle';
import { useListHandle } from './list-handle';

const ROW = 46;

interface Props {
  window: ApplicationWindow;
  search: ListSearch;
  selected: ReadonlySet<string>;
  onSelect: (keys: readonly string[], on: boolean) => void;
  onSort: (sort: SortKey, desc: boolean) => void;
  onOpen: (app: Application) => void;
  onEscape: () => void;
  handle: Ref<ListHandle>;
}

const COLUMNS: { id: string; sort?: SortKey }[] = [
  { id: 'name', sort: 'name' },
  { id: 'health', sort: 'health' },
  { id: 'sync', sort: 'sync' },
  { id: 'source' },
  { id: 'destination' },
  { id: 'activity', sort: 'activity' },
];

export function ApplicationTable({ window, search, selected, onSelect, onSort, onOpen, onEscape, handle }: Props) {
  const { t } = useTranslation();
  const scroller = useRef<HTMLDivElement>(null);
  const virtualizer = useVirtualizer({ count: window.total, getScrollElement: () => scroller.current, estimateSize: () => ROW, overscan: 12 });
  const scrollTo = useCallback((index: number) => virtualizer.scrollToIndex(index, { align: 'auto' }), [virtualizer]);
  const roving = useRoving({
    count: window.total,
    scrollTo,
    onOpen: (index) => {
      const app = window.itemAt(index);
      if (app) onOpen(app);
    },
    onEscape,
  });
  useListHandle(handle, roving.focus);

  const rows = virtualizer.getVirtualItems();
  const first = rows[0]?.index ?? 0;
  const last = rows.at(-1)?.index ?? 0;
  const { show } = window;
  useEffect(() => show(first, last), [show, first, last]);

  const loaded = rows.flatMap((row) => window.itemAt(row.index) ?? []).map((app) => appKey(appId(app)));
  const marked = loaded.filter((key) => selected.has(key)).length;
  return (
    <div ref={scroller} className={styles.scroller}>
      <div role="grid" aria-label={t('applications.title')} aria-rowcount={window.total + 1} className={styles.grid} onKeyDown={roving.onKeyDown} ref={roving.container}>
        <div role="row" className={styles.head}>
          <span role="columnheader" className={styles.check}>
            <Checkbox
              labelHidden
              label={t('applications.selectVisible')}
              checked={marked === 0 ? false : marked === loaded.length ? true : 'indeterminate'}
              onChange={(on) => onSelect(loaded, on)}
            />
          </span>
          {COLUMNS.map(({ id, sort }) => (
            <HeadCell key={id} id={id} sort={sort} search={search} onSort={onSort} />
          ))}
        </div>
        <div role="rowgroup" className={styles.body} style={{ height: virtualizer.getTotalSize() }}>
          {rows.map((row) => {
            const app = window.itemAt(row.index);
            const key = app ? appKey(appId(app)) : '';
            return (
              <ApplicationRow
                key={row.key}
                app={app}
                index={row.index}
                top={row.start}
                focusable={roving.active === row.index}
                selected={selected.has(key)}
                onSelect={(on) => onSelect([key], on)}
                onFocus={() => roving.setActive(row.index)}
                onOpen={onOpen}
              />
            );
          })}
        </div>
      </div>
    </div>
  );
}

function HeadCell({ id, sort, search, onSort }: { id: string; sort?: SortKey; search: ListSearch; onSort: Props['onSort'] }) {
  const { t } = useTranslation();
  const label = t(`applications.column.${id}` as 'applications.column.name');
  const current = search.sort ?? 'name';
  if (!sort) return <span role="columnheader" className={styles.th}>{label}</span>;
  const active = sort === current;
  const Arrow = search.desc ? ArrowDown : ArrowUp;
  return (
    <span role="columnheader" className={styles.th} aria-sort={active ? (search.desc ? 'descending' : 'ascending') : 'none'}>
      <button type="button" className={styles.sort} onClick={() => onSort(sort, active ? !search.desc : false)}>
        {label}
        {active ? <Arrow aria-hidden size={12} /> : null}
      </button>
    </span>
  );
}
