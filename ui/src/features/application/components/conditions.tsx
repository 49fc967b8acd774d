import { Link } from '@tanstack/react-router';
import clsx from 'clsx';
import { Ban, Info, OctagonAlert, TriangleAlert } from 'lucide-react';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { Application, ApplicationCondition } from '@/api-types';
import { Ago } from '@/components/time';
import { appId, isQuarantine, isVersionQuarantine, severityOf } from '@/lib/application';
import { localTimes, shortRevision } from '@/lib/format';
import { quarantineEntries } from '@/lib/quarantine';
import { useNow } from '@/lib/use-now';
import { ConfirmDeletion, LiftQuarantine } from './condition-actions';
import styles from './conditions.module.css';

const ORDER = { error: 0, warning: 1, info: 2 };
const SHOWN = 3;

/** What is wrong with the application, worst first, in full words. */
export function Conditions({ app }: { app: Application }) {
  const { t } = useTranslation();
  const [all, setAll] = useState(false);
  const conditions = app.status?.conditions ?? [];
  const sorted = [...conditions].sort((a, b) => ORDER[severityOf(a)] - ORDER[severityOf(b)]);
  const shown = all ? sorted : sorted.slice(0, SHOWN);
  return (
    <section className={styles.list} aria-label={t('app.conditions')}>
      <ConfirmDeletion app={app} />
      {shown.map((condition, index) => (
        <Condition key={`${condition.type}-${index}`} app={app} condition={condition} />
      ))}
      {sorted.length > SHOWN ? (
        <button type="button" className={styles.more} aria-expanded={all} onClick={() => setAll(!all)}>
          {all ? t('filters.less') : t('filters.more', { count: sorted.length - SHOWN })}
        </button>
      ) : null}
    </section>
  );
}

/** The controller's words with commits cut short, or ours where the record of a single quarantine says it all. */
function useMessage(app: Application, condition: ApplicationCondition): string {
  const { t, i18n } = useTranslation();
  const now = useNow();
  const [entry, ...more] = isQuarantine(condition) && !isVersionQuarantine(condition) ? quarantineEntries(app) : [];
  if (entry && more.length === 0 && entry.revisions.length === 1 && entry.heldRevisions?.length === 1) {
    return t('condition.quarantined', { revision: shortRevision(entry.revisions[0]), held: shortRevision(entry.heldRevisions[0]) });
  }
  return localTimes(condition.message.replace(/\b[0-9a-f]{40}\b/g, shortRevision), now, i18n.language);
}

function Condition({ app, condition }: { app: Application; condition: ApplicationCondition }) {
  const { t } = useTranslation();
  const severity = severityOf(condition);
  const message = useMessage(app, condition);
  const Icon = isQuarantine(condition) ? Ban : severity === 'error' ? OctagonAlert : severity === 'warning' ? TriangleAlert : Info;
  return (
    <div className={clsx(styles.condition, styles[severity])} role={severity === 'error' ? 'alert' : 'status'}>
      <Icon aria-hidden size={15} />
      <div className={styles.text}>
        <span className={styles.type}>{t(`condition.${condition.type}` as 'condition.SyncError', { defaultValue: condition.type })}</span>
        <span className={styles.message} title={condition.message}>{message}</span>
      </div>
      {isVersionQuarantine(condition) ? <ModelsLink app={app} /> : isQuarantine(condition) ? <LiftQuarantine app={app} /> : null}
      <Ago at={condition.lastTransitionTime} className={styles.time} />
    </div>
  );
}

/** To the page where a rollout can be told to try again. */
function ModelsLink({ app }: { app: Application }) {
  const { t } = useTranslation();
  return (
    <Link to="/applications/$namespace/$name" params={appId(app)} search={{ view: 'models' }} className={styles.link}>{t('rollout.openPage')}</Link>
  );
}
