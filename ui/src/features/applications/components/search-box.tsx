import { Search, X } from 'lucide-react';
import { useEffect, useImperativeHandle, useRef, useState, type Ref } from 'react';
import { useTranslation } from 'react-i18next';
import { IconButton } from '@/components/button';
import { useHotkey } from '@/lib/use-hotkey';
import styles from './search-box.module.css';

const SETTLE_MS = 180;

interface Props {
  value: string;
  onChange: (value: string) => void;
  /** Arrow down: on to the results. */
  onDown: () => void;
  ref: Ref<HTMLInputElement>;
}

/** `/` gets here from anywhere, Esc clears and then leaves. */
export function SearchBox({ value, onChange, onDown, ref }: Props) {
  const { t } = useTranslation();
  const input = useRef<HTMLInputElement>(null);
  const [text, setText] = useState(value);
  const [known, setKnown] = useState(value);
  useImperativeHandle(ref, () => input.current as HTMLInputElement);
  // The address changed by other means (back, clear): follow it.
  if (known !== value) {
    setKnown(value);
    setText(value);
  }
  useHotkey('/', (event) => {
    event.preventDefault();
    input.current?.select();
    input.current?.focus();
  });
  const latest = useRef(onChange);
  useEffect(() => {
    latest.current = onChange;
  });
  useEffect(() => {
    if (text === value) return;
    const timer = setTimeout(() => latest.current(text.trim()), SETTLE_MS);
    return () => clearTimeout(timer);
  }, [text, value]);

  return (
    <div className={styles.box} role="search">
      <Search aria-hidden size={15} className={styles.icon} />
      <input
        ref={input}
        type="text"
        className={styles.input}
        value={text}
        placeholder={t('applications.search')}
        aria-label={t('applications.search')}
        aria-keyshortcuts="/"
        spellCheck={false}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === 'ArrowDown' || event.key === 'Enter') {
            event.preventDefault();
            onDown();
          } else if (event.key === 'Escape') {
            if (text) {
              setText('');
              onChange('');
            } else input.current?.blur();
          }
        }}
      />
      {text ? (
        <IconButton label={t('filters.clearSearch')} className={styles.clear} onClick={() => { setText(''); onChange(''); input.current?.focus(); }}><X /></IconButton>
      ) : (
        <kbd aria-hidden className={styles.key}>/</kbd>
      )}
    </div>
  );
}
