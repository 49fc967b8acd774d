import { CloudOff, Inbox, RotateCw } from 'lucide-react';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { Button } from './button';
import styles from './empty.module.css';

/** Says why there is nothing here and what can be done. */
export function Empty({ title, children, icon, action }: { title: string; children?: ReactNode; icon?: ReactNode; action?: ReactNode }) {
  return (
    <div className={styles.empty}>
      <span className={styles.icon}>{icon ?? <Inbox aria-hidden />}</span>
      <p className={styles.title}>{title}</p>
      {children ? <div className={styles.text}>{children}</div> : null}
      {action}
    </div>
  );
}

/** "Could not read" looks different from "empty", always. */
export function ErrorPanel({ title, error, onRetry, action }: { title?: string; error: unknown; onRetry?: () => void; action?: ReactNode }) {
  const { t } = useTranslation();
  const message = error instanceof Error ? error.message : String(error);
  return (
    <div role="alert">
      <Empty
        title={title ?? t('common.loadFailed')}
        icon={<CloudOff aria-hidden />}
        action={onRetry ? <Button icon={<RotateCw aria-hidden />} onClick={onRetry}>{t('common.retry')}</Button> : action}
      >
        <code>{message}</code>
      </Empty>
    </div>
  );
}

/** Placeholder lines while something loads. */
export function Skeleton({ lines = 3 }: { lines?: number }) {
  const { t } = useTranslation();
  return (
    <div className={styles.skeletons} role="status" aria-label={t('common.loading')}>
      {Array.from({ length: lines }, (_, index) => (
        <span key={index} className={styles.skeleton} style={{ width: `${[92, 74, 83, 61][index % 4] ?? 80}%` }} />
      ))}
    </div>
  );
}
