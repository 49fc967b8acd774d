import { useVirtualizer } from '@tanstack/react-virtual';
import { Link } from '@tanstack/react-router';
import clsx from 'clsx';
import { FolderGit2, GitBranch, Server, TriangleAlert, Zap } from 'lucide-react';
import { memo, useCallback, useEffect, useRef, useState, type Ref } from 'react';
import { useTranslation } from 'react-i18next';
import type { Application } from '@/api-types';
import { Health, healthLook, Phase, Sync, toneClass } from '@/components/status';
import { Ago } from '@/components/time';
import { clusterOf, healthOf, isAutomated, isOperating, lastActivityOf, revisionOf, severityOf, sourceOf, syncOf } from '@/lib/application';
import { shortRepo, shortRevision } from '@/lib/format';
import { useRoving } from '@/lib/use-roving';
import type { ApplicationWindow } from '../hooks/use-application-window';
import styles from './application-tiles.module.css';
import { useListHandle, type ListHandle } from './list-handle';

const MIN_WIDTH = 280;
const ROW = 136;

interface Props {
  window: ApplicationWindow;
  onOpen: (app: Application) => void;
  onEscape: () => void;
  handle: Ref<ListHandle>;
}

export function ApplicationTiles({ window, onOpen, onEscape, handle }: Props) {
  const { t } = useTranslation();
  const scroller = useRef<HTMLDivElement>(null);
  const columns = useColumns(scroller);
  const virtualizer = useVirtualizer({ count: Math.ceil(window.total / columns), getScrollElement: () => scroller.current, estimateSize: () => ROW, overscan: 4 });
  const scrollTo = useCallback((index: number) => virtualizer.scrollToIndex(Math.floor(index / columns), { align: 'auto' }), [virtualizer, columns]);
  const roving = useRoving({
    count: window.total,
    columns,
    scrollTo,
    onOpen: (index) => {
      const app = window.itemAt(index);
      if (app) onOpen(app);
    },
    onEscape,
  });
  useListHandle(handle, roving.focus);
  const rows = virtualizer.getVirtualItems();
  const first = (rows[0]?.index ?? 0) * columns;
  const last = ((rows.at(-1)?.index ?? 0) + 1) * columns - 1;
  const { show } = window;
  useEffect(() => show(first, last), [show, first, last]);
  return (
    <div ref={scroller} className={styles.scroller}>
      <div ref={roving.container} role="list" aria-label={t('applications.title')} className={styles.canvas} style={{ height: virtualizer.getTotalSize() }} onKeyDown={roving.onKeyDown}>
        {rows.map((row) => (
          <div key={row.key} role="presentation" className={styles.row} style={{ transform: `translateY(${row.start}px)`, gridTemplateColumns: `repeat(${columns}, 1fr)` }}>
            {Array.from({ length: Math.min(columns, window.total - row.index * columns) }, (_, column) => {
              const index = row.index * columns + column;
              return (
                <Tile key={index} app={window.itemAt(index)} index={index} focusable={roving.active === index} onFocus={() => roving.setActive(index)} />
              );
            })}
          </div>
        ))}
      </div>
    </div>
  );
}

function useColumns(scroller: React.RefObject<HTMLDivElement | null>): number {
  const [columns, setColumns] = useState(3);
  useEffect(() => {
    const element = scroller.current;
    if (!element) return;
    const observer = new ResizeObserver(() => setColumns(Math.max(1, Math.floor((element.clientWidth - 16) / MIN_WIDTH))));
    observer.observe(element);
    return () => observer.disconnect();
  }, [scroller]);
  return columns;
}

interface TileProps {
  app: Application | undefined;
  index: number;
  focusable: boolean;
  onFocus: () => void;
}

const Tile = memo(
  function Tile({ app, index, focusable, onFocus }: TileProps) {
    const { t } = useTranslation();
    if (!app) return <div className={clsx(styles.tile, styles.ghost)} aria-busy />;
    const source = sourceOf(app);
    const health = healthOf(app);
    const problem = app.status?.conditions?.find((condition) => severityOf(condition) === 'error');
    return (
      <div role="listitem" className={styles.item}>
        <Link
          to="/applications/$namespace/$name"
          params={{ namespace: app.metadata.namespace ?? '', name: app.metadata.name }}
          className={clsx(styles.tile, toneClass(healthLook(health).tone))}
          data-index={index}
          tabIndex={focusable ? 0 : -1}
          onFocus={onFocus}
        >
          <span className={styles.head}>
            <span className={styles.name}>{app.metadata.name}</span>
            {problem ? <TriangleAlert size={14} className={styles.problem} aria-label={problem.type} /> : null}
            {isAutomated(app) ? <Zap size={13} className={styles.auto} aria-label={t('app.autoSync')} /> : null}
          </span>
          <span className={styles.states}>
            <Health status={health} />
            {isOperating(app) ? <Phase phase="Running" /> : <Sync status={syncOf(app)} />}
          </span>
          <span className={styles.fact}><GitBranch aria-hidden size={12} /><span className={styles.cut}>{source ? shortRepo(source.repoURL) : '–'} <span className={styles.mono}>{shortRevision(revisionOf(app))}</span></span></span>
          <span className={styles.fact}><FolderGit2 aria-hidden size={12} /><span className={styles.cut}>{source?.chart ?? source?.path ?? '–'} @ {source?.targetRevision ?? 'HEAD'}</span></span>
          <span className={styles.fact}><Server aria-hidden size={12} /><span className={styles.cut}>{clusterOf(app)} / {app.spec.destination.namespace ?? '–'}</span><Ago at={lastActivityOf(app)} className={styles.time} /></span>
        </Link>
      </div>
    );
  },
  (a, b) => a.app === b.app && a.index === b.index && a.focusable === b.focusable,
);
