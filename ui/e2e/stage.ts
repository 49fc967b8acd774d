import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { chromium, type Browser, type LaunchOptions, type Page } from 'playwright-core';

/**
 * What the tests stand on: a running server that asks for a login (DRIFTLESS_URL), one that does not (DRIFTLESS_OPEN_URL),
 * Debian's Chromium, and a Git repository of the test's own, read
 * by the server from the same machine. DRIFTLESS_KUBECTL is a kubectl for the server's cluster: it reads the first password,
 * unless DRIFTLESS_PASSWORD has it, and changes things behind the server's back.
 */
const url = (process.env.DRIFTLESS_URL ?? '').replace(/\/$/, '');
export const username = process.env.DRIFTLESS_USER ?? 'admin';

/** How the browser is started, without a profile and without talking to anyone. */
export const CHROMIUM: LaunchOptions = {
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: [
    '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync',
  ],
};

/** Runs kubectl; undefined where there is none. */
export function kubectl(...args: string[]): string | undefined {
  const [program, ...leading] = (process.env.DRIFTLESS_KUBECTL ?? '').split(' ').filter(Boolean);
  return program ? execFileSync(program, [...leading, ...args], { encoding: 'utf8' }) : undefined;
}

/** Writes an object into the server's cluster. */
export function apply(object: unknown): void {
  const [program, ...leading] = (process.env.DRIFTLESS_KUBECTL ?? '').split(' ').filter(Boolean);
  if (!program) throw new Error('set DRIFTLESS_KUBECTL to change things in the cluster');
  execFileSync(program, [...leading, 'apply', '--filename', '-'], { input: JSON.stringify(object), encoding: 'utf8' });
}

export function password(): string {
  if (process.env.DRIFTLESS_PASSWORD) return process.env.DRIFTLESS_PASSWORD;
  const encoded = kubectl('get', 'secret', 'argocd-initial-admin-secret', '--namespace', 'argocd', '--output', 'jsonpath={.data.password}');
  if (!encoded) throw new Error('set DRIFTLESS_PASSWORD, or DRIFTLESS_KUBECTL to read it from the cluster');
  return Buffer.from(encoded, 'base64').toString('utf8');
}

export interface Stage {
  page: Page;
  goto: (path: string) => Promise<void>;
  close: () => Promise<void>;
}

let browser: Browser | undefined;

export function serverUrl(): string {
  if (!url) throw new Error('set DRIFTLESS_URL to the address of a running server');
  return url;
}

/** A server without authentication; undefined where there is none. */
export const openUrl = process.env.DRIFTLESS_OPEN_URL?.replace(/\/$/, '');

export async function needsLogin(server: string = serverUrl()): Promise<boolean> {
  const response = await fetch(`${server}/api/v1/session/userinfo`);
  const user = (await response.json().catch(() => ({}))) as { loggedIn?: boolean };
  return !user.loggedIn;
}

/** A page in a profile of its own, logged in unless told otherwise. */
export async function openStage(options: { login?: boolean; locale?: string; server?: string; viewport?: { width: number; height: number }; colorScheme?: 'light' | 'dark' } = {}): Promise<Stage> {
  const server = options.server ?? serverUrl();
  browser ??= await chromium.launch(CHROMIUM);
  const context = await browser.newContext({
    viewport: options.viewport ?? { width: 1440, height: 900 }, locale: options.locale ?? 'en-US', colorScheme: options.colorScheme ?? null, reducedMotion: 'reduce',
  });
  context.setDefaultTimeout(30_000);
  const page = await context.newPage();
  if (options.login !== false && (await needsLogin(server))) {
    const answer = await context.request.post(`${server}/api/v1/session`, { data: { username, password: password() } });
    if (!answer.ok()) throw new Error(`login as ${username} was refused: ${await answer.text()}`);
  }
  return {
    page,
    goto: async (path) => {
      await page.goto(server + path, { waitUntil: 'domcontentloaded' });
    },
    close: () => context.close(),
  };
}

export async function closeBrowser(): Promise<void> {
  await browser?.close();
  browser = undefined;
}

/** Keeps a picture of how it looked when a test failed. */
export async function picture(page: Page, name: string): Promise<void> {
  const path = join(import.meta.dirname, '../test-results', `${name.replace(/[^a-z0-9]+/gi, '-')}.png`);
  mkdirSync(dirname(path), { recursive: true });
  await page.screenshot({ path });
}

export interface Repo {
  url: string;
  /** Writes files and commits them; the answer is the commit. */
  commit: (message: string, files: Record<string, string>) => string;
  remove: () => void;
}

export function makeRepo(): Repo {
  const folder = mkdtempSync(join(tmpdir(), 'driftless-e2e-'));
  const git = (...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=Ada Tester', '-c', 'user.email=ada@example.com', ...args], { cwd: folder, encoding: 'utf8' }).trim();
  git('init', '--quiet', '--initial-branch=main');
  return {
    url: `file://${folder}`,
    commit: (message, files) => {
      for (const [path, text] of Object.entries(files)) {
        mkdirSync(dirname(join(folder, path)), { recursive: true });
        writeFileSync(join(folder, path), text);
      }
      git('add', '--all');
      git('commit', '--quiet', '--message', message);
      return git('rev-parse', 'HEAD');
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

export function manifests(version: string, replicas: number): Record<string, string> {
  return {
    'app/config.yaml': ['apiVersion: v1', 'kind: ConfigMap', 'metadata:', '  name: model-config', 'data:', `  version: ${version}`, ''].join('\n'),
    'app/deployment.yaml': [
      'apiVersion: apps/v1', 'kind: Deployment', 'metadata:', '  name: model', 'spec:', `  replicas: ${replicas}`,
      '  selector:', '    matchLabels: {app: model}', '  template:', '    metadata:', '      labels: {app: model}',
      '    spec:', '      containers:', '        - name: server', `          image: registry.example.com/model:${version}`, '',
    ].join('\n'),
    'app/service.yaml': [
      'apiVersion: v1', 'kind: Service', 'metadata:', '  name: model', 'spec:', '  selector: {app: model}', '  ports:', '    - port: 80', '',
    ].join('\n'),
  };
}
