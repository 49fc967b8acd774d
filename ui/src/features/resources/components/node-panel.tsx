import { Split, X } from 'lucide-react';
import { useTranslation } from 'react-i18next';
import type { Application } from '@/api-types';
import { Button, IconButton } from '@/components/button';
import { KindIcon } from '@/components/kind-icon';
import { Health, Sync } from '@/components/status';
import { Tabs, type Tab } from '@/components/tabs';
import { appId } from '@/lib/application';
import { groupKind } from '@/lib/resource-key';
import { isRollout } from '@/lib/rollout';
import { podsBelow, type GraphNode } from '../graph';
import type { PanelTab } from '../panel-tabs';
import { EventsView } from './events-view';
import { LogsTab } from './logs-tab';
import { LiveManifest } from './live-manifest';
import styles from './node-panel.module.css';
import { NodeMenu } from './node-menu';
import { NodeSummary } from './node-summary';
import { ObjectDiff } from './object-diff';
import { RolloutNote } from './rollout-note';

interface Props {
  app: Application;
  node: GraphNode;
  nodes: readonly GraphNode[];
  tab: PanelTab;
  onTab: (tab: PanelTab) => void;
  onSync: () => void;
  onOpenModel: () => void;
  onClose: () => void;
}

/** Everything about one object, beside the tree so that the tree stays in sight. */
export function NodePanel({ app, node, nodes, tab, onTab, onSync, onOpenModel, onClose }: Props) {
  const { t } = useTranslation();
  const id = appId(app);
  const pods = podsBelow(nodes, node.id);
  const managed = node.sync !== undefined;
  const tabs: Tab<PanelTab>[] = [
    { value: 'summary', label: t('panel.summary') },
    { value: 'manifest', label: t('panel.manifest') },
    ...(managed ? [{ value: 'diff' as const, label: t('panel.diff') }] : []),
    { value: 'events', label: t('panel.events') },
    ...(pods.length > 0 ? [{ value: 'logs' as const, label: t('panel.logs') }] : []),
  ];
  const shown = tabs.some((each) => each.value === tab) ? tab : 'summary';
  return (
    <aside className={styles.panel} aria-label={`${node.ref.kind} ${node.ref.name}`} onKeyDown={(event) => event.key === 'Escape' && !event.defaultPrevented && onClose()}>
      <header className={styles.header}>
        <KindIcon kind={node.ref.kind} size={20} className={styles.icon} />
        <div className={styles.names}>
          <p className={styles.kind}>{groupKind(node.ref)}{node.ref.namespace ? ` · ${node.ref.namespace}` : ''}</p>
          <h2 className={styles.name}>{node.ref.name}</h2>
        </div>
        <div className={styles.states}>
          {node.health ? <Health status={node.health} size={14} /> : null}
          {node.sync ? <Sync status={node.sync} size={14} /> : null}
        </div>
        <NodeMenu app={app} node={node} onSync={managed ? onSync : undefined} />
        <IconButton label={t('common.close')} onClick={onClose}><X /></IconButton>
      </header>
      {isRollout({ group: node.ref.group ?? '', kind: node.ref.kind }) && node.health !== 'Missing' ? (
        <div className={styles.rollout}>
          <RolloutNote id={id} target={node.ref} />
          <Button size="s" tone="primary" icon={<Split aria-hidden />} onClick={onOpenModel}>{t('rollout.openPage')}</Button>
        </div>
      ) : null}
      <Tabs value={shown} tabs={tabs} onChange={onTab} label={t('panel.title')}>
        {shown === 'summary' ? <NodeSummary node={node} /> : null}
        {shown === 'manifest' ? <LiveManifest id={id} node={node} /> : null}
        {shown === 'diff' ? <ObjectDiff id={id} node={node} /> : null}
        {shown === 'events' ? <EventsView id={id} target={node.ref} /> : null}
        {shown === 'logs' ? <LogsTab key={node.id} id={id} pods={pods} nodes={nodes} /> : null}
      </Tabs>
    </aside>
  );
}
