import { LoaderCircle } from 'lucide-react';
import styles from './spinner.module.css';

export function Spinner({ size = 15 }: { size?: number }) {
  return <LoaderCircle aria-hidden size={size} className={styles.spin} />;
}
