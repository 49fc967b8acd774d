import clsx from 'clsx';
import { CircleCheck, OctagonAlert, X } from 'lucide-react';
import { Toast as Radix } from 'radix-ui';
import { useSyncExternalStore } from 'react';
import { useTranslation } from 'react-i18next';
import { IconButton } from './button';
import styles from './toast.module.css';

interface Entry {
  id: number;
  tone: 'success' | 'danger';
  title: string;
  detail?: string;
}

let entries: readonly Entry[] = [];
let nextId = 1;
const listeners = new Set<() => void>();

function publish(next: readonly Entry[]): void {
  entries = next;
  listeners.forEach((listener) => {
    listener();
  });
}

export function toastSuccess(title: string, detail?: string): void {
  publish([...entries, { id: nextId++, tone: 'success', title, detail }]);
}

/** Says that something did not work, with the server's own words. */
export function toastError(title: string, error?: unknown): void {
  const detail = error instanceof Error ? error.message : undefined;
  publish([...entries, { id: nextId++, tone: 'danger', title, detail }]);
}

export function ToastHost() {
  const { t } = useTranslation();
  const shown = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => entries,
  );
  return (
    <Radix.Provider swipeDirection="right" label={t('common.notification')}>
      {shown.map((entry) => (
        <Radix.Root
          key={entry.id}
          className={clsx(styles.toast, styles[entry.tone])}
          type={entry.tone === 'danger' ? 'foreground' : 'background'}
          duration={entry.tone === 'danger' ? 10_000 : 4_000}
          onOpenChange={(open) => !open && publish(entries.filter((each) => each.id !== entry.id))}
        >
          {entry.tone === 'danger' ? <OctagonAlert aria-hidden size={16} /> : <CircleCheck aria-hidden size={16} />}
          <div className={styles.text}>
            <Radix.Title className={styles.title}>{entry.title}</Radix.Title>
            {entry.detail ? <Radix.Description className={styles.detail}>{entry.detail}</Radix.Description> : null}
          </div>
          <Radix.Close asChild>
            <IconButton label={t('common.close')}><X /></IconButton>
          </Radix.Close>
        </Radix.Root>
      ))}
      <Radix.Viewport className={styles.viewport} />
    </Radix.Provider>
  );
}
