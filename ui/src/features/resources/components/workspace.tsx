import { CircleHelp, List, Network } from 'lucide-react';
import { lazy, Suspense, useCallback, useRef, useState, type ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import type { Application, HealthStatusCode } from '@/api-types';
import { Empty, ErrorPanel, Skeleton } from '@/components/empty';
import { Select, TextInput } from '@/components/field';
import { Segmented } from '@/components/segmented';
import { syncOf } from '@/lib/application';
import { isNarrow, readPreference, writePreference } from '@/lib/storage';
import { useHotkey } from '@/lib/use-hotkey';
import { ROOT, type GraphNode } from '../graph';
import { useTree } from '../hooks/use-tree';
import type { PanelTab } from '../panel-tabs';
import { NodePanel } from './node-panel';
import { ResizablePanel } from './resizable-panel';
import styles from './workspace.module.css';

const TreeView = lazy(() => import('./tree-view'));
const ObjectList = lazy(() => import('./object-list').then((module) => ({ default: module.ObjectList })));

export type TreeMode = 'tree' | 'list';

interface Props {
  app: Application;
  mode: TreeMode;
  onMode: (mode: TreeMode) => void;
  selected: string | undefined;
  tab: PanelTab;
  onSelect: (id: string | undefined) => void;
  onTab: (tab: PanelTab) => void;
  onSync: (key: string) => void;
  /** Shows the page of a rollout. */
  onOpenModel: (key: string) => void;
}

const STATES = ['Degraded', 'Missing', 'Progressing', 'Suspended', 'Healthy', 'OutOfSync'] as const;

/** The objects of an application, as tree or list, with the chosen one beside them. */
export function Workspace({ app, mode, onMode, selected, tab, onSelect, onTab, onSync, onOpenModel }: Props) {
  const { t } = useTranslation();
  const { nodes, isPending, error, retry } = useTree(app);
  const [text, setText] = useState('');
  const [state, setState] = useState('');
  const filter = useRef<HTMLInputElement>(null);
  useHotkey('/', (event) => {
    event.preventDefault();
    filter.current?.focus();
  });
  const matches = useCallback((node: GraphNode) => matchesFilter(node, text, state), [text, state]);
  const select = useCallback((id: string | undefined) => onSelect(id === ROOT ? undefined : id), [onSelect]);
  const node = nodes.find((each) => each.id === selected && each.id !== ROOT);

  let main: ReactNode;
  if (isPending && nodes.length <= 1) main = <Skeleton lines={8} />;
  else if (error) main = <ErrorPanel error={error} onRetry={retry} />;
  else if (nodes.length <= 1 && syncOf(app) === 'Unknown') main = <Empty icon={<CircleHelp aria-hidden />} title={t('tree.unknown')}>{t('tree.unknownHint')}</Empty>;
  else if (nodes.length <= 1) main = <Empty title={t('tree.empty')}>{t('tree.emptyHint')}</Empty>;
  else if (mode === 'list') main = <ObjectList app={app} nodes={nodes} selected={selected} matches={matches} onSelect={select} />;
  else main = <TreeView app={app} nodes={nodes} selected={selected} matches={text || state ? matches : undefined} onSelect={select} />;

  return (
    <div className={styles.workspace}>
      <div className={styles.main}>
        <div className={styles.bar}>
          <Segmented
            label={t('tree.view')}
            value={mode}
            onChange={(next) => {
              writePreference('tree', next);
              onMode(next);
            }}
            options={[
              { value: 'tree', label: t('tree.tree'), icon: <Network aria-hidden /> },
              { value: 'list', label: t('tree.list'), icon: <List aria-hidden /> },
            ]}
          />
          <TextInput ref={filter} className={styles.filter} aria-keyshortcuts="/" placeholder={t('tree.filter')} aria-label={t('tree.filter')} value={text} onChange={(event) => setText(event.target.value)} onKeyDown={(event) => event.key === 'Escape' && (text ? setText('') : event.currentTarget.blur())} />
          <Select aria-label={t('tree.state')} value={state} onChange={(event) => setState(event.target.value)}>
            <option value="">{t('tree.anyState')}</option>
            {STATES.map((each) => <option key={each} value={each}>{each === 'OutOfSync' ? t('sync.OutOfSync') : t(`health.${each}`)}</option>)}
          </Select>
          <span className={styles.count}>{t('tree.count', { count: Math.max(0, nodes.length - 1) })}</span>
        </div>
        <Suspense fallback={<Skeleton lines={8} />}>{main}</Suspense>
      </div>
      {node ? (
        <ResizablePanel>
          <NodePanel app={app} node={node} nodes={nodes} tab={tab} onTab={onTab} onSync={() => onSync(node.id)} onOpenModel={() => onOpenModel(node.id)} onClose={() => onSelect(undefined)} />
        </ResizablePanel>
      ) : null}
    </div>
  );
}

export function preferredMode(): TreeMode {
  const preference = readPreference('tree') ?? (isNarrow() ? 'list' : 'tree');
  return preference === 'list' ? 'list' : 'tree';
}

export function matchesFilter(node: GraphNode, text: string, state: string): boolean {
  const words = `${node.ref.kind}/${node.ref.name} ${node.ref.namespace ?? ''}`.toLowerCase();
  if (text && !words.includes(text.trim().toLowerCase())) return false;
  if (!state) return true;
  return state === 'OutOfSync' ? node.sync === 'OutOfSync' : node.health === (state as HealthStatusCode);
}
