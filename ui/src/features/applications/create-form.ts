import type { Application } from '@/api-types';
import { isValidName } from '@/lib/format';

/** The fields of the form for a new application, and what they become. */
export interface CreateForm {
  name: string;
  project: string;
  repoURL: string;
  path: string;
  targetRevision: string;
  cluster: string;
  namespace: string;
  automated: boolean;
  prune: boolean;
  selfHeal: boolean;
  createNamespace: boolean;
}

export const EMPTY_FORM: CreateForm = {
  name: '', project: 'default', repoURL: '', path: '.', targetRevision: 'HEAD', cluster: 'in-cluster', namespace: '',
  automated: false, prune: false, selfHeal: false, createNamespace: true,
};

export type CreateErrors = Partial<Record<keyof CreateForm, 'required' | 'name'>>;

export function checkForm(form: CreateForm): CreateErrors {
  const errors: CreateErrors = {};
  for (const key of ['name', 'project', 'repoURL', 'path', 'cluster', 'namespace'] as const) {
    if (!form[key].trim()) errors[key] = 'required';
  }
  if (!errors.name && !isValidName(form.name.trim())) errors.name = 'name';
  if (!errors.namespace && !isValidName(form.namespace.trim())) errors.namespace = 'name';
  return errors;
}

export function toApplication(form: CreateForm): Application {
  const cluster = form.cluster.trim();
  return {
    apiVersion: 'argoproj.io/v1alpha1',
    kind: 'Application',
    metadata: { name: form.name.trim() },
    spec: {
      project: form.project.trim(),
      source: { repoURL: form.repoURL.trim(), path: form.path.trim(), targetRevision: form.targetRevision.trim() || 'HEAD' },
      destination: { ...(/^https?:\/\//.test(cluster) ? { server: cluster } : { name: cluster }), namespace: form.namespace.trim() },
      ...(form.automated || form.createNamespace
        ? {
            syncPolicy: {
              ...(form.automated ? { automated: { prune: form.prune, selfHeal: form.selfHeal } } : {}),
              ...(form.createNamespace ? { syncOptions: ['CreateNamespace=true'] } : {}),
            },
          }
        : {}),
    },
  };
}
