import { ToggleGroup } from 'radix-ui';
import type { ReactNode } from 'react';
import styles from './segmented.module.css';

interface Option<T extends string> {
  value: T;
  label: string;
  icon?: ReactNode;
}

/** One of a few choices, side by side. */
export function Segmented<T extends string>({ value, options, onChange, label, iconOnly }: { value: T; options: readonly Option<T>[]; onChange: (value: T) => void; label: string; iconOnly?: boolean }) {
  return (
    <ToggleGroup.Root
      type="single"
      className={styles.group}
      value={value}
      aria-label={label}
      onValueChange={(next) => {
        const option = options.find((each) => each.value === next);
        if (option) onChange(option.value);
      }}
    >
      {options.map((option) => (
        <ToggleGroup.Item key={option.value} value={option.value} className={styles.item} title={iconOnly ? option.label : undefined} aria-label={iconOnly ? option.label : undefined}>
          {option.icon}
          {iconOnly ? null : option.label}
        </ToggleGroup.Item>
      ))}
    </ToggleGroup.Root>
  );
}
