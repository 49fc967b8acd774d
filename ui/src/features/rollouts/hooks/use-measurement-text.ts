import { useTranslation } from 'react-i18next';
import type { Measurement } from '@/api-types';
import { absoluteTime } from '@/lib/format';
import { formatValue } from '../chart';

/** A measurement in one sentence, to be read out. */
export function useMeasurementText(): (measurement: Measurement) => string {
  const { t, i18n } = useTranslation();
  return ({ at, value, stable, phase, text }) =>
    [
      absoluteTime(at, i18n.language),
      `${t('rollout.canary')} ${value === undefined ? text ?? '–' : formatValue(value, i18n.language)}`,
      stable === undefined ? '' : `${t('rollout.stable')} ${formatValue(stable, i18n.language)}`,
      phase ? t(`rollout.judgement.${phase as 'Failed'}`, { defaultValue: phase }) : '',
    ].filter(Boolean).join(', ');
}
