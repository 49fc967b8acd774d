import type { Application } from '@/api-types';
import { request } from '@/lib/http';

export function createApplication(app: Application): Promise<Application> {
  return request('api/v1/applications', { method: 'POST', body: app });
}
