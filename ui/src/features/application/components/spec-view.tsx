import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Pencil } from 'lucide-react';
import { useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { parse } from 'yaml';
import type { Application, ApplicationSpec } from '@/api-types';
import { Button } from '@/components/button';
import { CodeView } from '@/components/code-view';
import { CopyButton } from '@/components/copy-button';
import { toastSuccess } from '@/components/toast';
import { appId, newest } from '@/lib/application';
import { toYaml } from '@/lib/manifest';
import { applicationQuery, updateApplication } from '../api/application';
import { SpecFacts } from './spec-facts';
import styles from './spec-view.module.css';

/** The application's own definition: the facts beside the YAML, which can be edited. */
export function SpecView({ app }: { app: Application }) {
  const { t } = useTranslation();
  const [draft, setDraft] = useState<{ text: string; base: Application } | undefined>();
  const text = useMemo(() => toYaml(app.spec), [app.spec]);
  return (
    <div className={styles.layout}>
      <SpecFacts app={app} />
      <section className={styles.yaml} aria-label={t('spec.yaml')}>
        <div className={styles.bar}>
          <h2 className={styles.title}>spec</h2>
          {draft ? null : (
            <>
              <CopyButton text={text} />
              <Button size="s" icon={<Pencil aria-hidden />} onClick={() => setDraft({ text, base: app })}>{t('common.edit')}</Button>
            </>
          )}
        </div>
        {draft ? <SpecEditor key={draft.base.metadata.resourceVersion} draft={draft} onDone={() => setDraft(undefined)} /> : <CodeView text={text} label="spec" />}
      </section>
    </div>
  );
}

type Parsed = { spec: ApplicationSpec } | { problem: string };

function parseSpec(text: string, notAMapping: string): Parsed {
  try {
    const value: unknown = parse(text);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return { problem: notAMapping };
    return { spec: value as ApplicationSpec };
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) };
  }
}

function SpecEditor({ draft, onDone }: { draft: { text: string; base: Application }; onDone: () => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const [text, setText] = useState(draft.text);
  const parsed = useMemo(() => parseSpec(text, t('spec.notAMapping')), [text, t]);
  const id = appId(draft.base);
  const save = useMutation({
    mutationFn: (spec: ApplicationSpec) => updateApplication(id, { ...draft.base, spec }),
    onSuccess: (next) => {
      client.setQueryData<Application>(applicationQuery(id).queryKey, (held) => newest(held, next));
      toastSuccess(t('spec.saved'));
      onDone();
    },
  });
  const problem = 'problem' in parsed ? parsed.problem : save.error?.message;
  return (
    <>
      <textarea className={styles.editor} aria-label={t('spec.yaml')} aria-invalid={'problem' in parsed} autoFocus spellCheck={false} value={text} onChange={(event) => setText(event.target.value)} />
      {problem ? <p role="alert" className={styles.problem}>{problem}</p> : null}
      <div className={styles.foot}>
        <Button onClick={onDone}>{t('common.cancel')}</Button>
        <Button tone="primary" busy={save.isPending} disabled={'problem' in parsed || text === draft.text} onClick={() => 'spec' in parsed && save.mutate(parsed.spec)}>{t('common.save')}</Button>
      </div>
    </>
  );
}
