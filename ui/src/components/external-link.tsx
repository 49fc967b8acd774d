import { ExternalLink as Icon } from 'lucide-react';
import type { ReactNode } from 'react';
import { safeHref } from '@/lib/format';
import styles from './external-link.module.css';

/** A link out. What is not http or https, wherever it came from, is shown as text. */
export function ExternalLink({ href, children, plain }: { href: string | undefined; children: ReactNode; plain?: boolean }) {
  const safe = safeHref(href);
  if (!safe) return <span>{children}</span>;
  return (
    // eslint-disable-next-line no-restricted-syntax -- the one place where a checked address becomes a link
    <a href={safe} target="_blank" rel="noopener noreferrer" className={styles.link} onClick={(event) => event.stopPropagation()}>
      {children}
      {plain ? null : <Icon aria-hidden size={12} />}
    </a>
  );
}
