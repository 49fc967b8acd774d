import { useNavigate, useSearch } from '@tanstack/react-router';
import { LoginForm } from '@/features/session/components/login-form';
import { LanguageMenu, ThemeMenu } from '../preference-menus';
import styles from './login-page.module.css';

export function LoginPage() {
  const navigate = useNavigate();
  const { return: returnTo } = useSearch({ from: '/login' });
  return (
    <main className={styles.page}>
      <div className={styles.corner}><LanguageMenu /><ThemeMenu /></div>
      <LoginForm onDone={() => void navigate({ href: returnTo ?? '/applications', replace: true })} />
    </main>
  );
}
