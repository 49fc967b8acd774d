import clsx from 'clsx';
import { Check } from 'lucide-react';
import { DropdownMenu } from 'radix-ui';
import type { ReactElement, ReactNode } from 'react';
import styles from './menu.module.css';

export interface MenuItem {
  label: string;
  icon?: ReactNode;
  hint?: string;
  danger?: boolean;
  disabled?: boolean;
  /** Shows a tick: one of several choices. */
  checked?: boolean;
  onSelect: () => void;
}

export type MenuEntry = MenuItem | { heading: string } | 'separator';

export function Menu({ trigger, entries, align = 'end', onOpen }: { trigger: ReactElement; entries: readonly MenuEntry[]; align?: 'start' | 'end'; onOpen?: () => void }) {
  return (
    <DropdownMenu.Root modal={false} onOpenChange={(open) => open && onOpen?.()}>
      <DropdownMenu.Trigger asChild>{trigger}</DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content className={styles.menu} align={align} sideOffset={4} collisionPadding={8}>
          {entries.map((entry, index) => {
            if (entry === 'separator') return <DropdownMenu.Separator key={index} className={styles.separator} />;
            if ('heading' in entry) return <DropdownMenu.Label key={index} className={styles.heading}>{entry.heading}</DropdownMenu.Label>;
            return (
              <DropdownMenu.Item
                key={index}
                className={clsx(styles.item, entry.danger && styles.danger)}
                disabled={entry.disabled}
                onSelect={entry.onSelect}
              >
                <span className={styles.icon}>{entry.checked ? <Check /> : entry.icon}</span>
                <span className={styles.label}>{entry.label}</span>
                {entry.hint ? <span className={styles.hint}>{entry.hint}</span> : null}
              </DropdownMenu.Item>
            );
          })}
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  );
}
