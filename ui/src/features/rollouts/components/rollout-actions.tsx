import { Check, Eye, FastForward, Hand, Pause, Play, RotateCcw, SkipForward, Undo2, X, type LucideIcon } from 'lucide-react';
import { useTranslation } from 'react-i18next';
import type { ResourceRef } from '@/api-types';
import { Button, IconButton } from '@/components/button';
import { Spinner } from '@/components/spinner';
import { useConfirm } from '@/components/use-confirm';
import type { AppId } from '@/lib/application';
import { ApiError } from '@/lib/http';
import type { Rollout, RolloutTarget } from '@/lib/rollout';
import { useCommand, type Choice } from '../hooks/use-command';
import type { Label } from '../offers';
import styles from './rollout-actions.module.css';

const ICONS: Record<Label, LucideIcon> = {
  approve: Check, continueNow: Play, resume: Play, goOn: Hand, skipStep: SkipForward, pause: Pause, promoteFull: FastForward, abort: Undo2, retry: RotateCcw,
  measureAgain: RotateCcw, tryAgain: RotateCcw,
};

interface Props {
  id: AppId;
  target: RolloutTarget;
  rollout: Rollout;
  object: ResourceRef;
}

/** The buttons that mean something in the state that the target is in; what was asked for stays in sight until it is carried out. */
export function RolloutActions({ id, object, rollout, target }: Props) {
  const { t } = useTranslation();
  const { confirm, dialog } = useConfirm();
  const { choices, denied, run, pending } = useCommand(id, object, rollout, target);
  const start = (choice: Choice) => {
    if (!choice.confirm && !choice.forAll) {
      run.mutate(choice);
      return;
    }
    const versions = { canary: target.canary?.version ?? target.wanted ?? target.name, stable: target.stable.version ?? '–' };
    confirm({
      title: t(`rollout.action.${choice.label}`),
      text: [t(`rollout.ask.${choice.confirm ? choice.label : 'plain'}` as 'rollout.ask.abort', versions), choice.forAll ? t('rollout.ask.forAll', { count: rollout.targets.length }) : ''].filter(Boolean).join(' '),
      action: t(`rollout.action.${choice.label}`),
      onConfirm: () => run.mutate(choice),
    });
  };
  return (
    <div className={styles.actions}>
      {denied ? <p className={styles.denied}><Eye aria-hidden size={14} />{t('rollout.readOnly')}</p> : null}
      <div className={styles.buttons} role="group" aria-label={t('rollout.actions')}>
        {choices.map((choice) => {
          const Icon = ICONS[choice.label];
          const busy = pending?.action === choice.action && !pending.overdue;
          return (
            <Button
              key={choice.label}
              tone={choice.tone === 'danger' ? 'plain' : choice.tone}
              className={choice.tone === 'danger' ? styles.danger : undefined}
              icon={<Icon aria-hidden />}
              busy={busy}
              disabled={choice.disabled || run.isPending || busy}
              onClick={() => start(choice)}
            >
              {t(`rollout.action.${choice.label}`)}
            </Button>
          );
        })}
      </div>
      {pending ? (
        <p className={styles.pending} role="status">
          {pending.overdue ? null : <Spinner size={13} />}
          {pending.overdue ? t('rollout.overdue') : pending.by ? t('rollout.pendingBy', { name: pending.by, action: pending.action }) : t('rollout.pending')}
        </p>
      ) : null}
      {run.isError ? <Refusal error={run.error} onClose={() => run.reset()} /> : null}
      {dialog}
    </div>
  );
}

function Refusal({ error, onClose }: { error: Error; onClose: () => void }) {
  const { t } = useTranslation();
  const denied = error instanceof ApiError && error.status === 403;
  return (
    <div className={styles.refusal} role="alert">
      <p><strong>{t(denied ? 'rollout.denied' : 'rollout.actionFailed')}</strong> {error.message}</p>
      <IconButton label={t('common.close')} onClick={onClose}><X /></IconButton>
    </div>
  );
}
