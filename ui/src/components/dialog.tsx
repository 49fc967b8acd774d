import { X } from 'lucide-react';
import { Dialog as Radix } from 'radix-ui';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { IconButton } from './button';
import styles from './dialog.module.css';

interface Props {
  title: ReactNode;
  description?: ReactNode;
  width?: number;
  onClose: () => void;
  footer?: ReactNode;
  children: ReactNode;
}

// A field that asks for the focus keeps it; otherwise the dialog itself gets it, not its close button.
function focusContent(event: Event): void {
  event.preventDefault();
  const content = event.target;
  if (content instanceof HTMLElement && !content.contains(document.activeElement)) content.focus();
}

/** A modal dialog. It is in the tree only while it is open. */
export function Dialog({ title, description, width = 560, onClose, footer, children }: Props) {
  const { t } = useTranslation();
  return (
    <Radix.Root open onOpenChange={(open) => !open && onClose()}>
      <Radix.Portal>
        <Radix.Overlay className={styles.overlay} />
        <Radix.Content
          className={styles.content}
          style={{ maxWidth: width }}
          data-modal="true"
          onOpenAutoFocus={focusContent}
          {...(description ? {} : { 'aria-describedby': undefined })}
        >
          <header className={styles.header}>
            <div className={styles.titles}>
              <Radix.Title className={styles.title}>{title}</Radix.Title>
              {description ? <Radix.Description className={styles.description}>{description}</Radix.Description> : null}
            </div>
            <IconButton label={t('common.close')} onClick={onClose}>
              <X />
            </IconButton>
          </header>
          <div className={styles.body}>{children}</div>
          {footer ? <footer className={styles.footer}>{footer}</footer> : null}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}
