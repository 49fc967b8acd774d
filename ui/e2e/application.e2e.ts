import type { Locator, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { apply, closeBrowser, kubectl, makeRepo, manifests, openStage, picture, type Repo, type Stage } from './stage';

// One application from creation to deletion, in order: each test goes on where the one before it stopped.
describe('an application', () => {
  const name = `e2e-${Date.now().toString(36)}`;
  let stage: Stage;
  let page: Page;
  let repo: Repo;
  let first = '';
  let second = '';

  const status = (): Locator => page.getByRole('region', { name: 'Status' });
  const card = (title: string): Locator => status().getByRole('group', { name: title, exact: true });
  const open = (query = ''): Promise<void> => stage.goto(`/applications/argocd/${name}${query}`);

  beforeAll(async () => {
    repo = makeRepo();
    first = repo.commit('Serve the first model', manifests('v1', 1));
    stage = await openStage();
    page = stage.page;
  });
  afterEach(async (context) => {
    if (context.task.result?.state === 'fail') await picture(page, context.task.name);
  });
  afterAll(async () => {
    await stage.close();
    await closeBrowser();
    repo.remove();
  });

  async function sync(): Promise<void> {
    await page.getByRole('button', { name: 'Sync', exact: true }).click();
    const dialog = page.getByRole('dialog', { name: `Sync ${name}` });
    await dialog.getByRole('button', { name: 'Sync', exact: true }).click();
    await operationSucceeds();
  }

  async function operationSucceeds(): Promise<void> {
    const progress = page.getByRole('dialog', { name: 'Sync operation' });
    await progress.getByText('Succeeded').waitFor({ timeout: 120_000 });
    await progress.getByRole('button', { name: 'Close' }).last().click();
  }

  it('is created in the form', async () => {
    await stage.goto('/applications');
    await page.getByRole('button', { name: 'New application' }).first().click();
    const dialog = page.getByRole('dialog', { name: 'New application' });
    await dialog.getByRole('button', { name: 'Create' }).click();
    await dialog.getByText('This is needed').first().waitFor();
    await dialog.getByLabel('Name', { exact: false }).first().fill(name);
    await dialog.getByLabel('Repository').fill(repo.url);
    await dialog.getByLabel('Path').fill('app');
    await dialog.getByLabel('Namespace', { exact: false }).first().fill(name);
    await dialog.getByRole('button', { name: 'Create' }).click();
    await page.getByRole('heading', { name, level: 1 }).waitFor();
    await card('Sync').getByText('Out of sync').waitFor();
    await card('Sync').getByText(first.slice(0, 7)).waitFor();
    await card('Sync').getByText('Serve the first model').waitFor();
  });

  it('shows what a sync would do', async () => {
    await page.getByRole('tab', { name: /Diff/ }).click();
    const diff = page.getByRole('tabpanel', { name: /Diff/ });
    await diff.getByText('A sync would change 3 objects').waitFor();
    const config = diff.getByRole('region', { name: 'ConfigMap model-config', exact: true });
    await config.getByText('New', { exact: true }).waitFor();
    await config.getByText('version: v1', { exact: true }).waitFor();
    await page.getByRole('button', { name: 'Sync', exact: true }).click();
    const dialog = page.getByRole('dialog', { name: `Sync ${name}` });
    await dialog.getByRole('checkbox', { name: 'Dry run' }).click();
    await dialog.getByRole('button', { name: 'Run dry' }).click();
    const progress = page.getByRole('dialog', { name: 'Sync operation' });
    await progress.getByText('Succeeded').waitFor();
    await progress.getByText(/Dry run/).waitFor();
    const objects = progress.getByRole('list', { name: 'Objects of the operation' }).getByRole('listitem');
    for (const object of ['ConfigMap model-config', 'Deployment model', 'Service model']) await objects.filter({ hasText: object }).waitFor();
    await progress.getByRole('button', { name: 'Close' }).last().click();
    await card('Sync').getByText('Out of sync').waitFor();
    expect(kubectl('get', 'configmap', 'model-config', '--namespace', name, '--ignore-not-found') ?? '').toBe('');
  });

  it('is synced with progress per object', async () => {
    await page.getByRole('tab', { name: /Resources/ }).click();
    await sync();
    await card('Sync').getByText('Synced', { exact: true }).waitFor();
    await card('Health').getByText('Healthy').waitFor({ timeout: 120_000 });
  });

  it('has a tree that grows by itself', async () => {
    const tree = page.getByRole('group', { name: 'Resource tree' });
    await tree.getByRole('button', { name: /^Deployment model/ }).waitFor();
    await tree.getByRole('button', { name: /^ReplicaSet model-/ }).waitFor();
    await tree.getByRole('button', { name: /^Pod model-/ }).waitFor();
    await tree.getByRole('button', { name: /^Deployment model/ }).click();
    const panel = page.getByRole('complementary', { name: 'Deployment model' });
    await panel.getByRole('tab', { name: 'Live manifest' }).click();
    await panel.getByText('registry.example.com/model:v1').first().waitFor();
    await panel.getByRole('tab', { name: 'Events' }).click();
    await panel.getByText('ScalingReplicaSet').first().waitFor();
    await page.keyboard.press('Escape');
  });

  it('is found in the list by search and filters', async () => {
    await stage.goto('/applications');
    await page.getByRole('grid').waitFor();
    await page.keyboard.press('/');
    await page.keyboard.type(name);
    await page.waitForURL((url) => url.searchParams.get('q') === name);
    const row = page.getByRole('row').filter({ hasText: name });
    await row.getByText('Synced').waitFor();
    await page.getByRole('region', { name: 'Sync', exact: true }).getByRole('checkbox', { name: 'Out of sync' }).click();
    await page.getByText('No application matches').waitFor();
    expect(new URL(page.url()).searchParams.get('sync')).toBe('OutOfSync');
    await page.goBack();
    await row.click();
    await page.getByRole('heading', { name, level: 1 }).waitFor();
  });

  it('is filtered by the address alone', async () => {
    await stage.goto(`/applications?q=${name}&sync=Synced&view=tiles`);
    await page.getByRole('list', { name: 'Applications' }).getByRole('link', { name: new RegExp(name) }).waitFor();
    const synced = page.getByRole('region', { name: 'Sync', exact: true }).getByRole('checkbox', { name: 'Synced' });
    expect(await synced.isChecked()).toBe(true);
    await page.getByRole('button', { name: 'Clear filters' }).click();
    await page.waitForURL((url) => !url.searchParams.has('q') && !url.searchParams.has('sync'));
    await open();
  });

  it('shows what someone changed in the cluster', async () => {
    await page.getByRole('tab', { name: /Diff/ }).click();
    await page.getByText('Nothing differs').waitFor();
    kubectl('scale', 'deployment', 'model', '--namespace', name, '--replicas', '5');
    await card('Sync').getByText('Out of sync').waitFor();
    const deployment = page.getByRole('tabpanel', { name: /Diff/ }).getByRole('region', { name: 'Deployment model', exact: true });
    await deployment.getByText('Changed').waitFor();
    const lines = (await deployment.getByRole('region', { name: 'Diff: Deployment model' }).innerText()).split('\n').map((line) => line.trim());
    expect(lines).toContain('replicas: 5');
    expect(lines).toContain('replicas: 1');
    await sync();
    await page.getByText('Nothing differs').waitFor();
  });

  it('tells events as they happen', async () => {
    await page.getByRole('tab', { name: 'Events' }).click();
    const events = page.getByRole('list', { name: 'Events' });
    await events.getByText('OperationCompleted').first().waitFor();
    const message = `note from the test at ${Date.now()}`;
    const uid = kubectl('get', 'application', name, '--namespace', 'argocd', '--output', 'jsonpath={.metadata.uid}');
    const event = {
      apiVersion: 'v1', kind: 'Event', metadata: { name: `${name}.note`, namespace: 'argocd' }, type: 'Warning', reason: 'Noted', message,
      involvedObject: { apiVersion: 'argoproj.io/v1alpha1', kind: 'Application', namespace: 'argocd', name, uid },
      lastTimestamp: new Date().toISOString().replace(/\.\d+/, ''),
    };
    apply(event);
    const told = events.getByRole('listitem').filter({ hasText: message });
    await told.getByText('Warning').waitFor({ timeout: 5_000 });
  });

  it('shows the log of its pods as it grows', async () => {
    await open(`?view=list&node=apps/Deployment/${name}/model&tab=logs`);
    const panel = page.getByRole('complementary', { name: 'Deployment model' });
    await panel.getByText(/alive, beat \d+/).first().waitFor();
    await panel.getByRole('status').getByText('Following').waitFor();
    const count = async () => Number.parseInt(await panel.getByRole('status').getByText(/^\d+ lines?$/).innerText(), 10);
    const before = await count();
    await expect.poll(count, { timeout: 120_000 }).toBeGreaterThan(before);
    await panel.getByRole('textbox', { name: 'Filter…' }).fill('no line has this');
    await panel.getByRole('status').getByText('0 lines').waitFor();
    await panel.getByRole('button', { name: 'Close' }).click();
  });

  it('says in full what is wrong with a commit, until it is put right', async () => {
    repo.commit('Break the configuration', { 'app/config.yaml': 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: [\n' });
    await page.getByRole('button', { name: 'Refresh' }).click();
    const condition = page.getByRole('region', { name: 'Conditions' }).getByRole('alert');
    await condition.getByText('Comparison error').waitFor();
    await condition.getByText(/config\.yaml/).waitFor();
    await card('Sync').getByText('Unknown').waitFor();
    repo.commit('Put the configuration right', manifests('v1', 1));
    await page.getByRole('button', { name: 'Refresh' }).click();
    await condition.waitFor({ state: 'detached' });
    await card('Sync').getByText('Synced', { exact: true }).waitFor();
  });

  it('follows a commit without a reload', async () => {
    second = repo.commit('Serve the second model', manifests('v2', 2));
    await page.getByRole('button', { name: 'Refresh' }).click();
    await card('Sync').getByText('Out of sync').waitFor();
    await card('Sync').getByText('Serve the second model').waitFor();
    await page.getByRole('tab', { name: /Diff/ }).click();
    await page.getByText('A sync would change 2 objects').waitFor();
    await page.getByRole('tab', { name: /Resources/ }).click();
    await sync();
    await card('Sync').getByText('Synced', { exact: true }).waitFor();
    await page.getByRole('button', { name: /^Pod model-/ }).nth(1).waitFor({ timeout: 120_000 });
  });

  it('is rolled back after a confirmation', async () => {
    await page.getByRole('tab', { name: /History/ }).click();
    const entries = page.getByRole('list', { name: 'Deployments' }).getByRole('listitem');
    await entries.nth(1).waitFor();
    await entries.first().getByText(second.slice(0, 7)).waitFor();
    await entries.last().getByRole('button', { name: /Roll back/ }).click();
    const dialog = page.getByRole('dialog', { name: /Roll back to/ });
    await dialog.getByText(first.slice(0, 7)).waitFor();
    await dialog.getByText('Serve the first model').waitFor();
    await dialog.getByText('the application will be out of sync').waitFor();
    await dialog.getByRole('button', { name: 'Cancel' }).click();
    await dialog.waitFor({ state: 'detached' });
    await entries.last().getByRole('button', { name: /Roll back/ }).click();
    await dialog.getByRole('button', { name: 'Roll back' }).click();
    await operationSucceeds();
    await entries.first().getByText(first.slice(0, 7)).waitFor();
    await open('?view=list');
    await page.getByRole('row').filter({ hasText: 'model-config' }).click();
    await page.getByRole('tab', { name: 'Live manifest' }).click();
    await page.getByRole('region', { name: 'Live manifest' }).getByText('v1', { exact: true }).first().waitFor();
  });

  it('shows an object that was deleted as missing', async () => {
    await open('?view=list&node=/Service/' + name + '/model');
    const panel = page.getByRole('complementary', { name: 'Service model' });
    await panel.getByRole('button', { name: 'More actions' }).click();
    await page.getByRole('menuitem', { name: 'Delete object', exact: true }).click();
    await page.getByRole('dialog', { name: 'Delete object' }).getByRole('button', { name: 'Delete' }).click();
    await panel.getByText('Missing').first().waitFor();
  });

  it('speaks Korean', async () => {
    await page.getByRole('button', { name: 'Language' }).click();
    await page.getByRole('menuitem', { name: '한국어' }).click();
    await page.getByRole('button', { name: '동기화', exact: true }).waitFor();
    await page.getByRole('button', { name: '언어' }).click();
    await page.getByRole('menuitem', { name: 'English' }).click();
    await page.getByRole('button', { name: 'Sync', exact: true }).waitFor();
  });

  it('is deleted once its name is typed, with its objects', async () => {
    await open();
    await page.getByRole('button', { name: 'More actions' }).first().click();
    await page.getByRole('menuitem', { name: 'Delete' }).click();
    const dialog = page.getByRole('dialog', { name: `Delete ${name}` });
    await dialog.getByRole('textbox').fill(name);
    await dialog.getByRole('button', { name: 'Delete' }).click();
    await page.waitForURL((url) => url.pathname.endsWith('/applications'));
    await page.getByRole('row').filter({ hasText: name }).waitFor({ state: 'detached', timeout: 120_000 });
  });
});
