import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { closeBrowser, needsLogin, openStage, password, picture, username, type Stage } from './stage';

describe('login', () => {
  let stage: Stage;
  let asked = true;

  beforeAll(async () => {
    asked = await needsLogin();
    stage = await openStage({ login: false });
  });
  afterEach(async (context) => {
    if (context.task.result?.state === 'fail') await picture(stage.page, context.task.name);
  });
  afterAll(async () => {
    await stage.close();
    await closeBrowser();
  });

  it('refuses a wrong password in plain words', async (context) => {
    if (!asked) context.skip('the server runs without authentication');
    await stage.goto('/applications?sync=OutOfSync');
    await stage.page.getByLabel('User name').fill(username);
    await stage.page.getByLabel('Password').fill('certainly wrong');
    await stage.page.getByRole('button', { name: 'Sign in' }).click();
    await stage.page.getByRole('alert').filter({ hasText: 'not right' }).waitFor();
  });

  it('lets the right one in, to where one wanted to be', async (context) => {
    if (!asked) context.skip('the server runs without authentication');
    await stage.page.getByLabel('Password').fill(password());
    await stage.page.getByRole('button', { name: 'Sign in' }).click();
    await stage.page.getByRole('heading', { name: 'Applications' }).waitFor();
    expect(new URL(stage.page.url()).search).toBe('?sync=OutOfSync');
  });

  it('keeps the session over a reload and ends it on request', async (context) => {
    if (!asked) context.skip('the server runs without authentication');
    await stage.page.reload();
    await stage.page.getByRole('heading', { name: 'Applications' }).waitFor();
    await stage.page.getByRole('button', { name: 'Account' }).click();
    await stage.page.getByRole('menuitem', { name: 'Sign out' }).click();
    await stage.page.getByLabel('User name').waitFor();
    await stage.goto('/applications');
    await stage.page.getByLabel('User name').waitFor();
  });

  it('opens at once on a server without authentication', async (context) => {
    if (asked) context.skip('the server asks for a login');
    await stage.goto('/');
    await stage.page.getByRole('heading', { name: 'Applications' }).waitFor();
  });
});
