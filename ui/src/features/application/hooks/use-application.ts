import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import type { Application, ApplicationWatchEvent } from '@/api-types';
import { newest, type AppId } from '@/lib/application';
import type { StreamState } from '@/lib/stream';
import { useStream } from '@/lib/use-stream';
import { applicationQuery } from '../api/application';

interface Live {
  app: Application | undefined;
  error: Error | null;
  /** It was there and is gone. */
  deleted: boolean;
  stream: StreamState;
  retry: () => void;
}

/** One application, kept up to date by its stream. */
export function useApplication(id: AppId): Live {
  const client = useQueryClient();
  const query = useQuery(applicationQuery(id));
  const [deletedUid, setDeletedUid] = useState<string | undefined>();
  const { queryKey } = applicationQuery(id);
  const stream = useStream<ApplicationWatchEvent>({
    path: 'api/v1/stream/applications',
    query: { name: id.name, appNamespace: id.namespace },
    onMessage: ({ type, application }) => {
      if (application.metadata.name !== id.name) return;
      if (type === 'DELETED') {
        setDeletedUid(application.metadata.uid ?? 'gone');
        return;
      }
      setDeletedUid(undefined);
      client.setQueryData<Application>(queryKey, (held) => newest(held, application));
    },
    onReconnected: () => void client.invalidateQueries({ queryKey }),
  });
  const app = query.data;
  return {
    app,
    error: query.error,
    deleted: deletedUid !== undefined && (app === undefined || deletedUid === 'gone' || deletedUid === app.metadata.uid),
    stream,
    retry: () => void query.refetch(),
  };
}
