import clsx from 'clsx';
import { Check, ChevronDown, Minus } from 'lucide-react';
import { Checkbox as Radix } from 'radix-ui';
import { useId, type ComponentProps, type ReactNode, type SelectHTMLAttributes } from 'react';
import styles from './field.module.css';

interface FieldProps {
  label: string;
  hint?: ReactNode;
  error?: string;
  required?: boolean;
  children: (ids: { id: string; describedBy: string | undefined; invalid: boolean }) => ReactNode;
}

/** Label, control, hint and error, tied together for assistive technology. */
export function Field({ label, hint, error, required, children }: FieldProps) {
  const id = useId();
  const note = error ?? hint;
  const noteId = note ? `${id}-note` : undefined;
  return (
    <div className={styles.field}>
      <label htmlFor={id} className={styles.label}>
        {label}
        {required ? <span aria-hidden className={styles.required}>*</span> : null}
      </label>
      {children({ id, describedBy: noteId, invalid: Boolean(error) })}
      {note ? <p id={noteId} className={clsx(styles.note, error && styles.error)} role={error ? 'alert' : undefined}>{note}</p> : null}
    </div>
  );
}

export function TextInput({ className, ...rest }: ComponentProps<'input'>) {
  return <input className={clsx(styles.input, className)} spellCheck={false} autoComplete="off" {...rest} />;
}

export function Select({ className, children, ...rest }: SelectHTMLAttributes<HTMLSelectElement>) {
  return (
    <span className={clsx(styles.selectWrap, className)}>
      <select className={styles.select} {...rest}>
        {children}
      </select>
      <ChevronDown aria-hidden className={styles.chevron} />
    </span>
  );
}

interface CheckboxProps {
  checked: boolean | 'indeterminate';
  onChange: (checked: boolean) => void;
  label: ReactNode;
  hint?: ReactNode;
  disabled?: boolean;
  /** Read out but not shown, for dense lists. */
  labelHidden?: boolean;
}

export function Checkbox({ checked, onChange, label, hint, disabled, labelHidden }: CheckboxProps) {
  const id = useId();
  return (
    <span className={clsx(styles.checkRow, disabled && styles.disabled)}>
      <Radix.Root id={id} className={styles.box} checked={checked} disabled={disabled} onCheckedChange={(value) => onChange(value === true)}>
        <Radix.Indicator className={styles.tick}>{checked === 'indeterminate' ? <Minus /> : <Check />}</Radix.Indicator>
      </Radix.Root>
      <label htmlFor={id} className={labelHidden ? 'sr-only' : styles.checkLabel}>
        {label}
        {hint ? <span className={styles.checkHint}>{hint}</span> : null}
      </label>
    </span>
  );
}
