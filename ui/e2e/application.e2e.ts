import type { Locator, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { closeBrowser, makeRepo, manifests, openStage, picture, type Repo, type Stage } from './stage';

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
    await progress.getByText('Succeeded').waitFor({ timeout: 60_000 });
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

  it('is synced with progress per object', async () => {
    await page.getByRole('tab', { name: /Resources/ }).click();
    await sync();
    await card('Sync').getByText('Synced', { exact: true }).waitFor();
    await card('Health').getByText('Healthy').waitFor({ timeout: 60_000 });
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
    await page.getByRole('button', { name: /^Pod model-/ }).nth(1).waitFor({ timeout: 60_000 });
  });

  it('is rolled back after a confirmation', async () => {
    await page.getByRole('tab', { name: /History/ }).click();
    const entries = page.getByRole('list', { name: 'Deployments' }).getByRole('listitem');
    await entries.nth(1).waitFor();
    await entries.first().getByText(second.slice(0, 7)).waitFor();
    await entries.last().getByRole('button', { name: /Roll back/ }).click();
    const dialog = page.getByRole('dialog', { name: /Roll back to/ });
    await dialog.getByText(first.slice(0, 7)).waitFor();
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
    await page.getByRole('row').filter({ hasText: name }).waitFor({ state: 'detached', timeout: 60_000 });
  });
});
