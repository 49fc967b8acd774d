import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Button } from '@/components/button';
import { Field, TextInput } from '@/components/field';
import { Logo } from '@/components/logo';
import { ApiError } from '@/lib/http';
import { login } from '../api/session';
import styles from './login-form.module.css';

export function LoginForm({ onDone }: { onDone: () => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const [username, setUsername] = useState('');
  const [password, setPassword] = useState('');
  const attempt = useMutation({ mutationFn: () => login(client, username, password), onSuccess: onDone });
  return (
    <div className={styles.card}>
      <div className={styles.brand}>
        <Logo size={36} />
        <h1 className={styles.title}>Driftless</h1>
        <p className={styles.tagline}>{t('login.tagline')}</p>
      </div>
      <form
        className={styles.form}
        onSubmit={(event) => {
          event.preventDefault();
          attempt.mutate();
        }}
      >
        <Field label={t('login.username')}>
          {({ id }) => (
            <TextInput id={id} autoFocus autoComplete="username" required value={username} onChange={(event) => setUsername(event.target.value)} />
          )}
        </Field>
        <Field label={t('login.password')}>
          {({ id }) => (
            <TextInput id={id} type="password" autoComplete="current-password" required value={password} onChange={(event) => setPassword(event.target.value)} />
          )}
        </Field>
        {attempt.isError ? <p role="alert" className={styles.error}>{explain(attempt.error, t('login.refused'), t('login.unreachable'))}</p> : null}
        <Button type="submit" tone="primary" busy={attempt.isPending}>{t('login.submit')}</Button>
      </form>
    </div>
  );
}

function explain(error: unknown, refused: string, unreachable: string): string {
  if (error instanceof ApiError && error.status === 401) return refused;
  if (error instanceof ApiError && error.status === 0) return unreachable;
  return error instanceof Error ? error.message : String(error);
}
