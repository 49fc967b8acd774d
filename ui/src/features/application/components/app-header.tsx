import { Link } from '@tanstack/react-router';
import { CircleStop, Ellipsis, RefreshCw, RotateCcw, Trash2, Upload, Zap } from 'lucide-react';
import { useTranslation } from 'react-i18next';
import type { Application } from '@/api-types';
import { Button, IconButton } from '@/components/button';
import { Chip } from '@/components/chip';
import { ExternalLink } from '@/components/external-link';
import { Menu } from '@/components/menu';
import { StreamIndicator } from '@/components/stream-indicator';
import { isAutomated, isOperating } from '@/lib/application';
import { titledLink } from '@/lib/format';
import type { StreamState } from '@/lib/stream';
import { useActions } from '../hooks/use-actions';
import styles from './app-header.module.css';

interface Props {
  app: Application;
  stream: StreamState;
  onSync: () => void;
  onDelete: () => void;
}

export function AppHeader({ app, stream, onSync, onDelete }: Props) {
  const { t } = useTranslation();
  const { refresh, terminate } = useActions(app);
  const operating = isOperating(app);
  const links = (app.status?.summary?.externalURLs ?? []).flatMap((url) => titledLink(url) ?? []).slice(0, 3);
  return (
    <header className={styles.header}>
      <div className={styles.names}>
        <h1 className={styles.name}>{app.metadata.name}</h1>
        <Link to="/applications" search={{ project: [app.spec.project || 'default'] }} className={styles.plainLink}>
          <Chip>{app.spec.project || 'default'}</Chip>
        </Link>
        {isAutomated(app) ? (
          <Chip tone="accent" icon={<Zap aria-hidden />} title={automationHint(app)}>{t('app.autoSync')}</Chip>
        ) : (
          <Chip>{t('app.manualSync')}</Chip>
        )}
        {app.metadata.deletionTimestamp ? <Chip tone="danger">{t('app.deleting')}</Chip> : null}
        {links.map(({ title, href }) => <ExternalLink key={`${title} ${href}`} href={href}>{title}</ExternalLink>)}
      </div>
      <div className={styles.actions}>
        <StreamIndicator state={stream} />
        {operating ? (
          <Button icon={<CircleStop aria-hidden />} busy={terminate.isPending} onClick={() => terminate.mutate()}>{t('actions.terminate')}</Button>
        ) : null}
        <Button icon={<RefreshCw aria-hidden />} busy={refresh.isPending} onClick={() => refresh.mutate('normal')}>{t('actions.refresh')}</Button>
        <Button tone="primary" icon={<Upload aria-hidden />} disabled={Boolean(app.metadata.deletionTimestamp)} onClick={onSync}>{t('actions.sync')}</Button>
        <Menu
          trigger={<IconButton label={t('actions.more')} tone="plain"><Ellipsis /></IconButton>}
          entries={[
            { label: t('actions.hardRefresh'), icon: <RotateCcw />, onSelect: () => refresh.mutate('hard') },
            { label: t('actions.terminate'), icon: <CircleStop />, disabled: !operating, onSelect: () => terminate.mutate() },
            'separator',
            { label: t('actions.delete'), icon: <Trash2 />, danger: true, onSelect: onDelete },
          ]}
        />
      </div>
    </header>
  );
}

function automationHint(app: Application): string {
  const automated = app.spec.syncPolicy?.automated;
  return ['auto-sync', automated?.prune && 'prune', automated?.selfHeal && 'self-heal'].filter(Boolean).join(' · ');
}
