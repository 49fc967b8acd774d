import { useTranslation } from 'react-i18next';
import { lengthText } from '@/lib/duration';
import type { Step } from '@/lib/rollout';

/** What a step asks for, in the reader's language where the step is understood and in the server's words otherwise. */
export function useStepTitle(): (step: Step) => string {
  const { t } = useTranslation();
  return (step) => {
    const names = step.names?.join(', ') ?? '';
    const { amount } = step;
    switch (step.kind) {
      case 'setWeight': return t('rollout.step.setWeight', { weight: amount ?? '?' });
      case 'pause': return step.seconds === undefined ? t('rollout.step.approval') : t('rollout.step.pause', { length: lengthText(step.seconds) });
      case 'analysis': return names ? t('rollout.step.analysis', { names }) : t('rollout.step.analysisBare');
      case 'experiment': return names ? t('rollout.step.experiment', { names }) : t('rollout.step.experimentBare');
      case 'setCanaryScale': return amount === undefined ? t(step.followsWeight ? 'rollout.step.scaleFollows' : 'rollout.step.scale') : t('rollout.step.scaleTo', { count: amount });
      case 'warmup': return t('rollout.step.warmup', { count: amount ?? 1 });
      case 'setHeaderRoute': return t(amount ? 'rollout.step.header' : 'rollout.step.headerEnds', { name: names });
      case 'setMirrorRoute': return amount ? t('rollout.step.mirror', { weight: amount, name: names }) : t('rollout.step.mirrorEnds', { name: names });
      case 'plugin': return t('rollout.step.plugin', { name: names });
      default: return step.title ?? t('rollout.step.unknown');
    }
  };
}
