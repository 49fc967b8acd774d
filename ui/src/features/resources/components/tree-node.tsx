import { Handle, Position, type Node, type NodeProps } from '@xyflow/react';
import clsx from 'clsx';
import { ChevronRight, ChevronsUpDown, CircleSlash } from 'lucide-react';
import { memo } from 'react';
import { useTranslation } from 'react-i18next';
import { KindIcon } from '@/components/kind-icon';
import { Health, healthLook, Sync, toneClass } from '@/components/status';
import { Ago } from '@/components/time';
import type { AppId } from '@/lib/application';
import { isRollout } from '@/lib/rollout';
import type { GraphNode } from '../graph';
import { RolloutNote } from './rollout-note';
import styles from './tree-node.module.css';

export type TreeNodeType = Node<
  {
    app: AppId;
    node: GraphNode;
    faded: boolean;
    collapsed: boolean;
    onToggle: () => void;
    onOpen: () => void;
  },
  'resource'
>;

/** The end of a name tells pods apart, so it is never cut. */
const TAIL = 6;
const SHOWN_INFO = new Set(['Revision', 'Containers', 'Status Reason', 'Restart Count']);

export const TreeNode = memo(function TreeNode({ data, selected }: NodeProps<TreeNodeType>) {
  const { t } = useTranslation();
  const { app, node, faded, collapsed, onToggle, onOpen } = data;
  const title = node.type === 'group' ? t('tree.group', { count: node.members, kind: node.ref.kind }) : node.ref.name;
  const label = [
    node.ref.kind,
    title,
    node.health ? t(`health.${node.health}`, { defaultValue: node.health }) : '',
    node.sync ? t(`sync.${node.sync}`, { defaultValue: node.sync }) : '',
  ];
  const folds = node.hasChildren && node.type !== 'application';
  return (
    <div className={clsx('nopan', styles.node, styles[node.type], selected && styles.selected, faded && styles.faded, node.health === 'Missing' && styles.missing, node.health ? toneClass(healthLook(node.health).tone) : undefined)}>
      <Handle type="target" position={Position.Left} isConnectable={false} className={styles.handle} />
      <div
        role="button"
        aria-pressed={selected}
        aria-label={label.filter(Boolean).join(' ')}
        tabIndex={0}
        data-node={node.id}
        className={styles.card}
        onClick={onOpen}
        onKeyDown={(event) => {
          if (event.key !== 'Enter' && event.key !== ' ') return;
          event.preventDefault();
          if (event.key === 'Enter') onOpen();
          else if (folds) onToggle();
        }}
      >
        <span className={styles.icon}><KindIcon kind={node.ref.kind} size={18} /></span>
        <span className={styles.text}>
          <span className={styles.kind}>
            <span className={styles.kindName}>{node.ref.kind}</span>
            {node.hook ? <span className={styles.tag}>hook</span> : null}
            {node.requiresPruning ? <CircleSlash size={11} className={styles.prune} aria-label={t('resource.notInGit')} /> : null}
            {node.type === 'object' && node.health !== 'Missing' && isRollout({ group: node.ref.group ?? '', kind: node.ref.kind }) ? <span className={styles.info}><RolloutNote id={app} target={node.ref} form="dense" /></span> : <Info node={node} />}
          </span>
          <span className={styles.name} title={node.healthMessage ? `${title}\n${node.healthMessage}` : title}>
            <span className={styles.start}>{title.slice(0, -TAIL)}</span>
            <span className={styles.tail}>{title.slice(-TAIL)}</span>
          </span>
        </span>
        <span className={styles.states}>
          {node.health ? <Health status={node.health} size={14} iconOnly /> : null}
          {node.sync ? <Sync status={node.sync} size={14} iconOnly /> : null}
        </span>
      </div>
      {folds ? (
        <button
          type="button"
          tabIndex={-1}
          className={clsx(styles.toggle, collapsed && styles.closed)}
          aria-expanded={!collapsed && node.type !== 'group'}
          aria-label={t(collapsed || node.type === 'group' ? 'tree.expand' : 'tree.collapse')}
          onClick={onToggle}
        >
          {node.type === 'group' ? <ChevronsUpDown size={12} /> : <ChevronRight size={12} />}
        </button>
      ) : null}
      <Handle type="source" position={Position.Right} isConnectable={false} className={styles.handle} />
    </div>
  );
});

function Info({ node }: { node: GraphNode }) {
  const facts = node.info.filter((info) => SHOWN_INFO.has(info.name) && !(info.name === 'Restart Count' && info.value === '0')).slice(0, 2);
  return (
    <span className={styles.info}>
      {facts.length > 0 ? facts.map((info) => info.value).join(' · ') : node.type === 'object' && node.createdAt ? <Ago at={node.createdAt} /> : null}
    </span>
  );
}
