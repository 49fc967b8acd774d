// @vitest-environment jsdom
import { screen, waitFor, within } from '@testing-library/react';
import { describe, expect, it } from 'vitest';
import { fields, list } from '@/lib/fields';
import { renderApp } from '@/testing/render-app';

// The models of an application over the test double: what a person does and sees.

const ALL = '/applications/argocd/ranker-dev?view=models';
const one = (name: string): string => `${ALL}&node=driftless.dev/ModelRollout/risk-dev/${name}`;
const SINGLE = '/applications/argocd/churn-model-dev?view=models';

describe('the models of an application', () => {
  it('are listed, those that need a person first, and lead to a page with an address of its own', async () => {
    const { user, address } = await renderApp(ALL);
    const models = await screen.findByRole('list', { name: 'Models' });
    await within(models).findByText('Rolling back');
    const names = () => within(models).getAllByRole('link').map((link) => link.textContent);
    await waitFor(() => expect(names().slice(0, 5)).toEqual(['misspelt', 'unreadable', 'summariser', 'pricing', 'forecast']));
    expect(names().at(-1)).toBe('speech');
    const held = within(models).getByRole('link', { name: 'summariser' }).closest('li')!;
    expect(held).toHaveTextContent('Held');
    expect(held).toHaveTextContent('Step 3 of 6');
    expect(within(held).getByRole('img', { name: 'New version 10 %, stable version 90 %' })).toBeInTheDocument();
    await user.click(within(models).getByRole('link', { name: 'regions-us' }));
    expect(await screen.findByRole('heading', { name: 'regions-us' })).toBeInTheDocument();
    expect(address()).toBe(`${one('regions')}&target=regions-us`);
    await user.selectOptions(screen.getByRole('combobox', { name: 'Target' }), 'regions-eu');
    expect(await screen.findByRole('heading', { name: 'regions-eu' })).toBeInTheDocument();
    expect(address()).toContain('target=regions-eu');
    screen.getByRole('combobox', { name: 'Target' }).blur();
    await user.keyboard('{Escape}');
    expect(await screen.findByRole('list', { name: 'Models' })).toBeInTheDocument();
  });

  it('are shown at once where there is only one', async () => {
    await renderApp(SINGLE);
    expect(await screen.findByRole('heading', { name: 'churn-model-dev', level: 2 })).toBeInTheDocument();
    expect(screen.queryByRole('button', { name: 'All models' })).toBeNull();
    expect(screen.getByText('from 4f1c2a9')).toBeInTheDocument();
  });

  it('say that there are none, and how one begins', async () => {
    await renderApp('/applications/argocd/fraud-detector-dev?view=models');
    expect(await screen.findByText('No model rollouts in this application')).toBeInTheDocument();
    expect(screen.getByText(/kind: ModelRollout/)).toBeInTheDocument();
  });

  it.each([
    ['unseen', 'The controller has not looked at it yet'],
    ['unreadable', 'The status cannot be read'],
    ['misspelt', 'step 3: setWieght is not known'],
  ])('tell apart what is wrong: %s', async (name, words) => {
    await renderApp(one(name));
    expect(await screen.findByText(words)).toBeInTheDocument();
  });

  it('say when the kind is not installed', async () => {
    const { server } = await renderApp('/applications/argocd/fraud-detector-dev?view=models');
    await screen.findByText('No model rollouts in this application');
    const rollout = { group: 'driftless.dev', version: 'v1alpha1', kind: 'ModelRollout', namespace: 'serving-dev', name: 'fraud' };
    server.change('fraud-detector-dev', (app) => ({
      ...app,
      status: {
        ...app.status, resources: [{ ...rollout, status: 'OutOfSync', health: { status: 'Missing' } }],
        operationState: { ...app.status!.operationState!, syncResult: { resources: [{ ...rollout, status: 'SyncFailed', message: 'no matches for kind "ModelRollout" in version "driftless.dev/v1alpha1"' }] } },
      },
    }));
    expect(await screen.findByText('The kind is not installed in the cluster')).toBeInTheDocument();
    expect(screen.getByText('driftless crds')).toBeInTheDocument();
  });

  it('say when one cannot be read, which is not the same as being empty', async () => {
    const { user, server } = await renderApp('/applications/argocd/ranker-dev?view=events');
    await screen.findByRole('list', { name: 'Events' });
    server.worlds.get('ranker-dev')!.rollouts.find((each) => each.node.name === 'speech')!.unreachable = true;
    await user.click(screen.getByRole('tab', { name: /Models/ }));
    expect(await screen.findByText(/speech could not be read: the cluster does not answer/)).toBeInTheDocument();
    await user.click(screen.getByRole('link', { name: 'speech' }));
    expect(await screen.findByRole('alert')).toHaveTextContent('the cluster does not answer');
  });
});

describe('one model', () => {
  it('is approved; the page waits for the controller and then follows it', async () => {
    const { user, server } = await renderApp(SINGLE, { stepMs: 60 });
    const steps = await screen.findByRole('region', { name: 'Steps' });
    expect(within(steps).getByText('Wait for approval').closest('li')).toHaveAttribute('aria-current', 'step');
    const actions = screen.getByRole('group', { name: 'Actions on the rollout' });
    await waitFor(() => expect(within(actions).getAllByRole('button').map((button) => button.textContent)).toEqual(['Approve', 'Promote fully', 'Abort']));
    await user.click(within(actions).getByRole('button', { name: 'Approve' }));
    expect(await screen.findByText('Sent; waiting for the controller…')).toBeInTheDocument();
    expect(within(actions).getByRole('button', { name: 'Approve' })).toBeDisabled();
    expect(within(actions).getByRole('button', { name: 'Abort' })).toBeEnabled();
    const call = server.requests.find((request) => request.path.endsWith('/resource/actions/v2'));
    expect(call?.body).toMatchObject({ group: 'driftless.dev', kind: 'ModelRollout', resourceName: 'churn-model-dev', action: 'promote', resourceActionParameters: [] });
    expect(await screen.findByRole('img', { name: 'New version 100 %, stable version 0 %' })).toBeInTheDocument();
    expect(screen.queryByText('Sent; waiting for the controller…')).toBeNull();
    expect(within(actions).queryByRole('button', { name: 'Approve' })).toBeNull();
    expect(within(screen.getByRole('region', { name: 'Decisions' })).getByText('admin approves')).toBeInTheDocument();
  });

  it('is aborted after a question that says what follows', async () => {
    const { user, server } = await renderApp(SINGLE);
    await user.click(await screen.findByRole('button', { name: 'Abort' }));
    const dialog = await screen.findByRole('dialog', { name: 'Abort' });
    expect(dialog).toHaveTextContent('All traffic goes back to 3f9a0c77b1 at once. 7c1e02ab9d is removed and quarantined');
    await user.click(within(dialog).getByRole('button', { name: 'Cancel' }));
    expect(server.requests.some((request) => request.path.endsWith('/actions/v2'))).toBe(false);
    await user.click(screen.getByRole('button', { name: 'Abort' }));
    await user.click(within(await screen.findByRole('dialog')).getByRole('button', { name: 'Abort' }));
    expect(await screen.findByRole('img', { name: 'The stable version takes all traffic' })).toBeInTheDocument();
    expect(within(screen.getByRole('region', { name: 'Quarantined versions' })).getByText('7c1e02ab9d')).toBeInTheDocument();
    expect(screen.getByText(/Git asks for 7c1e02ab9d, which is quarantined/)).toBeInTheDocument();
    expect(screen.getByRole('button', { name: 'Try again' })).toBeEnabled();
  });

  it('names its target where the rollout has several', async () => {
    const { user, server } = await renderApp(`${one('regions')}&target=regions-us`);
    expect(await screen.findByText('ada stopped this rollout before its next step.')).toBeInTheDocument();
    await user.click(await screen.findByRole('button', { name: 'Resume' }));
    await waitFor(() => expect(server.requests.find((request) => request.path.endsWith('/actions/v2'))?.body).toMatchObject({ action: 'promote', resourceActionParameters: [{ name: 'target', value: 'regions-us' }] }));
  });

  it('tells in the server’s words that someone may not do it', async () => {
    const { user } = await renderApp(one('churn'));
    await user.click(await screen.findByRole('button', { name: 'Approve' }));
    const refusal = (await screen.findByText('You may not do this.')).closest('[role=alert]');
    expect(refusal).toHaveTextContent('permission denied: applications, action/driftless.dev/ModelRollout/promote');
    expect(screen.getByRole('button', { name: 'Approve' })).toBeEnabled();
  });

  it('offers nothing to those who may only look, and says so', async () => {
    await renderApp(SINGLE, { readOnly: true });
    expect(await screen.findByText(/You can look at this rollout; acting on it needs a right/)).toBeInTheDocument();
    const actions = screen.getByRole('group', { name: 'Actions on the rollout' });
    expect(within(actions).queryAllByRole('button')).toEqual([]);
    expect(screen.getByRole('region', { name: 'Traffic' })).toBeInTheDocument();
  });

  it('shows what someone else asked for until it is carried out', async () => {
    const { server } = await renderApp(SINGLE);
    await screen.findByRole('button', { name: 'Approve' });
    server.changeRollout('churn-model-dev', 'churn-model-dev', (object) => ({ ...object, metadata: { ...object.metadata, annotations: { 'driftless.dev/rollout-command': '{"id":"c9","verb":"abort","by":"ada"}' } } }));
    expect(await screen.findByText(/ada asked for “abort”/)).toBeInTheDocument();
    server.changeRollout('churn-model-dev', 'churn-model-dev', (object) => ({ ...object, status: { ...fields(object.status), targets: list(fields(object.status).targets).map((target) => ({ ...target, lastCommand: 'c9' })) } }));
    await waitFor(() => expect(screen.queryByText(/ada asked for/)).toBeNull());
  });

  it('has its metrics as charts for the keyboard and as tables', async () => {
    const { user } = await renderApp(SINGLE);
    const metrics = await screen.findByRole('region', { name: 'Metrics' });
    const chart = await within(metrics).findByRole('slider', { name: /^time-to-first-token-p90/ });
    expect(within(metrics).getAllByRole('slider')).toHaveLength(10);
    chart.focus();
    await user.keyboard('{Home}');
    expect(chart).toHaveAttribute('aria-valuenow', '1');
    for (let index = 0; index < 21; index += 1) await user.keyboard('{ArrowRight}');
    expect(chart).toHaveAttribute('aria-valuenow', '22');
    expect(chart.getAttribute('aria-valuetext')).toMatch(/New version the answer is empty, .*Inconclusive/);
    await user.click(within(metrics).getByRole('radio', { name: 'Tables' }));
    const table = within(within(metrics).getByRole('article', { name: 'time-to-first-token-p90' })).getByRole('table');
    expect(within(table).getAllByRole('row')).toHaveLength(61);
    expect(within(table).getAllByText('Inconclusive')).toHaveLength(3);
    // The choice is remembered; the other tests want charts.
    await user.click(within(metrics).getByRole('radio', { name: 'Charts' }));
  });

  it('may be Argo Rollouts’, whose actions have other names and whose measurements are in AnalysisRuns', async () => {
    const { user, server } = await renderApp(`${ALL}&node=argoproj.io/Rollout/risk-dev/gateway`);
    expect(await screen.findByRole('slider', { name: /^error-rate/ })).toHaveAttribute('aria-valuemax', '14');
    expect(await screen.findByRole('img', { name: 'New version 20 %, stable version 80 %' })).toBeInTheDocument();
    await user.click(await screen.findByRole('button', { name: 'Approve' }));
    await waitFor(() => expect(server.requests.find((request) => request.path.endsWith('/actions/v2'))?.body).toMatchObject({ kind: 'Rollout', action: 'resume' }));
  });

  it('speaks Korean', async () => {
    await renderApp(SINGLE, { language: 'ko' });
    expect(await screen.findByRole('button', { name: '승인' })).toBeInTheDocument();
    expect(within(screen.getByRole('region', { name: '단계' })).getByText('트래픽 10 %')).toBeInTheDocument();
  });
});

describe('live', () => {
  it('one stream serves all tabs, and only what changed is read again', async () => {
    const { user, server } = await renderApp(ALL);
    const models = await screen.findByRole('list', { name: 'Models' });
    const forecast = within(models).getByRole('link', { name: 'forecast' }).closest('li')!;
    await within(forecast).findByText('30 %');
    const reads = (name: string) => server.requests.filter((request) => request.path.endsWith('/resource') && request.query.get('resourceName') === name).length;
    const before = { forecast: reads('forecast'), embedder: reads('embedder') };
    await screen.findByText('Live');
    server.changeRollout('ranker-dev', 'forecast', (object) => ({ ...object, status: { ...fields(object.status), targets: list(fields(object.status).targets).map((target) => ({ ...target, weight: 0, message: 'traffic is back' })) } }));
    expect(await within(forecast).findByText('0 %')).toBeInTheDocument();
    expect(reads('forecast')).toBe(before.forecast + 1);
    expect(reads('embedder')).toBe(before.embedder);
    for (const tab of [/Diff/, /Resources/, /Models/]) await user.click(screen.getByRole('tab', { name: tab }));
    await screen.findByRole('list', { name: 'Models' });
    expect(server.requests.filter((request) => request.path.includes('/stream/')).map((request) => request.path).sort()).toEqual([
      '/api/v1/stream/applications', '/api/v1/stream/applications/ranker-dev/resource-tree',
    ]);
  });

  it('the list of objects says where a rollout is, and leads to its page', async () => {
    const { user, address } = await renderApp('/applications/argocd/churn-model-dev?view=list');
    const row = (await screen.findByText('ModelRollout')).closest<HTMLElement>('[role=row]')!;
    expect(await within(row).findByText('6/6 · 50 %')).toBeInTheDocument();
    await user.click(row);
    await user.click(await screen.findByRole('button', { name: 'Open the model page' }));
    expect(await screen.findByRole('region', { name: 'Traffic' })).toBeInTheDocument();
    expect(address()).toBe(`${SINGLE}&node=driftless.dev/ModelRollout/media-dev/churn-model-dev`);
  });
});
