import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { ExternalLink } from '@/components/external-link';
import { Health, Sync } from '@/components/status';
import { absoluteTime, titledLink } from '@/lib/format';
import { Ago } from '@/components/time';
import type { GraphNode } from '../graph';
import styles from './node-panel.module.css';

export function NodeSummary({ node }: { node: GraphNode }) {
  const { t, i18n } = useTranslation();
  const { ref } = node;
  return (
    <div className={styles.facts}>
      {node.healthMessage ? <p className={styles.message}>{node.healthMessage}</p> : null}
      {node.requiresPruning ? <p className={styles.message}>{t('resource.notInGitHint')}</p> : null}
      {node.orphaned ? <p className={styles.message}>{t('resource.orphanedHint')}</p> : null}
      <dl>
        <Fact name={t('resource.kind')}>{ref.kind}</Fact>
        <Fact name={t('resource.apiVersion')}>{[ref.group, ref.version].filter(Boolean).join('/') || 'v1'}</Fact>
        <Fact name={t('resource.name')}><code>{ref.name}</code></Fact>
        {ref.namespace ? <Fact name={t('resource.namespace')}><code>{ref.namespace}</code></Fact> : null}
        {node.sync ? <Fact name={t('resource.sync')}><Sync status={node.sync} /></Fact> : null}
        {node.health ? <Fact name={t('resource.health')}><Health status={node.health} /></Fact> : null}
        {node.createdAt ? <Fact name={t('resource.created')}><span>{absoluteTime(node.createdAt, i18n.language)} (<Ago at={node.createdAt} />)</span></Fact> : null}
        {node.info.map((info) => <Fact key={info.name} name={info.name}>{info.value}</Fact>)}
        {node.images.length > 0 ? <Fact name={t('resource.images')}>{node.images.map((image) => <code key={image} className={styles.block}>{image}</code>)}</Fact> : null}
        {node.externalUrls.length > 0 ? <Fact name={t('resource.links')}>{node.externalUrls.map((url) => <ExternalLink key={url} href={titledLink(url)?.href}>{titledLink(url)?.title ?? url}</ExternalLink>)}</Fact> : null}
      </dl>
    </div>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div className={styles.fact}>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}
