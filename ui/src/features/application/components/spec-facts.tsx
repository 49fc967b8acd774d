import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import type { Application, ApplicationSource } from '@/api-types';
import { Chip } from '@/components/chip';
import { ExternalLink } from '@/components/external-link';
import { Ago } from '@/components/time';
import { clusterOf, isAutomated } from '@/lib/application';
import styles from './spec-view.module.css';

export function SpecFacts({ app }: { app: Application }) {
  const { t } = useTranslation();
  const { spec, status, metadata } = app;
  const sources = spec.sources?.length ? spec.sources : spec.source ? [spec.source] : [];
  const automated = spec.syncPolicy?.automated;
  const labels = Object.entries(metadata.labels ?? {});
  return (
    <section className={styles.facts} aria-label={t('spec.summary')}>
      <dl>
        <Fact name={t('create.project')}>{spec.project || 'default'}</Fact>
        {sources.map((source, index) => <SourceFacts key={index} source={source} title={sources.length > 1 ? `${t('create.source')} ${index + 1}` : t('create.source')} />)}
        <Fact name={t('create.destination')}>{clusterOf(app)} / {spec.destination.namespace ?? '–'}</Fact>
        <Fact name={t('create.policy')}>
          {isAutomated(app)
            ? [t('app.autoSync'), automated?.prune ? t('sync.prune') : '', automated?.selfHeal ? t('create.selfHeal') : ''].filter(Boolean).join(' · ')
            : t('app.manualSync')}
        </Fact>
        {spec.syncPolicy?.syncOptions?.length ? <Fact name={t('sync.options')}>{spec.syncPolicy.syncOptions.map((option) => <Chip key={option} mono>{option}</Chip>)}</Fact> : null}
        {spec.info?.map((info, index) => <Fact key={index} name={info.name}><ExternalLink href={info.value}>{info.value}</ExternalLink></Fact>)}
        {status?.summary?.images?.length ? <Fact name={t('resource.images')}>{status.summary.images.map((image) => <code key={image} className={styles.image}>{image}</code>)}</Fact> : null}
        {labels.length > 0 ? <Fact name={t('resource.labels')}>{labels.map(([key, value]) => <Chip key={key} mono>{key}={value}</Chip>)}</Fact> : null}
        <Fact name={t('resource.created')}><Ago at={metadata.creationTimestamp} /></Fact>
        <Fact name={t('app.reconciled')}><Ago at={status?.reconciledAt} /></Fact>
      </dl>
    </section>
  );
}

function SourceFacts({ source, title }: { source: ApplicationSource; title: string }) {
  const { t } = useTranslation();
  const parameters = source.helm?.parameters ?? [];
  return (
    <>
      <Fact name={title}><ExternalLink href={source.repoURL}>{source.repoURL}</ExternalLink></Fact>
      <Fact name={source.chart ? t('spec.chart') : t('create.path')}><code>{source.chart ?? source.path ?? '–'}</code> @ <code>{source.targetRevision ?? 'HEAD'}</code></Fact>
      {source.helm?.valueFiles?.length ? <Fact name={t('spec.valueFiles')}>{source.helm.valueFiles.map((file) => <code key={file} className={styles.image}>{file}</code>)}</Fact> : null}
      {parameters.length > 0 ? <Fact name={t('spec.parameters')}>{parameters.map((parameter) => <code key={parameter.name} className={styles.image}>{parameter.name}={parameter.value}</code>)}</Fact> : null}
      {source.kustomize?.images?.length ? <Fact name={t('resource.images')}>{source.kustomize.images.map((image) => <code key={image} className={styles.image}>{image}</code>)}</Fact> : null}
    </>
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
