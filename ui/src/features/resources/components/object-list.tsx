import { useVirtualizer } from '@tanstack/react-virtual';
import clsx from 'clsx';
import { useCallback, useMemo, useRef } from 'react';
import { useTranslation } from 'react-i18next';
import type { Application } from '@/api-types';
import { Empty } from '@/components/empty';
import { KindIcon } from '@/components/kind-icon';
import { Health, Sync } from '@/components/status';
import { Ago } from '@/components/time';
import { appId } from '@/lib/application';
import { isRollout } from '@/lib/rollout';
import { useRoving } from '@/lib/use-roving';
import { ROOT, type GraphNode } from '../graph';
import styles from './object-list.module.css';
import { RolloutNote } from './rollout-note';

const ROW = 34;

interface Props {
  app: Application;
  nodes: readonly GraphNode[];
  selected: string | undefined;
  matches: (node: GraphNode) => boolean;
  onSelect: (id: string | undefined) => void;
}

/** The same objects as the tree, as a table: for many of them, and for reading by ear. */
export function ObjectList({ app, nodes, selected, matches, onSelect }: Props) {
  const { t } = useTranslation();
  const scroller = useRef<HTMLDivElement>(null);
  const rows = useMemo(() => nodes.filter((node) => node.id !== ROOT && matches(node)), [nodes, matches]);
  const virtualizer = useVirtualizer({ count: rows.length, getScrollElement: () => scroller.current, estimateSize: () => ROW, overscan: 20 });
  const scrollTo = useCallback((index: number) => virtualizer.scrollToIndex(index, { align: 'auto' }), [virtualizer]);
  const roving = useRoving({ count: rows.length, scrollTo, onOpen: (index) => onSelect(rows[index]?.id), onEscape: () => onSelect(undefined) });
  if (rows.length === 0) return <Empty title={t('tree.noMatch')} />;
  return (
    <div ref={scroller} className={styles.scroller}>
      <div ref={roving.container} role="grid" aria-label={t('tree.list')} aria-rowcount={rows.length + 1} className={styles.grid} onKeyDown={roving.onKeyDown}>
        <div role="row" className={styles.head}>
          {(['kind', 'name', 'namespace', 'sync', 'health', 'wave', 'created'] as const).map((column) => <span key={column} role="columnheader">{t(`resource.${column}`)}</span>)}
        </div>
        <div role="rowgroup" className={styles.body} style={{ height: virtualizer.getTotalSize() }}>
          {virtualizer.getVirtualItems().map((item) => {
            const node = rows[item.index];
            if (!node) return null;
            return (
              <div
                key={node.id}
                role="row"
                aria-rowindex={item.index + 2}
                aria-selected={node.id === selected}
                data-index={item.index}
                tabIndex={roving.active === item.index ? 0 : -1}
                className={clsx(styles.row, node.id === selected && styles.selected)}
                style={{ transform: `translateY(${item.start}px)` }}
                onFocus={() => roving.setActive(item.index)}
                onClick={() => onSelect(node.id)}
              >
                <span role="gridcell" className={styles.kind}><KindIcon kind={node.ref.kind} size={15} /><span>{node.ref.kind}</span></span>
                <span role="gridcell" className={styles.name} title={node.ref.name}>{node.ref.name}</span>
                <span role="gridcell" className={styles.dim}>{node.ref.namespace}</span>
                <span role="gridcell">{node.sync ? <Sync status={node.sync} size={14} /> : null}</span>
                <span role="gridcell" className={styles.health}>{node.health ? <Health status={node.health} size={14} /> : null}<span className={styles.dim} title={node.healthMessage}>{node.healthMessage}</span></span>
                <span role="gridcell" className={styles.dim}>
                  {node.hook ? 'hook' : ''}{node.requiresPruning ? t('resource.notInGit') : ''}
                  {isRollout({ group: node.ref.group ?? '', kind: node.ref.kind }) && node.health !== 'Missing' ? <RolloutNote id={appId(app)} target={node.ref} form="short" /> : null}
                </span>
                <span role="gridcell" className={styles.dim}><Ago at={node.createdAt} /></span>
              </div>
            );
          })}
        </div>
      </div>
    </div>
  );
}
