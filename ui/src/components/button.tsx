import clsx from 'clsx';
import type { ButtonHTMLAttributes, ReactNode } from 'react';
import styles from './button.module.css';
import { Spinner } from './spinner';
import { Tooltip } from './tooltip';

export interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  tone?: 'primary' | 'plain' | 'ghost' | 'danger';
  size?: 's' | 'm';
  icon?: ReactNode;
  busy?: boolean;
}

export function Button({ tone = 'plain', size = 'm', icon, busy, disabled, className, children, ...rest }: ButtonProps) {
  return (
    <button
      type="button"
      className={clsx(styles.button, styles[tone], styles[size], className)}
      disabled={disabled ?? busy}
      aria-busy={busy}
      {...rest}
    >
      {busy ? <Spinner /> : icon}
      {children}
    </button>
  );
}

/** A button that shows an icon only; its name is read out and shown on hover. */
export function IconButton({ label, children, className, tone = 'ghost', ...rest }: ButtonProps & { label: string }) {
  return (
    <Tooltip text={label}>
      <button type="button" aria-label={label} className={clsx(styles.button, styles[tone], styles.icon, className)} {...rest}>
        {children}
      </button>
    </Tooltip>
  );
}
