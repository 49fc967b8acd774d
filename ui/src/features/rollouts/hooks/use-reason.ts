import { useTranslation } from 'react-i18next';

/** A reason's stable name in the reader's language; the name itself where there is no translation. */
export function useReason(): (reason: string) => string {
  const { t } = useTranslation();
  return (reason) => t(`rollout.reason.${reason as 'Paused'}`, { defaultValue: reason.replace(/([a-z])([A-Z])/g, (_, a: string, b: string) => `${a} ${b.toLowerCase()}`) });
}
