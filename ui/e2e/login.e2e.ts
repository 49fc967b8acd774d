import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { closeBrowser, needsLogin, openStage, openUrl, password, picture, username, type Stage } from './stage';

afterAll(closeBrowser);

describe('login', () => {
  let stage: Stage;

  beforeAll(async () => {
    expect(await needsLogin(), 'the server at DRIFTLESS_URL must ask for a login').toBe(true);
    stage = await openStage({ login: false });
  });
  afterEach(async (context) => {
    if (context.task.result?.state === 'fail') await picture(stage.page, context.task.name);
  });
  afterAll(() => stage.close());

  it('refuses a wrong password in plain words', async () => {
    await stage.goto('/applications?sync=OutOfSync');
    await stage.page.getByLabel('User name').fill(username);
    await stage.page.getByLabel('Password').fill('certainly wrong');
    await stage.page.getByRole('button', { name: 'Sign in' }).click();
    await stage.page.getByRole('alert').filter({ hasText: 'not right' }).waitFor();
  });

  it('lets the right one in, to where one wanted to be', async () => {
    await stage.page.getByLabel('Password').fill(password());
    await stage.page.getByRole('button', { name: 'Sign in' }).click();
    await stage.page.getByRole('heading', { name: 'Applications' }).waitFor();
    expect(new URL(stage.page.url()).search).toBe('?sync=OutOfSync');
  });

  it('keeps the session over a reload and ends it on request', async () => {
    await stage.page.reload();
    await stage.page.getByRole('heading', { name: 'Applications' }).waitFor();
    await stage.page.getByRole('button', { name: 'Account' }).click();
    await stage.page.getByRole('menuitem', { name: 'Sign out' }).click();
    await stage.page.getByLabel('User name').waitFor();
    await stage.goto('/applications');
    await stage.page.getByLabel('User name').waitFor();
  });

  it("speaks the browser's language", async () => {
    const korean = await openStage({ login: false, locale: 'ko-KR' });
    await korean.goto('/');
    await korean.page.getByLabel('사용자 이름').waitFor();
    await korean.page.getByRole('button', { name: '로그인' }).waitFor();
    expect(await korean.page.locator('html').getAttribute('lang')).toBe('ko');
    await korean.close();
  });
});

describe.skipIf(openUrl === undefined)('a server without authentication', () => {
  it('opens at once', async () => {
    const stage = await openStage({ login: false, server: openUrl });
    expect(await needsLogin(openUrl)).toBe(false);
    await stage.goto('/');
    await stage.page.getByRole('heading', { name: 'Applications' }).waitFor();
    await stage.page.getByRole('button', { name: 'New application' }).first().waitFor();
    await stage.close();
  });
});
