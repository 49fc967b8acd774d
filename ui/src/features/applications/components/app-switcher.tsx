import { keepPreviousData, useQuery } from '@tanstack/react-query';
import clsx from 'clsx';
import { Search } from 'lucide-react';
import { Dialog } from 'radix-ui';
import { useId, useState, type KeyboardEvent } from 'react';
import { useTranslation } from 'react-i18next';
import type { Application } from '@/api-types';
import { Health, Sync } from '@/components/status';
import { appId, appKey, clusterOf, healthOf, syncOf } from '@/lib/application';
import { useDebounced } from '@/lib/use-debounced';
import { switcherQuery } from '../api/list';
import styles from './app-switcher.module.css';

/** From anywhere to any application: type a part of its name, press Enter. */
export function AppSwitcher({ onOpen, onClose }: { onOpen: (app: Application) => void; onClose: () => void }) {
  const { t } = useTranslation();
  const [text, setText] = useState('');
  const [chosen, setChosen] = useState(0);
  const listId = useId();
  const settled = useDebounced(text.trim(), 120);
  const query = useQuery({ ...switcherQuery(settled), placeholderData: keepPreviousData });
  const found = query.data ?? [];
  const active = Math.min(chosen, Math.max(0, found.length - 1));
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      event.preventDefault();
      const step = event.key === 'ArrowDown' ? 1 : -1;
      setChosen(found.length > 0 ? (active + step + found.length) % found.length : 0);
    } else if (event.key === 'Enter') {
      event.preventDefault();
      const app = found[active];
      if (app) onOpen(app);
    }
  };
  return (
    <Dialog.Root open onOpenChange={(open) => !open && onClose()}>
      <Dialog.Portal>
        <Dialog.Overlay className={styles.overlay} />
        <Dialog.Content className={styles.content} aria-describedby={undefined} data-modal="true">
          <Dialog.Title className="sr-only">{t('switcher.title')}</Dialog.Title>
          <div className={styles.box}>
            <Search aria-hidden size={17} />
            <input
              className={styles.input}
              role="combobox"
              aria-expanded={found.length > 0}
              aria-controls={listId}
              aria-activedescendant={found.length > 0 ? `${listId}-${active}` : undefined}
              aria-label={t('switcher.title')}
              placeholder={t('switcher.placeholder')}
              autoFocus
              spellCheck={false}
              value={text}
              onChange={(event) => {
                setText(event.target.value);
                setChosen(0);
              }}
              onKeyDown={onKeyDown}
            />
          </div>
          <ul id={listId} role="listbox" aria-label={t('applications.title')} className={styles.list}>
            {found.map((app, index) => (
              <li
                key={appKey(appId(app))}
                id={`${listId}-${index}`}
                role="option"
                aria-selected={index === active}
                className={clsx(styles.option, index === active && styles.active)}
                onMouseMove={() => setChosen(index)}
                onClick={() => onOpen(app)}
              >
                <Health status={healthOf(app)} iconOnly />
                <Sync status={syncOf(app)} iconOnly />
                <span className={styles.name}>{app.metadata.name}</span>
                <span className={styles.place}>{clusterOf(app)} / {app.spec.destination.namespace ?? '–'}</span>
              </li>
            ))}
          </ul>
          {query.isSuccess && found.length === 0 ? <p className={styles.none}>{t('applications.noMatch')}</p> : null}
          {query.isError ? <p role="alert" className={styles.none}>{query.error.message}</p> : null}
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}
