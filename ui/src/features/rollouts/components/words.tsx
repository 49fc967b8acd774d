import { useTranslation } from 'react-i18next';
import { localTimes, shortNumbers } from '@/lib/format';
import { useNow } from '@/lib/use-now';

/** A sentence of the controller, with its times in the reader's zone and its numbers as people write them. */
export function Words({ text }: { text: string | undefined }) {
  const { i18n } = useTranslation();
  const now = useNow();
  return text ? localTimes(shortNumbers(text), now, i18n.language) : null;
}
