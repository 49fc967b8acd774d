import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { apply, closeBrowser, kubectl, makeRepo, openStage, password, picture, serverUrl, type Repo, type Stage } from './stage';
import { DOWN, startMetrics, type MetricSource } from './metric-source';
import { deployment, followedApp, image, metric, modelRollout, route, service, text, weights } from './rollout-world';
import { lowContrast, tooWide } from './looks';

// A real ModelRollout on a real cluster: commits move it, a small server gives its metrics, and a person clicks every button
// that there is. In order: each test goes on where the one before it stopped.
const run = Date.now().toString(36);

/** Marks the page, so that a reload would be noticed: whatever follows has to come live. */
const mark = (stage: Stage) => stage.page.evaluate(() => Object.assign(window, { sameDocument: true }));
const isMarked = (stage: Stage) => stage.page.evaluate(() => 'sameDocument' in window);

const region = (stage: Stage, name: string) => stage.page.getByRole('region', { name, exact: true });
const button = (stage: Stage, name: string) => stage.page.getByRole('group', { name: 'Actions on the rollout' }).getByRole('button', { name, exact: true });
const buttons = (stage: Stage) => stage.page.getByRole('group', { name: 'Actions on the rollout' }).getByRole('button').allTextContents();
const step = (stage: Stage, name: string | RegExp) => region(stage, 'Steps').locator('[aria-current=step]').filter({ hasText: name });
const split = (stage: Stage, canary: number) => region(stage, 'Traffic').getByRole('img', { name: `New version ${canary} %, stable version ${100 - canary} %` });
const allStable = (stage: Stage) => region(stage, 'Traffic').getByRole('img', { name: 'The stable version takes all traffic' });
const decided = (stage: Stage, what: string | RegExp) => region(stage, 'Decisions').getByRole('listitem').filter({ hasText: what }).first();
const phase = (stage: Stage, name: string) => stage.page.locator('header').filter({ has: stage.page.getByRole('heading', { level: 2 }) }).getByText(name, { exact: true });

async function confirm(stage: Stage, title: string, words: RegExp): Promise<void> {
  const dialog = stage.page.getByRole('dialog', { name: title });
  await dialog.getByText(words).waitFor();
  await dialog.getByRole('button', { name: title, exact: true }).click();
  await dialog.waitFor({ state: 'detached' });
}

async function logIn(name: string, secret: string): Promise<Stage> {
  const stage = await openStage({ login: false });
  const answer = await stage.page.context().request.post(`${serverUrl()}/api/v1/session`, { data: { username: name, password: secret } });
  expect(answer.ok(), await answer.text()).toBe(true);
  return stage;
}

describe('a rollout of a model behind a route', () => {
  const app = `rollout-${run}`;
  const namespace = app;
  const address = `/applications/argocd/${app}?view=models`;
  let stage: Stage;
  let repo: Repo;
  let metrics: MetricSource;

  const good = { errors: 0.01, latency: 120, compared: { canary: { bad: 1, total: 100 }, stable: { bad: 3, total: 300 } }, trial: 9, tokens: [41.5, 40] };

  function files(version: string, spec: Record<string, unknown> = {}): Record<string, string> {
    const judged = {
      metrics: [
        metric({ name: 'error-rate', url: metrics.url('errors'), success: 'result < 0.05', count: 600, inconclusiveLimit: 0 }),
        metric({ name: 'worse-than-stable', url: metrics.url('compared'), compare: { alpha: 0.05, detect: 2 }, count: 600, inconclusiveLimit: 60 }),
        metric({ name: 'tokens-per-second', url: metrics.url('tokens'), failure: 'result[0] < 10', success: 'result[0] >= 10', count: 600, inconclusiveLimit: 600, consecutiveErrorLimit: 1 }),
      ],
    };
    const beside = {
      metrics: [
        metric({ name: 'latency-p95', url: metrics.url('latency'), success: 'result <= 300' }),
        metric({ name: 'trial-score', url: metrics.url('trial'), success: 'result < 5', failureLimit: 0 }),
      ],
      dryRun: [{ metricName: 'trial-score' }],
    };
    const steps = [{ setWeight: 20 }, { pause: {} }, { setWeight: 50 }, { analysis: judged }, { pause: { duration: '10m' } }];
    const canary = { stableService: 'fraud', trafficRouting: { httpRoute: { name: 'fraud' } }, scaleDownDelaySeconds: 1, analysis: beside, steps };
    return {
      'app/model.yaml': text([deployment('fraud', version), service('fraud'), route('fraud')]),
      'app/rollout.yaml': text([modelRollout('fraud', { targetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'fraud' } }, canary, spec)]),
    };
  }

  async function commit(message: string, changed: Record<string, string>): Promise<void> {
    repo.commit(message, changed);
    await stage.page.getByRole('button', { name: 'Refresh' }).click();
  }

  beforeAll(async () => {
    metrics = await startMetrics(good);
    repo = makeRepo();
    repo.commit('Serve the first model', files('v1'));
    followedApp(app, repo.url);
    stage = await openStage();
    await stage.goto(address);
  });
  afterEach(async (context) => {
    if (context.task.result?.state === 'fail') await picture(stage.page, context.task.name);
  });
  afterAll(async () => {
    await stage.close();
    kubectl('delete', 'application', app, '--namespace', 'argocd', '--wait=false');
    await metrics.close();
    repo.remove();
  });

  it('has nothing to do while the first version serves', async () => {
    await stage.page.getByRole('heading', { name: 'fraud', level: 2 }).waitFor({ timeout: 120_000 });
    await phase(stage, 'Healthy').waitFor({ timeout: 120_000 });
    await allStable(stage).waitFor();
    await region(stage, 'Traffic').getByText('2 of 2 pods ready').waitFor();
    await region(stage, 'Metrics').getByText('No metric has been measured for this rollout yet.').waitFor();
    expect(await buttons(stage)).toEqual([]);
  });

  it('stops at its first weight for approval, and every part of the page has followed', async () => {
    await mark(stage);
    await commit('Serve the second model', files('v2'));
    await split(stage, 20).waitFor({ timeout: 120_000 });
    await step(stage, 'Wait for approval').waitFor();
    await phase(stage, 'Paused').waitFor();
    await decided(stage, 'Step completed').waitFor();
    await region(stage, 'Traffic').getByRole('group', { name: 'New version' }).getByText('1 of 1 pod ready').waitFor();
    await region(stage, 'Traffic').getByText(/^from [0-9a-f]{7}$/).waitFor();
    expect(weights(namespace, 'fraud')).toEqual({ fraud: 80, 'fraud-canary': 20 });
    await expect.poll(() => buttons(stage)).toEqual(['Approve', 'Promote fully', 'Abort']);
    expect(await isMarked(stage)).toBe(true);
  });

  it('measures beside the steps: real values with times, a threshold, and a dry run that does not count', async () => {
    const beside = stage.page.getByRole('group', { name: 'Beside the steps' });
    const latency = beside.getByRole('slider', { name: /^latency-p95 over time/ });
    await latency.waitFor();
    const count = async () => Number(await latency.getAttribute('aria-valuemax'));
    const before = await count();
    await expect.poll(count, { timeout: 120_000 }).toBeGreaterThan(before);
    expect(await latency.getAttribute('aria-valuetext')).toMatch(/^\w{3} \d{1,2}, \d{4}.*New version 120.*Good$/);
    const card = beside.getByRole('article', { name: 'latency-p95' });
    await card.getByText('result <= 300', { exact: true }).waitFor();
    await card.locator('svg text', { hasText: /^300$/ }).waitFor();
    const trial = beside.getByRole('article', { name: 'trial-score' });
    await trial.getByText('Dry run').waitFor();
    await trial.getByText('Failed', { exact: true }).waitFor();
    await phase(stage, 'Paused').waitFor();
  });

  it('goes on with the keyboard alone when it is approved', async () => {
    await button(stage, 'Approve').focus();
    await stage.page.keyboard.press('Enter');
    await split(stage, 50).waitFor({ timeout: 120_000 });
    await step(stage, 'Analysis: error-rate, worse-than-stable, tokens-per-second').waitFor({ timeout: 120_000 });
    await decided(stage, /admin approves step 1/).waitFor();
    await stage.page.getByText('Sent; waiting for the controller…').waitFor({ state: 'detached' });
    expect(weights(namespace, 'fraud')).toEqual({ fraud: 50, 'fraud-canary': 50 });
    expect(await isMarked(stage)).toBe(true);
  });

  it('shows canary and stable beside each other, as charts and as tables', async () => {
    const analysis = stage.page.getByRole('group', { name: /^Step 4: Analysis/ });
    const compared = analysis.getByRole('article', { name: 'worse-than-stable' });
    await compared.getByText('stable 0.01').waitFor({ timeout: 120_000 });
    const chart = compared.getByRole('slider');
    await chart.focus();
    await stage.page.keyboard.press('Home');
    await expect.poll(() => chart.getAttribute('aria-valuetext')).toMatch(/New version 0\.01, Stable 0\.01/);
    await region(stage, 'Metrics').getByRole('radio', { name: 'Tables' }).click();
    const table = compared.getByRole('table');
    await table.getByRole('columnheader', { name: 'Stable' }).waitFor();
    expect(await table.getByRole('row').nth(1).textContent()).toMatch(/^\d{1,2}:\d{2}:\d{2}.*0\.010\.01/);
    const tokens = analysis.getByRole('article', { name: 'tokens-per-second' });
    await tokens.getByText('41.5').first().waitFor();
    await region(stage, 'Metrics').getByRole('radio', { name: 'Charts' }).click();
    await analysis.getByRole('slider', { name: /^tokens-per-second/ }).waitFor();
  });

  it('is paused and resumed by hand', async () => {
    await button(stage, 'Pause').click();
    await stage.page.getByText('admin stopped this rollout before its next step.').waitFor();
    await expect.poll(() => buttons(stage)).toContain('Resume');
    await button(stage, 'Resume').click();
    await stage.page.getByText('admin stopped this rollout before its next step.').waitFor({ state: 'detached' });
    await decided(stage, 'admin lets it go on').waitFor();
  });

  it('asks a person when there are no data, and measures again', async () => {
    metrics.say({ errors: null });
    await step(stage, 'Analysis inconclusive').waitFor({ timeout: 120_000 });
    await phase(stage, 'Paused').waitFor();
    const card = stage.page.getByRole('article', { name: 'error-rate' });
    await card.getByText('Inconclusive', { exact: true }).waitFor();
    await expect.poll(() => buttons(stage)).toEqual(['Go on anyway', 'Measure again', 'Promote fully', 'Abort']);
    metrics.say({ errors: good.errors });
    await button(stage, 'Measure again').click();
    await decided(stage, /admin measures again/).waitFor();
    await phase(stage, 'Progressing').waitFor();
    await card.getByText('0.01', { exact: true }).waitFor();
  });

  it('tells a source that does not answer from one that has nothing', async () => {
    metrics.say({ tokens: DOWN });
    const card = stage.page.getByRole('article', { name: 'tokens-per-second' });
    await card.getByText(/503/).first().waitFor({ timeout: 120_000 });
    await step(stage, 'Analysis inconclusive').waitFor({ timeout: 120_000 });
    metrics.say({ tokens: good.tokens });
    await button(stage, 'Go on anyway').click();
    await confirm(stage, 'Go on anyway', /is set aside/);
    await step(stage, 'Pause for 10m').waitFor({ timeout: 120_000 });
    await decided(stage, /admin goes on in spite of/).waitFor();
  });

  it('shows how long a pause lasts, and ends it at once when asked; all traffic and the promotion follow', async () => {
    await region(stage, 'Steps').getByRole('progressbar', { name: 'Pause' }).waitFor();
    await region(stage, 'Steps').getByText(/left$/).waitFor();
    await button(stage, 'Go on now').click();
    await phase(stage, 'Healthy').waitFor({ timeout: 120_000 });
    await allStable(stage).waitFor();
    await decided(stage, 'Promoted').waitFor();
    expect(image(namespace, 'fraud')).toBe('registry.example.com/model:v2');
    await expect.poll(() => weights(namespace, 'fraud'), { timeout: 120_000 }).toEqual({ fraud: 1 });
    expect(await isMarked(stage)).toBe(true);
  });

  it('is aborted after a question; the traffic is back, the version kept out, and a second try promotes fully', async () => {
    await commit('Serve the third model', files('v3'));
    await step(stage, 'Wait for approval').waitFor({ timeout: 120_000 });
    await button(stage, 'Abort').click();
    await stage.page.getByRole('dialog', { name: 'Abort' }).getByRole('button', { name: 'Cancel' }).click();
    expect(weights(namespace, 'fraud')).toEqual({ fraud: 80, 'fraud-canary': 20 });
    await button(stage, 'Abort').click();
    await confirm(stage, 'Abort', /All traffic goes back to \w+ at once/);
    await phase(stage, 'Degraded').waitFor({ timeout: 120_000 });
    await allStable(stage).waitFor();
    await region(stage, 'Quarantined versions').getByText('aborted by admin').waitFor();
    await stage.page.getByText(/Git asks for \w+, which is quarantined/).waitFor();
    await stage.page.getByRole('region', { name: 'Conditions' }).getByText(/quarantined/).first().waitFor({ timeout: 120_000 });
    // The way back is on the rollout: there is nothing to lift on the application.
    await stage.page.getByRole('region', { name: 'Conditions' }).getByRole('link', { name: 'Open the model page' }).waitFor();
    expect(await stage.page.getByRole('button', { name: 'Lift quarantine' }).count()).toBe(0);
    expect(image(namespace, 'fraud')).toBe('registry.example.com/model:v2');
    await button(stage, 'Try again').click();
    await step(stage, 'Wait for approval').waitFor({ timeout: 120_000 });
    await region(stage, 'Quarantined versions').waitFor({ state: 'detached' });
    await button(stage, 'Approve').click();
    await step(stage, /^Analysis/).waitFor({ timeout: 120_000 });
    await button(stage, 'Skip this step').click();
    await confirm(stage, 'Skip this step', /nobody waits for its result/);
    await step(stage, 'Pause for 10m').waitFor({ timeout: 120_000 });
    await button(stage, 'Promote fully').click();
    await confirm(stage, 'Promote fully', /takes all traffic as soon as its pods are ready/);
    await phase(stage, 'Healthy').waitFor({ timeout: 120_000 });
    expect(image(namespace, 'fraud')).toBe('registry.example.com/model:v3');
  });

  it('goes back by itself on bad measurements, with the reason in the log and the chart', async () => {
    await commit('Serve the fourth model', files('v4'));
    await step(stage, 'Wait for approval').waitFor({ timeout: 120_000 });
    await button(stage, 'Approve').click();
    await step(stage, /^Analysis/).waitFor({ timeout: 120_000 });
    metrics.say({ errors: 0.4 });
    await phase(stage, 'Degraded').waitFor({ timeout: 120_000 });
    await decided(stage, 'Analysis failed').waitFor();
    const card = stage.page.getByRole('article', { name: 'error-rate' });
    await card.getByText('Failed', { exact: true }).waitFor();
    await card.getByText('0.4', { exact: true }).first().waitFor();
    await allStable(stage).waitFor();
    metrics.say({ errors: good.errors });
  });

  it('holds instead where it is told to, until a person tries the step again or goes on', async () => {
    await commit('Serve the fifth model', files('v5', { onFailure: 'hold' }));
    await step(stage, 'Wait for approval').waitFor({ timeout: 120_000 });
    await button(stage, 'Approve').click();
    await step(stage, /^Analysis/).waitFor({ timeout: 120_000 });
    metrics.say({ errors: 0.4 });
    await phase(stage, 'Held').waitFor({ timeout: 120_000 });
    await split(stage, 50).waitFor();
    await expect.poll(() => buttons(stage)).toEqual(['Try the step again', 'Go on anyway', 'Promote fully', 'Abort']);
    await button(stage, 'Try the step again').click();
    await decided(stage, /admin tries step 3 again/).waitFor();
    await phase(stage, 'Held').waitFor({ timeout: 120_000 });
    await button(stage, 'Go on anyway').click();
    await confirm(stage, 'Go on anyway', /is set aside/);
    metrics.say({ errors: good.errors });
    await step(stage, 'Pause for 10m').waitFor({ timeout: 120_000 });
  });

  it.each([[390, 'dark', 'en-US'], [1440, 'light', 'ko-KR']] as const)('fits and can be read at a width of %i in %s colours (%s)', async (width, colours, locale) => {
    const other = await openStage({ locale, viewport: { width, height: 900 }, colorScheme: colours });
    try {
      await other.goto(address);
      await other.page.getByRole('slider').first().waitFor();
      expect(await other.page.evaluate(tooWide)).toEqual({ page: 0, wide: [] });
      expect(await other.page.evaluate(lowContrast)).toEqual([]);
      if (locale === 'ko-KR') {
        await other.page.getByRole('group', { name: '롤아웃 작업' }).getByRole('button', { name: '중단', exact: true }).waitFor();
        await other.page.getByRole('region', { name: '단계' }).getByText('10m 동안 일시 중지').waitFor();
      }
      // Whatever can be reached has a name to be read out.
      const nameless = await other.page.getByRole('tabpanel').locator('button, a, [role=slider], [role=progressbar], [role=img]').evaluateAll((elements) =>
        elements.filter((each) => !each.textContent.trim() && !each.getAttribute('aria-label') && !each.getAttribute('aria-labelledby')).map((each) => each.outerHTML.slice(0, 80)));
      expect(nameless).toEqual([]);
    } finally {
      await other.close();
    }
  });

  describe('for people with fewer rights', () => {
    const secrets = { viewer: 'viewer password', operator: 'operator password' };

    beforeAll(async () => {
      apply({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'argocd-cm', namespace: 'argocd', labels: { 'app.kubernetes.io/part-of': 'argocd' } }, data: { 'accounts.viewer': 'login', 'accounts.operator': 'login' } });
      allow('action/driftless.dev/ModelRollout/promote');
      for (const [name, secret] of Object.entries(secrets)) {
        // The account is there as soon as the settings have been read again.
        await vi.waitFor(async () => {
          const answer = await stage.page.context().request.put(`${serverUrl()}/api/v1/account/password`, { data: { name, currentPassword: password(), newPassword: secret } });
          expect(answer.ok(), await answer.text()).toBe(true);
        }, { timeout: 120_000, interval: 500 });
      }
    });
    afterAll(() => {
      kubectl('patch', 'configmap', 'argocd-rbac-cm', '--namespace', 'argocd', '--type', 'merge', '--patch', '{"data":{"policy.csv":null}}');
      kubectl('patch', 'configmap', 'argocd-cm', '--namespace', 'argocd', '--type', 'merge', '--patch', '{"data":{"accounts.viewer":null,"accounts.operator":null}}');
    });

    function allow(...actions: string[]): void {
      const lines = ['viewer', 'operator'].map((name) => `p, ${name}, applications, get, default/${app}, allow`);
      const policy = [...lines, ...actions.map((action) => `p, operator, applications, ${action}, default/${app}, allow`)].join('\n');
      apply({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'argocd-rbac-cm', namespace: 'argocd', labels: { 'app.kubernetes.io/part-of': 'argocd' } }, data: { 'policy.csv': policy } });
    }

    it('shows everything and offers nothing to those who may only look', async () => {
      const viewer = await logIn('viewer', secrets.viewer);
      try {
        await viewer.goto(address);
        await viewer.page.getByText(/You can look at this rollout/).waitFor();
        expect(await buttons(viewer)).toEqual([]);
        await split(viewer, 50).waitFor();
      } finally {
        await viewer.close();
      }
    });

    it('offers what each may do, and says so beside the buttons when the right has gone meanwhile', async () => {
      const operator = await logIn('operator', secrets.operator);
      try {
        await operator.goto(address);
        await expect.poll(() => buttons(operator)).toEqual(['Go on now']);
        // The page offers what it read before: the list of actions does not come through until the button was clicked.
        await operator.page.route(/\/resource\/actions\?/, (request) => request.abort());
        allow();
        await expect.poll(async () => {
          const answer = await operator.page.context().request.get(`${serverUrl()}/api/v1/account/can-i/applications/action%2Fdriftless.dev%2FModelRollout%2Fpromote/default%2F${app}`);
          return ((await answer.json()) as { value?: string }).value;
        }, { timeout: 120_000 }).toBe('no');
        await button(operator, 'Go on now').click();
        const refusal = operator.page.getByRole('alert').filter({ hasText: 'You may not do this.' });
        await refusal.getByText(/action\/driftless\.dev\/ModelRollout\/promote/).waitFor();
        await operator.page.unrouteAll();
        await expect.poll(() => buttons(operator)).toEqual([]);
      } finally {
        await operator.close();
      }
    });
  });

  it('says who was faster, and that a command of another has to be carried out first', async () => {
    // Nobody carries out what a suspended rollout is asked for.
    kubectl('annotate', 'modelrollout', 'fraud', '--namespace', namespace, 'driftless.dev/suspend=true', 'driftless.dev/rollout-command={"id":"e2e","verb":"pause","by":"ada"}');
    await stage.page.getByText(/ada asked for “pause”/).waitFor({ timeout: 120_000 });
    await button(stage, 'Go on now').click();
    const refusal = stage.page.getByRole('alert').filter({ hasText: 'This did not work.' });
    await refusal.getByText(/another command is not carried out yet: pause by ada/).waitFor();
    await refusal.getByRole('button', { name: 'Close' }).click();
    await refusal.waitFor({ state: 'detached' });
    kubectl('annotate', 'modelrollout', 'fraud', '--namespace', namespace, 'driftless.dev/suspend-', 'driftless.dev/rollout-command-');
    await stage.page.getByText(/ada asked for “pause”/).waitFor({ state: 'detached', timeout: 120_000 });
  });

  it('says that it is gone when Git has it no more', async () => {
    await button(stage, 'Go on now').click();
    await phase(stage, 'Healthy').waitFor({ timeout: 120_000 });
    await stage.goto(`${address}&node=driftless.dev/ModelRollout/${namespace}/fraud`);
    await phase(stage, 'Healthy').waitFor();
    await commit('Serve without steps', { ...files('v5'), 'app/rollout.yaml': '' });
    await stage.page.getByText('This rollout is not part of the application any more').waitFor({ timeout: 120_000 });
    await stage.page.getByRole('button', { name: 'All models' }).click();
    await stage.page.getByText('No model rollouts in this application').waitFor();
  });
});

describe('a rollout of several targets', () => {
  const app = `targets-${run}`;
  const namespace = app;
  let stage: Stage;
  let repo: Repo;

  const names = ['fraud-eu', 'fraud-us'];
  const files = (version: string) => ({
    'app/models.yaml': text(names.flatMap((name) => [deployment(name, version, { model: 'fraud' }), service(name)])),
    'app/rollout.yaml': text([modelRollout('fraud', { selector: { apiVersion: 'apps/v1', kind: 'Deployment', matchLabels: { model: 'fraud' } } }, { scaleDownDelaySeconds: 1, steps: [{ setWeight: 50 }, { pause: {} }] })]),
  });

  beforeAll(async () => {
    repo = makeRepo();
    repo.commit('Serve the first models', files('v1'));
    followedApp(app, repo.url);
    stage = await openStage();
    await stage.goto(`/applications/argocd/${app}?view=models`);
    const models = stage.page.getByRole('list', { name: 'Models' });
    for (const name of names) await models.getByRole('listitem').filter({ hasText: name }).getByText('Healthy').waitFor({ timeout: 90_000 });
  });
  afterEach(async (context) => {
    if (context.task.result?.state === 'fail') await picture(stage.page, context.task.name);
  });
  afterAll(async () => {
    await stage.close();
    await closeBrowser();
    kubectl('delete', 'application', app, '--namespace', 'argocd', '--wait=false');
    repo.remove();
  });

  it('lists them, and each is approved or aborted for itself', async () => {
    const models = stage.page.getByRole('list', { name: 'Models' });
    repo.commit('Serve the second models', files('v2'));
    await stage.page.getByRole('button', { name: 'Refresh' }).click();
    for (const name of names) await models.getByRole('listitem').filter({ hasText: name }).getByText('Waiting for approval').waitFor({ timeout: 120_000 });
    await models.getByRole('link', { name: 'fraud-us' }).click();
    await stage.page.getByRole('heading', { name: 'fraud-us', level: 2 }).waitFor();
    await button(stage, 'Approve').click();
    await phase(stage, 'Healthy').waitFor({ timeout: 120_000 });
    expect(image(namespace, 'fraud-us')).toBe('registry.example.com/model:v2');
    await stage.page.getByRole('combobox', { name: 'Target' }).selectOption('fraud-eu');
    await step(stage, 'Wait for approval').waitFor();
    await button(stage, 'Abort').click();
    await confirm(stage, 'Abort', /All traffic goes back/);
    await phase(stage, 'Degraded').waitFor({ timeout: 120_000 });
    expect(image(namespace, 'fraud-eu')).toBe('registry.example.com/model:v1');
    expect(image(namespace, 'fraud-us')).toBe('registry.example.com/model:v2');
    await stage.page.getByRole('button', { name: 'All models' }).click();
    await models.getByRole('listitem').filter({ hasText: 'fraud-us' }).getByText('Healthy').waitFor();
    await models.getByRole('listitem').filter({ hasText: 'fraud-eu' }).getByText('Degraded').waitFor();
  });
});
