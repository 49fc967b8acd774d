import clsx from 'clsx';
import {
  Activity, CircleArrowUp, CircleCheck, CircleDashed, CircleHelp, CirclePause, CircleSlash, CircleX, Ghost, Hand, HeartCrack, HeartPulse, Hourglass, LoaderCircle,
  OctagonAlert, TriangleAlert, Undo2, type LucideIcon,
} from 'lucide-react';
import { useTranslation } from 'react-i18next';
import type { HealthStatusCode, OperationPhase, RolloutPhase as RolloutPhaseCode, SyncStatusCode } from '@/api-types';
import styles from './status.module.css';

export type Tone = 'success' | 'info' | 'danger' | 'warning' | 'violet' | 'neutral';

interface Look {
  icon: LucideIcon;
  tone: Tone;
  spin?: boolean;
}

// Shape and colour both tell the state apart, so that colour alone never has to.
const HEALTH: Partial<Record<string, Look>> = {
  Healthy: { icon: HeartPulse, tone: 'success' },
  Progressing: { icon: LoaderCircle, tone: 'info', spin: true },
  Degraded: { icon: HeartCrack, tone: 'danger' },
  Suspended: { icon: CirclePause, tone: 'violet' },
  Missing: { icon: Ghost, tone: 'warning' },
  Unknown: { icon: CircleHelp, tone: 'neutral' },
};

const SYNC: Partial<Record<string, Look>> = {
  Synced: { icon: CircleCheck, tone: 'success' },
  OutOfSync: { icon: CircleArrowUp, tone: 'warning' },
  Unknown: { icon: CircleHelp, tone: 'neutral' },
};

const PHASE: Partial<Record<string, Look>> = {
  Running: { icon: LoaderCircle, tone: 'info', spin: true },
  Terminating: { icon: CircleSlash, tone: 'warning' },
  Failed: { icon: OctagonAlert, tone: 'danger' },
  Error: { icon: OctagonAlert, tone: 'danger' },
  Succeeded: { icon: CircleCheck, tone: 'success' },
};

const ROLLOUT: Record<RolloutPhaseCode, Look> = {
  Healthy: { icon: CircleCheck, tone: 'success' },
  Waiting: { icon: Hourglass, tone: 'neutral' },
  Progressing: { icon: LoaderCircle, tone: 'info', spin: true },
  Paused: { icon: CirclePause, tone: 'violet' },
  Held: { icon: Hand, tone: 'warning' },
  RollingBack: { icon: Undo2, tone: 'warning' },
  Degraded: { icon: OctagonAlert, tone: 'danger' },
  Invalid: { icon: CircleSlash, tone: 'danger' },
};

const MEASUREMENT: Partial<Record<string, Look>> = {
  Pending: { icon: CircleDashed, tone: 'neutral' },
  Running: { icon: Activity, tone: 'info' },
  Successful: { icon: CircleCheck, tone: 'success' },
  Failed: { icon: CircleX, tone: 'danger' },
  Inconclusive: { icon: CircleHelp, tone: 'warning' },
  Error: { icon: TriangleAlert, tone: 'violet' },
};

const UNKNOWN: Look = { icon: CircleHelp, tone: 'neutral' };
export const PENDING: Look = { icon: CircleDashed, tone: 'neutral' };

export function healthLook(status: HealthStatusCode): Look {
  return HEALTH[status] ?? UNKNOWN;
}

export function toneClass(tone: Tone): string | undefined {
  return styles[tone];
}

interface Props {
  size?: number;
  /** The icon alone; the words are read out and shown on hover. */
  iconOnly?: boolean;
  className?: string;
}

function Status({ look, label, size = 15, iconOnly, className }: Props & { look: Look; label: string }) {
  const Icon = look.icon;
  return (
    <span className={clsx(styles.status, styles[look.tone], className)} title={iconOnly ? label : undefined}>
      <Icon aria-hidden size={size} className={look.spin ? styles.spin : undefined} />
      <span className={iconOnly ? 'sr-only' : undefined}>{label}</span>
    </span>
  );
}

export function Health({ status, ...rest }: Props & { status: HealthStatusCode }) {
  const { t } = useTranslation();
  return <Status look={healthLook(status)} label={t(`health.${status}`, { defaultValue: status })} {...rest} />;
}

export function Sync({ status, ...rest }: Props & { status: SyncStatusCode }) {
  const { t } = useTranslation();
  return <Status look={SYNC[status] ?? UNKNOWN} label={t(`sync.${status}`, { defaultValue: status })} {...rest} />;
}

export function Phase({ phase, ...rest }: Props & { phase: OperationPhase }) {
  const { t } = useTranslation();
  return <Status look={PHASE[phase] ?? UNKNOWN} label={t(`phase.${phase}`, { defaultValue: phase })} {...rest} />;
}

export function RolloutPhase({ phase, ...rest }: Props & { phase: RolloutPhaseCode | undefined }) {
  const { t } = useTranslation();
  return <Status look={phase ? ROLLOUT[phase] : UNKNOWN} label={t(`rollout.phase.${phase ?? 'Unknown'}`)} {...rest} />;
}

export function rolloutTone(phase: RolloutPhaseCode | undefined): Tone {
  return phase ? ROLLOUT[phase].tone : 'neutral';
}

/** How a metric or one of its measurements was judged. */
export function Judgement({ phase, ...rest }: Props & { phase: string | undefined }) {
  const { t } = useTranslation();
  const look = phase ? MEASUREMENT[phase] : undefined;
  return <Status look={look ?? UNKNOWN} label={t(`rollout.judgement.${(look ? phase : 'Unknown') as 'Unknown'}`)} {...rest} />;
}

export function Pending({ label, ...rest }: Props & { label: string }) {
  return <Status look={PENDING} label={label} {...rest} />;
}
