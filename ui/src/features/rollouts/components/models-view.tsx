import { Split } from 'lucide-react';
import { useTranslation } from 'react-i18next';
import type { Application } from '@/api-types';
import { Button } from '@/components/button';
import { Empty, ErrorPanel, Skeleton } from '@/components/empty';
import { appId } from '@/lib/application';
import { useHotkey } from '@/lib/use-hotkey';
import { useRollouts } from '../hooks/use-rollouts';
import styles from './models-view.module.css';
import { RolloutList } from './rollout-list';
import { RolloutPage } from './rollout-page';

interface Props {
  app: Application;
  /** The rollout that is looked at, by its key. */
  selected: string | undefined;
  target: string | undefined;
  onSelect: (key: string | undefined) => void;
  onTarget: (name: string) => void;
  onShowObject: (key: string) => void;
}

const EXAMPLE = `apiVersion: driftless.dev/v1alpha1
kind: ModelRollout
metadata: {name: fraud}
spec:
  targetRef: {apiVersion: serving.kserve.io/v1beta1, kind: InferenceService, name: fraud}
  strategy:
    canary:
      steps:
      - setWeight: 10
      - analysis: {templates: [{templateName: error-rate}]}
      - pause: {}`;

/** How the application's models take new versions: all of them, or one in full. */
export function ModelsView({ app, selected, target, onSelect, onTarget, onShowObject }: Props) {
  const { t } = useTranslation();
  const { entries, isPending, error, retry } = useRollouts(app);
  const [only] = entries;
  const alone = entries.length === 1 && (only?.rollout?.targets.length ?? 0) <= 1;
  const entry = selected ? entries.find((each) => each.key === selected) : alone ? only : undefined;
  useHotkey('Escape', () => onSelect(undefined), selected !== undefined && !alone);
  if (isPending) return <Skeleton lines={8} />;
  if (error) return <ErrorPanel error={error} onRetry={retry} />;
  if (entries.length === 0 && !selected) {
    return (
      <Empty icon={<Split aria-hidden />} title={t('rollout.none')}>
        <p>{t('rollout.noneHint')}</p>
        <pre className={styles.example}>{EXAMPLE}</pre>
      </Empty>
    );
  }
  if (selected && !entry) return <Empty icon={<Split aria-hidden />} title={t('rollout.gone')} action={<Button onClick={() => onSelect(undefined)}>{t('rollout.allModels')}</Button>} />;
  if (!entry) return <RolloutList id={appId(app)} entries={entries} />;
  return (
    <RolloutPage
      key={entry.key}
      id={appId(app)}
      entry={entry}
      targetName={target}
      onTarget={onTarget}
      onBack={alone ? undefined : () => onSelect(undefined)}
      onShowObject={() => onShowObject(entry.key)}
    />
  );
}
