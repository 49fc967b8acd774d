import {
  Background, BackgroundVariant, Panel, Position, ReactFlow, ReactFlowProvider, useReactFlow, type Edge, type NodeTypes,
} from '@xyflow/react';
import '@xyflow/react/dist/base.css';
import { Group, Maximize, ZoomIn, ZoomOut } from 'lucide-react';
import { useEffect, useMemo, useRef, useState, type KeyboardEvent } from 'react';
import { useTranslation } from 'react-i18next';
import type { Application } from '@/api-types';
import { IconButton } from '@/components/button';
import { Empty } from '@/components/empty';
import { appId, type AppId } from '@/lib/application';
import { filterGraph, foldGraph, type GraphNode } from '../graph';
import { layoutTree, neighbour, NODE, type Direction } from '../layout';
import { TreeNode, type TreeNodeType } from './tree-node';
import styles from './tree-view.module.css';

const NOT_YET = Symbol('not yet');
const NODE_TYPES: NodeTypes = { resource: TreeNode };

// Known beforehand, so that React Flow need not draw a node to find out, and can leave out what is not in view.
const HANDLES: NonNullable<TreeNodeType['handles']> = [
  { type: 'target', position: Position.Left, x: 0, y: NODE.height / 2, width: 1, height: 1 },
  { type: 'source', position: Position.Right, x: NODE.width, y: NODE.height / 2, width: 1, height: 1 },
];

interface Props {
  app: Application;
  nodes: readonly GraphNode[];
  selected: string | undefined;
  /** What to show: only what matches and what it hangs from; undefined for everything. */
  matches: ((node: GraphNode) => boolean) | undefined;
  onSelect: (id: string | undefined) => void;
}

export default function TreeView(props: Props) {
  return (
    <ReactFlowProvider>
      <Tree {...props} />
    </ReactFlowProvider>
  );
}

function Tree({ app, nodes, selected, matches, onSelect }: Props) {
  const { t } = useTranslation();
  const [collapsed, setCollapsed] = useState<ReadonlySet<string>>(new Set());
  const [expanded, setExpanded] = useState<ReadonlySet<string>>(new Set());
  const left = useMemo(() => (matches ? filterGraph(nodes, matches) : nodes), [nodes, matches]);
  const shown = useMemo(() => foldGraph(left, { collapsed, expanded }), [left, collapsed, expanded]);
  const places = useMemo(() => layoutTree(shown), [shown]);
  const canvas = useRef<HTMLDivElement>(null);
  const { namespace, name } = appId(app);
  const id = useMemo<AppId>(() => ({ namespace, name }), [namespace, name]);

  const flowNodes = useMemo<TreeNodeType[]>(
    () =>
      shown.map((node) => ({
        id: node.id,
        type: 'resource',
        position: places.get(node.id) ?? { x: 0, y: 0 },
        width: NODE.width,
        height: NODE.height,
        handles: HANDLES,
        // The card inside is the thing to focus, not React Flow's wrapper around it.
        focusable: false,
        selected: node.id === selected,
        data: {
          app: id,
          node,
          faded: matches !== undefined && node.type !== 'group' && !matches(node),
          collapsed: collapsed.has(node.id),
          onToggle: () => (node.type === 'group' ? setExpanded((now) => toggled(now, node.id)) : setCollapsed((now) => toggled(now, node.id))),
          onOpen: () => (node.type === 'group' ? setExpanded((now) => toggled(now, node.id)) : onSelect(node.id)),
        },
      })),
    [id, shown, places, selected, matches, collapsed, onSelect],
  );
  const edges = useMemo<Edge[]>(
    () =>
      shown.flatMap((node) =>
        node.parent === undefined ? [] : [{ id: `${node.parent}>${node.id}`, source: node.parent, target: node.id, type: 'smoothstep', focusable: false, className: styles.edge, pathOptions: { borderRadius: 10 } }],
      ),
    [shown],
  );
  useFit(shown.length, matches);
  const onKeyDown = (event: KeyboardEvent<HTMLDivElement>) => {
    if (event.key === 'Escape') onSelect(undefined);
    if (!/^Arrow(Up|Down|Left|Right)$/.test(event.key)) return;
    const from = (event.target as HTMLElement).closest<HTMLElement>('[data-node]')?.dataset.node;
    const to = from && neighbour(shown, places, from, event.key as Direction);
    if (!to) return;
    event.preventDefault();
    canvas.current?.querySelector<HTMLElement>(`[data-node="${CSS.escape(to)}"]`)?.focus();
  };
  if (shown.length === 0) return <Empty title={t('tree.noMatch')} />;
  return (
    <div ref={canvas} className={styles.canvas} onKeyDown={onKeyDown} role="group" aria-label={t('tree.title')}>
      <ReactFlow
        nodes={flowNodes}
        edges={edges}
        nodeTypes={NODE_TYPES}
        nodesDraggable={false}
        nodesConnectable={false}
        edgesFocusable={false}
        disableKeyboardA11y
        onlyRenderVisibleElements={shown.length > 150}
        minZoom={0.1}
        maxZoom={1.6}
        panOnScroll
        zoomOnDoubleClick={false}
        onPaneClick={() => onSelect(undefined)}
      >
        <Background variant={BackgroundVariant.Dots} gap={18} size={1.2} className={styles.dots} />
        <Panel position="bottom-left"><Zoom onRegroup={expanded.size > 0 ? () => setExpanded(new Set()) : undefined} /></Panel>
      </ReactFlow>
    </div>
  );
}

function toggled(set: ReadonlySet<string>, id: string): ReadonlySet<string> {
  const next = new Set(set);
  if (!next.delete(id)) next.add(id);
  return next;
}

/** Brings the tree into view when it first has nodes and when the filter changes; other changes leave the view alone. */
function useFit(count: number, filter: unknown): void {
  const flow = useReactFlow();
  const fitted = useRef<unknown>(NOT_YET);
  useEffect(() => {
    if (fitted.current === filter || count < 2) return;
    const frame = requestAnimationFrame(() => {
      fitted.current = filter;
      void flow.fitView({ padding: 0.08, maxZoom: 1, minZoom: 0.45 });
    });
    return () => cancelAnimationFrame(frame);
  }, [count, filter, flow]);
}

function Zoom({ onRegroup }: { onRegroup: (() => void) | undefined }) {
  const { t } = useTranslation();
  const flow = useReactFlow();
  return (
    <div className={styles.zoom}>
      {onRegroup ? <IconButton label={t('tree.regroup')} onClick={onRegroup}><Group /></IconButton> : null}
      <IconButton label={t('tree.zoomIn')} onClick={() => void flow.zoomIn({ duration: 120 })}><ZoomIn /></IconButton>
      <IconButton label={t('tree.zoomOut')} onClick={() => void flow.zoomOut({ duration: 120 })}><ZoomOut /></IconButton>
      <IconButton label={t('tree.fit')} onClick={() => void flow.fitView({ padding: 0.08, maxZoom: 1, duration: 200 })}><Maximize /></IconButton>
    </div>
  );
}
