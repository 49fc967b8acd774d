import clsx from 'clsx';
import { useTranslation } from 'react-i18next';
import { HEALTH_STATUSES } from '@/api-types';
import { healthLook, toneClass } from '@/components/status';
import styles from './health-bar.module.css';

/** The state of the fleet in one line; each part is a filter. */
export function HealthBar({ counts, chosen, onToggle }: { counts: Record<string, number> | undefined; chosen: readonly string[]; onToggle: (value: string) => void }) {
  const { t } = useTranslation();
  const parts = HEALTH_STATUSES.filter((status) => counts?.[status]);
  return (
    <div className={styles.bar} role="group" aria-label={t('applications.healthOverview')}>
      {parts.map((status) => {
        const count = counts?.[status] ?? 0;
        const label = `${t(`health.${status}`)}: ${count.toLocaleString()}`;
        return (
          <button
            key={status}
            type="button"
            title={label}
            aria-label={label}
            aria-pressed={chosen.includes(status)}
            className={clsx(styles.part, toneClass(healthLook(status).tone), chosen.length > 0 && !chosen.includes(status) && styles.dim)}
            style={{ flexGrow: count }}
            onClick={() => onToggle(status)}
          />
        );
      })}
    </div>
  );
}
