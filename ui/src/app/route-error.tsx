import { Link, type ErrorComponentProps } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { Empty, ErrorPanel } from '@/components/empty';

export function RouteError({ error, reset }: ErrorComponentProps) {
  return <ErrorPanel error={error} onRetry={reset} />;
}

export function NotFound() {
  const { t } = useTranslation();
  return <Empty title={t('notFound.title')} action={<Link to="/applications">{t('notFound.back')}</Link>} />;
}
