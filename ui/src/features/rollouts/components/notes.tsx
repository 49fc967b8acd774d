import clsx from 'clsx';
import { Ban, Cpu, Hand, OctagonAlert } from 'lucide-react';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { Ago } from '@/components/time';
import type { Rollout, RolloutTarget } from '@/lib/rollout';
import styles from './notes.module.css';
import { Words } from './words';

/** What one has to know before one acts: what does not fit, what is kept out, who stopped it, what is wrong with the definition. */
export function Notes({ rollout, target }: { rollout: Rollout; target: RolloutTarget | undefined }) {
  const { t } = useTranslation();
  const phase = target?.phase ?? rollout.phase;
  const wrong = phase === 'Invalid' ? rollout.conditions.filter((each) => each.message && each.message !== rollout.message) : [];
  const wanted = target?.quarantined.find((each) => each.version === target.wanted);
  return (
    <div className={styles.notes}>
      {wrong.map((each) => <Note key={each.type} tone="danger" icon={<OctagonAlert />} title={each.type}>{each.message}</Note>)}
      {target?.pausedBy ? <Note tone="violet" icon={<Hand />} title={t('rollout.pausedTitle')}>{t('rollout.pausedBy', { name: target.pausedBy })}</Note> : null}
      {target?.fit && (target.canary || target.waitingFor?.startsWith('Capacity')) ? <Note tone={target.waitingFor === 'CapacityHold' ? 'warning' : 'neutral'} icon={<Cpu />} title={t('rollout.fit')}>{target.fit}</Note> : null}
      {wanted ? <Note tone="warning" icon={<Ban />} title={t('rollout.keptOutTitle')}>{t('rollout.keptOut', { version: wanted.version, stable: target?.stable.version ?? '–' })}</Note> : null}
    </div>
  );
}

function Note({ tone, icon, title, children }: { tone: 'danger' | 'warning' | 'violet' | 'neutral'; icon: ReactNode; title: string; children: ReactNode }) {
  return (
    <div className={clsx(styles.note, styles[tone])} role={tone === 'danger' ? 'alert' : 'status'}>
      <span aria-hidden className={styles.icon}>{icon}</span>
      <p><span className={styles.name}>{title}</span> {children}</p>
    </div>
  );
}

/** Versions that are not tried again, and why. */
export function Quarantine({ target }: { target: RolloutTarget }) {
  const { t } = useTranslation();
  if (target.quarantined.length === 0) return null;
  return (
    <section className={styles.card} aria-label={t('rollout.quarantined')}>
      <h3 className={styles.title}>{t('rollout.quarantined')}</h3>
      <ul>
        {[...target.quarantined].reverse().map((each) => (
          <li key={each.version} className={styles.version}>
            <p className={styles.line}><Ban aria-hidden size={13} /><code>{each.version}</code><Ago at={each.at} className={styles.time} /></p>
            <p className={styles.why}><Words text={each.reason} /></p>
          </li>
        ))}
      </ul>
    </section>
  );
}
