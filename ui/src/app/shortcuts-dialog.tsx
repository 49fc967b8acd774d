import { useTranslation } from 'react-i18next';
import { Dialog } from '@/components/dialog';
import styles from './shortcuts-dialog.module.css';

const KEYS = [
  ['Ctrl K', 'jump'],
  ['/', 'search'],
  ['↑ ↓ ← →', 'move'],
  ['Enter', 'open'],
  ['Space', 'fold'],
  ['Esc', 'back'],
  ['s', 'sync'],
  ['r', 'refresh'],
  ['1 – 6', 'views'],
  ['?', 'help'],
] as const;

export function ShortcutsDialog({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  return (
    <Dialog title={t('shell.shortcuts')} width={420} onClose={onClose}>
      <dl className={styles.keys}>
        {KEYS.map(([keys, meaning]) => (
          <div key={keys} className={styles.row}>
            <dt>{keys.split(' ').map((key, index) => <kbd key={index} className={styles.key}>{key}</kbd>)}</dt>
            <dd>{t(`shortcut.${meaning}`)}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
