import clsx from 'clsx';
import type { ReactNode } from 'react';
import styles from './chip.module.css';

export type ChipTone = 'neutral' | 'accent' | 'warning' | 'danger' | 'info' | 'success';

/** A short fact beside a title. */
export function Chip({ tone = 'neutral', icon, children, title, mono }: { tone?: ChipTone; icon?: ReactNode; children: ReactNode; title?: string; mono?: boolean }) {
  return (
    <span className={clsx(styles.chip, styles[tone], mono && styles.mono)} title={title}>
      {icon}
      {children}
    </span>
  );
}
