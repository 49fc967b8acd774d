import { Languages, Moon, Sun, SunMoon } from 'lucide-react';
import { useTranslation } from 'react-i18next';
import { IconButton } from '@/components/button';
import { Menu } from '@/components/menu';
import { changeLanguage, LANGUAGES } from '@/lib/i18n';
import { setTheme, THEMES, useTheme } from '@/lib/theme';

const NAMES = { en: 'English', ko: '한국어' };

export function LanguageMenu() {
  const { t, i18n } = useTranslation();
  return (
    <Menu
      trigger={<IconButton label={t('preferences.language')}><Languages /></IconButton>}
      entries={LANGUAGES.map((language) => ({ label: NAMES[language], checked: i18n.language === language, onSelect: () => void changeLanguage(language) }))}
    />
  );
}

const ICONS = { system: <SunMoon />, light: <Sun />, dark: <Moon /> };

export function ThemeMenu() {
  const { t } = useTranslation();
  const theme = useTheme();
  return (
    <Menu
      trigger={<IconButton label={t('preferences.theme')}>{ICONS[theme]}</IconButton>}
      entries={THEMES.map((each) => ({ label: t(`preferences.${each}`), checked: theme === each, onSelect: () => setTheme(each) }))}
    />
  );
}
