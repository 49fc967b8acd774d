import { useQuery } from '@tanstack/react-query';
import clsx from 'clsx';
import { ScrollText } from 'lucide-react';
import { useTranslation } from 'react-i18next';
import type { KubernetesEvent, ResourceRef } from '@/api-types';
import { Empty, ErrorPanel, Skeleton } from '@/components/empty';
import { Ago } from '@/components/time';
import type { AppId } from '@/lib/application';
import { eventsQuery } from '../api/resources';
import styles from './events-view.module.css';

export function lastSeen(event: KubernetesEvent): string | undefined {
  return event.series?.lastObservedTime ?? event.lastTimestamp ?? event.eventTime ?? event.firstTimestamp ?? event.metadata.creationTimestamp;
}

/** What Kubernetes and the controller have to say, latest first: of one object, or of the application itself. */
export function EventsView({ id, target }: { id: AppId; target?: ResourceRef }) {
  const { t } = useTranslation();
  const query = useQuery(eventsQuery(id, target));
  if (query.isPending) return <Skeleton lines={6} />;
  if (query.isError && !query.data) return <ErrorPanel error={query.error} onRetry={() => void query.refetch()} />;
  const events = [...(query.data.items ?? [])].sort((a, b) => Date.parse(lastSeen(b) ?? '') - Date.parse(lastSeen(a) ?? ''));
  if (events.length === 0) return <Empty icon={<ScrollText aria-hidden />} title={t('events.none')}>{t('events.noneHint')}</Empty>;
  return (
    <ul className={styles.list} aria-label={t('panel.events')}>
      {events.map((event) => {
        const count = event.series?.count ?? event.count ?? 1;
        return (
          <li key={event.metadata.uid ?? event.metadata.name} className={styles.event}>
            <span aria-hidden className={clsx(styles.dot, event.type === 'Warning' && styles.warning)} />
            <div className={styles.text}>
              <p className={styles.line}>
                <span className={styles.reason}>{event.reason}</span>
                {event.type === 'Warning' ? <span className={styles.warningText}>{t('events.warning')}</span> : null}
                {count > 1 ? <span className={styles.faint}>×{count}</span> : null}
              </p>
              <p className={styles.message}>{event.message}</p>
              <p className={styles.faint}>{[event.source?.component || event.reportingComponent, target ? '' : event.involvedObject?.kind && `${event.involvedObject.kind}/${event.involvedObject.name ?? ''}`].filter(Boolean).join(' · ')}</p>
            </div>
            <Ago at={lastSeen(event)} className={styles.time} />
          </li>
        );
      })}
    </ul>
  );
}
