import clsx from 'clsx';
import { useTranslation } from 'react-i18next';
import type { StreamState } from '@/lib/stream';
import styles from './stream-indicator.module.css';

/** Says whether what is on the page is live. */
export function StreamIndicator({ state }: { state: StreamState }) {
  const { t } = useTranslation();
  return (
    <span className={clsx(styles.indicator, styles[state])} role="status" title={t(`stream.${state}Hint`)}>
      <span aria-hidden className={styles.dot} />
      {t(`stream.${state}`)}
    </span>
  );
}
