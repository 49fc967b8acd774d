import { Tabs as Radix } from 'radix-ui';
import type { ReactNode } from 'react';
import styles from './tabs.module.css';

export interface Tab<T extends string> {
  value: T;
  label: string;
  icon?: ReactNode;
  count?: number;
}

interface Props<T extends string> {
  value: T;
  tabs: readonly Tab<T>[];
  onChange: (value: T) => void;
  label: string;
  /** Beside the tabs, at the end of the bar. */
  extra?: ReactNode;
  children: ReactNode;
}

/** A tab bar with the panel of the chosen tab; the panel takes the room that is left. */
export function Tabs<T extends string>({ value, tabs, onChange, label, extra, children }: Props<T>) {
  return (
    <Radix.Root
      className={styles.root}
      value={value}
      onValueChange={(next) => {
        const tab = tabs.find((each) => each.value === next);
        if (tab) onChange(tab.value);
      }}
    >
      <div className={styles.bar}>
        <Radix.List className={styles.list} aria-label={label}>
          {tabs.map((tab) => (
            <Radix.Trigger key={tab.value} value={tab.value} className={styles.tab}>
              {tab.icon}
              {tab.label}
              {tab.count ? <span className={styles.count}>{tab.count}</span> : null}
            </Radix.Trigger>
          ))}
        </Radix.List>
        {extra ? <div className={styles.extra}>{extra}</div> : null}
      </div>
      <Radix.Content value={value} className={styles.panel} tabIndex={-1}>
        {children}
      </Radix.Content>
    </Radix.Root>
  );
}
