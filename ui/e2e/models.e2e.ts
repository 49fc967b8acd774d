import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { lowContrast, tooWide } from './looks';
import { CHROMIUM, picture } from './stage';

// The Models page as a browser draws it, over the test double: what component tests cannot see. It needs no server.
describe('the models page', () => {
  const single = '/applications/argocd/churn-model-dev?view=models';
  const all = '/applications/argocd/ranker-dev?view=models';
  let server: ChildProcess;
  let address: string;
  let browser: Browser;
  let page: Page;

  beforeAll(async () => {
    [server, address] = await startDouble();
    browser = await chromium.launch(CHROMIUM);
  });
  afterEach(async (context) => {
    if (context.task.result?.state === 'fail') await picture(page, context.task.name);
    await page.context().close();
  });
  afterAll(async () => {
    await browser.close();
    server.kill();
  });

  async function open(path: string, options: BrowserContextOptions = {}): Promise<void> {
    const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, locale: 'en-US', reducedMotion: 'reduce', ...options });
    context.setDefaultTimeout(120_000);
    page = await context.newPage();
    await page.goto(address + path, { waitUntil: 'domcontentloaded' });
  }

  /** Shares of the bar, as drawn. */
  const drawnShare = () => page.getByRole('region', { name: 'Traffic' }).getByRole('img').evaluate((bar) => Math.round((100 * (bar.firstElementChild as HTMLElement).offsetWidth) / (bar as HTMLElement).offsetWidth));

  it('draws the split as the route has it, and moves it once the controller has', async () => {
    await open(single);
    await expect.poll(drawnShare).toBe(50);
    await page.getByRole('button', { name: 'Approve' }).click();
    await page.getByText('Sent; waiting for the controller…').waitFor();
    await page.getByRole('img', { name: 'New version 100 %, stable version 0 %' }).waitFor();
    await expect.poll(drawnShare).toBe(100);
    await page.getByRole('button', { name: 'Abort' }).click();
    await page.getByRole('dialog', { name: 'Abort' }).getByRole('button', { name: 'Abort' }).click();
    await page.getByRole('region', { name: 'Quarantined versions' }).getByText('7c1e02ab9d').waitFor();
    await expect.poll(drawnShare).toBe(0);
  });

  it('shows what was measured where one points, in all charts at once', async () => {
    await open(single);
    const metrics = page.getByRole('region', { name: 'Metrics' });
    const chart = metrics.getByRole('slider', { name: /^queue-time-p99/ });
    await chart.scrollIntoViewIfNeeded();
    const box = await chart.boundingBox();
    if (!box) throw new Error('the chart has no place');
    await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
    await chart.getByText(/New version/).waitFor();
    const values = await metrics.getByRole('slider').evaluateAll((charts) => charts.map((each) => each.getAttribute('aria-valuenow')));
    expect(new Set(values).size).toBe(1);
    expect(values).toHaveLength(10);
  });

  it.each([[390, 844], [768, 1024], [1440, 900]])('fits into %i by %i', async (width, height) => {
    for (const path of [single, all, `${all}&node=driftless.dev/ModelRollout/risk-dev/summariser`]) {
      await open(path, { viewport: { width, height } });
      await page.getByText(path === all ? 'Rolling back' : 'Decisions').first().waitFor();
      expect(await page.evaluate(tooWide), path).toEqual({ page: 0, wide: [] });
      if (path !== `${all}&node=driftless.dev/ModelRollout/risk-dev/summariser`) await page.context().close();
    }
  });

  it.each(['light', 'dark'] as const)('can be read in %s colours', async (colorScheme) => {
    await open(`${all}&node=driftless.dev/ModelRollout/risk-dev/summariser`, { colorScheme });
    await page.getByRole('slider').first().waitFor();
    expect(await page.evaluate(lowContrast)).toEqual([]);
  });

  it('is used with the keyboard alone', async () => {
    await open(all);
    await page.getByRole('link', { name: 'summariser' }).focus();
    await page.keyboard.press('Enter');
    const retry = page.getByRole('button', { name: 'Try the step again' });
    await retry.waitFor();
    await retry.focus();
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.getByRole('dialog', { name: 'Go on anyway' }).waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await page.keyboard.press('Escape');
    await page.getByRole('list', { name: 'Models' }).waitFor();
  });
});

/** The development server with the test double behind it, in a process of its own, at whichever port is free. */
function startDouble(): Promise<[server: ChildProcess, address: string]> {
  const root = join(import.meta.dirname, '..');
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(DRIFTLESS_|VITEST|VITE_|NODE_ENV)/.test(name)));
  const server = spawn(process.execPath, [join(root, 'node_modules/vite/bin/vite.js'), '--clearScreen', 'false'], { cwd: root, env: { ...env, MOCK_AUTH: 'off', NO_COLOR: '1' } });
  let told = '';
  return new Promise((resolve, reject) => {
    const listen = (chunk: Buffer) => {
      told += chunk.toString();
      const address = /http:\/\/127\.0\.0\.1:\d+/.exec(told)?.[0];
      if (address) resolve([server, address]);
    };
    server.stdout.on('data', listen);
    server.stderr.on('data', listen);
    server.on('exit', () => reject(new Error(`the development server ended: ${told}`)));
  });
}
