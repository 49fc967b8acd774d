import { useTranslation } from 'react-i18next';
import { localTimes } from '@/lib/format';
import { useNow } from '@/lib/use-now';

/** A sentence of the controller, with its times in the reader's zone. */
export function Words({ text }: { text: string | undefined }) {
  const { i18n } = useTranslation();
  const now = useNow();
  return text ? localTimes(text, now, i18n.language) : null;
}
