import { apply, kubectl } from './stage';

/** Objects of the rollouts' tests: a model behind a route, and how its new versions take traffic. YAML is JSON as well. */

export interface Metric {
  name: string;
  url: string;
  success?: string;
  failure?: string;
  compare?: Record<string, number>;
  interval?: string;
  count?: number;
  failureLimit?: number;
  inconclusiveLimit?: number;
  consecutiveErrorLimit?: number;
}

export function metric({ url, success, failure, ...rest }: Metric): Record<string, unknown> {
  return {
    interval: '1s', ...rest,
    ...(success ? { successCondition: success } : {}), ...(failure ? { failureCondition: failure } : {}),
    provider: { web: { url, jsonPath: '{$.value}' } },
  };
}

export function deployment(name: string, version: string, labels: Record<string, string> = {}, replicas = 2): unknown {
  return {
    apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name, labels },
    spec: {
      replicas, selector: { matchLabels: { app: name } },
      template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'server', image: `registry.example.com/model:${version}` }] } },
    },
  };
}

export function service(name: string): unknown {
  return { apiVersion: 'v1', kind: 'Service', metadata: { name }, spec: { selector: { app: name }, ports: [{ name: 'http', port: 80, targetPort: 8080 }] } };
}

export function route(name: string): unknown {
  return {
    apiVersion: 'gateway.networking.k8s.io/v1', kind: 'HTTPRoute', metadata: { name },
    spec: { rules: [{ matches: [{ path: { type: 'PathPrefix', value: '/' } }], backendRefs: [{ group: '', kind: 'Service', name, port: 80, weight: 1 }] }] },
  };
}

export function modelRollout(name: string, target: Record<string, unknown>, canary: Record<string, unknown>, spec: Record<string, unknown> = {}): unknown {
  return { apiVersion: 'driftless.dev/v1alpha1', kind: 'ModelRollout', metadata: { name }, spec: { ...target, strategy: { canary }, ...spec } };
}

export const text = (objects: readonly unknown[]): string => objects.map((object) => JSON.stringify(object, null, 1)).join('\n---\n');

/** An Application that follows its repository, healing and pruning by itself. */
export function followedApp(name: string, url: string): void {
  apply({
    apiVersion: 'argoproj.io/v1alpha1', kind: 'Application', metadata: { name, namespace: 'argocd', finalizers: ['resources-finalizer.argocd.argoproj.io'] },
    spec: {
      project: 'default', source: { repoURL: url, path: 'app', targetRevision: 'main' }, destination: { name: 'in-cluster', namespace: name },
      syncPolicy: { automated: { prune: true, selfHeal: true }, syncOptions: ['CreateNamespace=true'] },
    },
  });
}

/** Weights in the live route, by backend. */
export function weights(namespace: string, name: string): Record<string, number> {
  const live = JSON.parse(kubectl('get', 'httproute', name, '--namespace', namespace, '--output', 'json') ?? '{}') as {
    spec?: { rules?: { backendRefs?: { name: string; weight?: number }[] }[] };
  };
  return Object.fromEntries((live.spec?.rules?.[0]?.backendRefs ?? []).map((each) => [each.name, each.weight ?? 1]));
}

/** The image that serves. */
export function image(namespace: string, name: string): string | undefined {
  return kubectl('get', 'deployment', name, '--namespace', namespace, '--output', 'jsonpath={.spec.template.spec.containers[0].image}');
}
