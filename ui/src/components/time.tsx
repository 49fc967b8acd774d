import { useTranslation } from 'react-i18next';
import { absoluteTime, duration, relativeTime } from '@/lib/format';
import { useNow } from '@/lib/use-now';

/** "5 min ago", with the exact time on hover. */
export function Ago({ at, className }: { at: string | undefined; className?: string }) {
  const now = useNow();
  const { i18n } = useTranslation();
  if (!at) return null;
  return (
    <time dateTime={at} title={absoluteTime(at, i18n.language)} className={className}>
      {relativeTime(at, now, i18n.language)}
    </time>
  );
}

/** How long something took, or has been going on. */
export function Took({ from, to }: { from: string | undefined; to: string | undefined }) {
  const now = useNow();
  return <span>{duration(from, to, now)}</span>;
}
