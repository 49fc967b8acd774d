import { afterAll, afterEach, beforeAll, describe, it } from 'vitest';
import { apply, closeBrowser, kubectl, makeRepo, manifests, openStage, picture, type Repo, type Stage } from './stage';

// Automation on: it heals, a rollback holds against it, and the next commit resumes. In order.
describe('an application with automatic sync', () => {
  const name = `auto-${Date.now().toString(36)}`;
  let stage: Stage;
  let repo: Repo;

  const card = (title: string) => stage.page.getByRole('region', { name: 'Status' }).getByRole('group', { name: title, exact: true });
  const conditions = () => stage.page.getByRole('region', { name: 'Conditions' });

  beforeAll(async () => {
    repo = makeRepo();
    repo.commit('Serve the first model', manifests('v1', 1));
    apply({
      apiVersion: 'argoproj.io/v1alpha1', kind: 'Application', metadata: { name, namespace: 'argocd', finalizers: ['resources-finalizer.argocd.argoproj.io'] },
      spec: {
        project: 'default', source: { repoURL: repo.url, path: 'app', targetRevision: 'main' }, destination: { name: 'in-cluster', namespace: name },
        syncPolicy: { automated: { prune: true, selfHeal: true }, syncOptions: ['CreateNamespace=true'] },
      },
    });
    stage = await openStage();
    await stage.goto(`/applications/argocd/${name}?view=history`);
  });
  afterEach(async (context) => {
    if (context.task.result?.state === 'fail') await picture(stage.page, context.task.name);
  });
  afterAll(async () => {
    await stage.close();
    await closeBrowser();
    kubectl('delete', 'application', name, '--namespace', 'argocd', '--wait=false');
    repo.remove();
  });

  it('deploys each commit by itself, and the page follows', async () => {
    const { page } = stage;
    const entries = page.getByRole('list', { name: 'Deployments' }).getByRole('listitem');
    await entries.filter({ hasText: 'Serve the first model' }).getByText('Automation').waitFor();
    repo.commit('Serve the second model', manifests('v2', 1));
    await page.getByRole('button', { name: 'Refresh' }).click();
    await entries.filter({ hasText: 'Serve the second model' }).getByText('Current').waitFor();
    await card('Sync').getByText('Synced', { exact: true }).waitFor();
  });

  it('puts right what someone deleted', async () => {
    const { page } = stage;
    await page.getByRole('tab', { name: 'Events' }).click();
    kubectl('delete', 'deployment', 'model', '--namespace', name);
    await page.getByRole('list', { name: 'Events' }).getByText(/Partial sync operation to \w+ succeeded/).first().waitFor();
    await card('Sync').getByText('Synced', { exact: true }).waitFor();
    kubectl('get', 'deployment', 'model', '--namespace', name);
  });

  it('stays rolled back although automation is on, and says why', async () => {
    const { page } = stage;
    await page.getByRole('tab', { name: /History/ }).click();
    await page.getByRole('button', { name: 'Roll back to #0' }).click();
    const dialog = page.getByRole('dialog', { name: 'Roll back to #0' });
    await dialog.getByText(/Automatic sync stays on/).waitFor();
    await dialog.getByRole('button', { name: 'Roll back' }).click();
    const progress = page.getByRole('dialog', { name: 'Sync operation' });
    await progress.getByText('Succeeded').waitFor({ timeout: 120_000 });
    await progress.getByRole('button', { name: 'Close' }).last().click();
    await conditions().getByText(/is quarantined after a rollback/).waitFor();
    await page.getByRole('listitem').filter({ hasText: 'Serve the second model' }).getByText('Quarantined').waitFor();
    await card('Sync').getByText('Out of sync').waitFor();
  });

  it('goes on with the next commit', async () => {
    const { page } = stage;
    repo.commit('Serve the third model', manifests('v3', 1));
    await page.getByRole('button', { name: 'Refresh' }).click();
    await page.getByRole('listitem').filter({ hasText: 'Serve the third model' }).getByText('Current').waitFor();
    await conditions().getByText(/is quarantined/).waitFor({ state: 'detached' });
    await card('Sync').getByText('Synced', { exact: true }).waitFor();
  });
});
