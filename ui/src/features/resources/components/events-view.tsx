import { useQuery, useQueryClient } from '@tanstack/react-query';
import clsx from 'clsx';
import { ScrollText } from 'lucide-react';
import { useTranslation } from 'react-i18next';
import type { EventList, KubernetesEvent, ResourceRef } from '@/api-types';
import { Empty, ErrorPanel, Skeleton } from '@/components/empty';
import { Ago } from '@/components/time';
import type { AppId } from '@/lib/application';
import { useStream } from '@/lib/use-stream';
import { eventsParams, eventsQuery, eventsStreamPath } from '../api/resources';
import styles from './events-view.module.css';

const POLL_MS = 10_000;

export function lastSeen(event: KubernetesEvent): string | undefined {
  return event.series?.lastObservedTime ?? event.lastTimestamp ?? event.eventTime ?? event.firstTimestamp ?? event.metadata.creationTimestamp;
}

/** What Kubernetes and the controller have to say, latest first: of one object, or of the application itself. */
export function EventsView({ id, target }: { id: AppId; target?: ResourceRef }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const { queryKey } = eventsQuery(id, target);
  const stream = useStream<EventList>({
    path: eventsStreamPath(id),
    query: eventsParams(id, target),
    onMessage: (events) => client.setQueryData(queryKey, events),
  });
  // Servers without this stream are asked again now and then.
  const query = useQuery({ ...eventsQuery(id, target), refetchInterval: stream === 'open' ? false : POLL_MS });
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
