import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, Outlet, useNavigate, useParams } from '@tanstack/react-router';
import { ChevronRight, CircleUser, Keyboard, LogOut, Search } from 'lucide-react';
import { Suspense, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { IconButton } from '@/components/button';
import { Skeleton } from '@/components/empty';
import { ExternalLink } from '@/components/external-link';
import { Logo } from '@/components/logo';
import { Menu } from '@/components/menu';
import { AppSwitcher } from '@/features/applications/components/app-switcher';
import { logout, settingsQuery, userInfoQuery, versionQuery } from '@/features/session/api/session';
import { useCommandKey, useHotkey } from '@/lib/use-hotkey';
import { LanguageMenu, ThemeMenu } from './preference-menus';
import { ShortcutsDialog } from './shortcuts-dialog';
import styles from './shell.module.css';

export function Shell() {
  const { t } = useTranslation();
  const { namespace, name } = useParams({ strict: false });
  const settings = useQuery(settingsQuery);
  const [shortcuts, setShortcuts] = useState(false);
  const [switcher, setSwitcher] = useState(false);
  const navigate = useNavigate();
  useHotkey('?', () => setShortcuts(true));
  useCommandKey('k', () => setSwitcher(true));
  return (
    <div className={styles.shell}>
      <a href="#main" className={styles.skip} onClick={focusMain}>{t('shell.skip')}</a>
      {settings.data?.uiBannerContent ? (
        <div className={styles.banner} role="note"><ExternalLink href={settings.data.uiBannerURL} plain>{settings.data.uiBannerContent}</ExternalLink></div>
      ) : null}
      <header className={styles.top}>
        <Link to="/applications" className={styles.brand}><Logo /><span>Driftless</span></Link>
        <nav aria-label={t('shell.path')} className={styles.crumbs}>
          <ChevronRight aria-hidden size={14} />
          <Link to="/applications" className={styles.crumb}>{t('applications.title')}</Link>
          {name ? (
            <>
              <ChevronRight aria-hidden size={14} />
              <span aria-current="page" className={styles.here}><span className={styles.namespace}>{namespace}/</span>{name}</span>
            </>
          ) : null}
        </nav>
        <div className={styles.tools}>
          <button type="button" className={styles.jump} aria-keyshortcuts="Control+K Meta+K" onClick={() => setSwitcher(true)}>
            <Search aria-hidden size={14} />
            <span>{t('switcher.open')}</span>
            <kbd>{/Mac/.test(navigator.userAgent) ? '⌘K' : 'Ctrl K'}</kbd>
          </button>
          <span className={styles.keys}><IconButton label={t('shell.shortcuts')} onClick={() => setShortcuts(true)}><Keyboard /></IconButton></span>
          <LanguageMenu />
          <ThemeMenu />
          <UserMenu />
        </div>
      </header>
      <main id="main" tabIndex={-1} className={styles.main}>
        <Suspense fallback={<Skeleton lines={10} />}><Outlet /></Suspense>
      </main>
      {switcher ? (
        <AppSwitcher
          onClose={() => setSwitcher(false)}
          onOpen={(app) => {
            setSwitcher(false);
            void navigate({ to: '/applications/$namespace/$name', params: { namespace: app.metadata.namespace ?? '', name: app.metadata.name } });
          }}
        />
      ) : null}
      {shortcuts ? <ShortcutsDialog onClose={() => setShortcuts(false)} /> : null}
    </div>
  );
}

// A fragment would be resolved against <base href>; move the focus by hand.
function focusMain(event: React.MouseEvent): void {
  event.preventDefault();
  document.getElementById('main')?.focus();
}

function UserMenu() {
  const { t } = useTranslation();
  const client = useQueryClient();
  const navigate = useNavigate();
  const user = useQuery(userInfoQuery);
  const version = useQuery(versionQuery);
  const name = user.data?.username;
  return (
    <Menu
      trigger={<IconButton label={t('shell.account')}><CircleUser /></IconButton>}
      entries={[
        { heading: name || t('shell.anonymous') },
        { heading: `Driftless ${version.data?.Version ?? ''}` },
        // A server without authentication knows no names, and nothing to sign out of.
        ...(name ? ['separator' as const] : []),
        ...(name ? [{ label: t('shell.logout'), icon: <LogOut />, onSelect: () => void logout(client).finally(() => navigate({ to: '/login' })) }] : []),
      ]}
    />
  );
}
