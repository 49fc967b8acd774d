import { useQuery } from '@tanstack/react-query';
import { ArrowDownToLine, Clock, Download, History, RotateCw, WrapText } from 'lucide-react';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { KubernetesObject } from '@/api-types';
import { IconButton } from '@/components/button';
import { ErrorPanel } from '@/components/empty';
import { Select, TextInput } from '@/components/field';
import { resourceQuery } from '@/lib/api/resource';
import type { AppId } from '@/lib/application';
import { useDebounced } from '@/lib/use-debounced';
import type { GraphNode } from '../graph';
import { useLogs, type LogState } from '../hooks/use-logs';
import { LogLines } from './log-lines';
import styles from './logs.module.css';

const TAILS = [100, 500, 1_000, 5_000];

/** The containers a pod names, those that run for good first. */
export function containersOf(pod: KubernetesObject | undefined): string[] {
  const spec = pod?.spec as { containers?: { name: string }[]; initContainers?: { name: string }[] } | undefined;
  return [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])].map((container) => container.name);
}

interface Props {
  id: AppId;
  pods: readonly GraphNode[];
  nodes: readonly GraphNode[];
}

export function LogsTab({ id, pods }: Props) {
  const { t } = useTranslation();
  const [podId, setPodId] = useState(pods[0]?.id);
  const pod = pods.find((each) => each.id === podId) ?? pods[0];
  const manifest = useQuery({ ...resourceQuery(id, pod?.ref ?? { kind: 'Pod', name: '' }), enabled: pod !== undefined });
  const containers = containersOf(manifest.data);
  const [chosen, setContainer] = useState<string>();
  const container = chosen && containers.includes(chosen) ? chosen : containers[0] ?? '';
  const [follow, setFollow] = useState(true);
  const [tailLines, setTail] = useState(500);
  const [filter, setFilter] = useState('');
  const [previous, setPrevious] = useState(false);
  const [wrap, setWrap] = useState(false);
  const [times, setTimes] = useState(false);
  const [attempt, setAttempt] = useState(0);
  const settled = useDebounced(filter, 300);
  if (!pod) return null;
  const ready = container !== '' || manifest.isError;
  return (
    <div className={styles.logs}>
      <div className={styles.bar}>
        {pods.length > 1 ? (
          <Select aria-label={t('logs.pod')} className={styles.pod} value={pod.id} onChange={(event) => setPodId(event.target.value)}>
            {pods.map((each) => <option key={each.id} value={each.id}>{each.ref.name}</option>)}
          </Select>
        ) : null}
        <Select aria-label={t('logs.container')} className={styles.container} value={container} onChange={(event) => setContainer(event.target.value)}>
          {containers.map((name) => <option key={name} value={name}>{name}</option>)}
        </Select>
        <Select aria-label={t('logs.tail')} value={tailLines} onChange={(event) => setTail(Number(event.target.value))}>
          {TAILS.map((count) => <option key={count} value={count}>{t('logs.lastLines', { count })}</option>)}
        </Select>
        <TextInput className={styles.filter} placeholder={t('logs.filter')} aria-label={t('logs.filter')} title={t('logs.filterHint')} value={filter} onChange={(event) => setFilter(event.target.value)} />
        <IconButton label={t('logs.follow')} aria-pressed={follow} onClick={() => setFollow(!follow)}><ArrowDownToLine /></IconButton>
        <IconButton label={t('logs.previous')} aria-pressed={previous} onClick={() => setPrevious(!previous)}><History /></IconButton>
        <IconButton label={t('logs.timestamps')} aria-pressed={times} onClick={() => setTimes(!times)}><Clock /></IconButton>
        <IconButton label={t('logs.wrap')} aria-pressed={wrap} onClick={() => setWrap(!wrap)}><WrapText /></IconButton>
        <IconButton label={t('logs.restart')} onClick={() => setAttempt((now) => now + 1)}><RotateCw /></IconButton>
      </div>
      {ready ? (
        <LogStream
          id={id}
          request={{ podName: pod.ref.name, namespace: pod.ref.namespace ?? '', container, follow, tailLines, filter: settled, previous }}
          attempt={attempt}
          wrap={wrap}
          times={times}
          onRetry={() => setAttempt((now) => now + 1)}
        />
      ) : null}
    </div>
  );
}

interface StreamProps {
  id: AppId;
  request: Parameters<typeof useLogs>[1];
  attempt: number;
  wrap: boolean;
  times: boolean;
  onRetry: () => void;
}

function LogStream({ id, request, attempt, wrap, times, onRetry }: StreamProps) {
  const { t } = useTranslation();
  const { lines, state, error } = useLogs(id, request, attempt);
  const save = () => {
    const url = URL.createObjectURL(new Blob([lines.map((line) => line.text).join('\n')], { type: 'text/plain' }));
    const link = document.createElement('a');
    link.href = url;
    link.download = `${request.podName}-${request.container}.log`;
    link.click();
    URL.revokeObjectURL(url);
  };
  return (
    <>
      {error && lines.length === 0 ? <ErrorPanel title={t('logs.state.failed')} error={error} onRetry={onRetry} /> : null}
      <LogLines lines={lines} follow={request.follow} wrap={wrap} times={times} filter={request.filter} />
      <div className={styles.foot} role="status">
        <span className={state === 'failed' ? styles.failed : undefined}>{error && lines.length > 0 ? error.message : t(`logs.state.${state satisfies LogState}`)}</span>
        <span>{t('logs.count', { count: lines.length })}</span>
        <IconButton label={t('logs.download')} disabled={lines.length === 0} onClick={save}><Download /></IconButton>
      </div>
    </>
  );
}
