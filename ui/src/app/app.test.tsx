// @vitest-environment jsdom
import { screen, waitFor, within } from '@testing-library/react';
import { describe, expect, it } from 'vitest';
import { renderApp } from '@/testing/render-app';

// The whole app over the test double: what a person does and sees.

describe('signing in', () => {
  it('asks for a login, says when it is wrong, and goes back to where one wanted to be', async () => {
    const { user, address } = await renderApp('/applications?health=Degraded', { auth: true });
    await user.type(await screen.findByLabelText('User name'), 'admin');
    await user.type(screen.getByLabelText('Password'), 'wrong');
    await user.click(screen.getByRole('button', { name: 'Sign in' }));
    expect(await screen.findByRole('alert')).toHaveTextContent('not right');
    await user.clear(screen.getByLabelText('Password'));
    await user.type(screen.getByLabelText('Password'), 'password');
    await user.click(screen.getByRole('button', { name: 'Sign in' }));
    expect(await screen.findByRole('grid', { name: 'Applications' })).toBeInTheDocument();
    expect(address()).toBe('/applications?health=Degraded');
  });
});

describe.each([{ paged: true }, { paged: false }])('the list, server pages: $paged', ({ paged }) => {
  it('filters by facet and by text, and keeps both in the address', async () => {
    const { user, address } = await renderApp('/applications', { paged });
    const grid = await screen.findByRole('grid', { name: 'Applications' });
    expect(grid).toHaveAttribute('aria-rowcount', '31');
    const filters = screen.getByRole('complementary', { name: 'Filters' });
    await user.click(within(within(filters).getByRole('region', { name: 'Health' })).getByRole('checkbox', { name: 'Degraded' }));
    await waitFor(() => expect(screen.getByRole('grid')).toHaveAttribute('aria-rowcount', '3'));
    expect(address()).toBe('/applications?health=Degraded');
    await user.keyboard('/');
    expect(screen.getByRole('textbox', { name: /search/i })).toHaveFocus();
    await user.keyboard('forecast');
    await waitFor(() => expect(address()).toBe('/applications?health=Degraded&q=forecast'));
    await waitFor(() => expect(screen.getAllByRole('link', { name: /-(dev|test|prod)$/ }).map((link) => link.textContent)).toEqual(['forecast-test']));
    await user.keyboard('{Escape}');
    await waitFor(() => expect(address()).toBe('/applications?health=Degraded'));
  });

  it('opens an application from the keyboard alone', async () => {
    const { user, address } = await renderApp('/applications', { paged });
    await screen.findByRole('grid');
    await user.keyboard('/{ArrowDown}');
    await waitFor(() => expect(document.activeElement).toHaveAttribute('data-index', '0'));
    await user.keyboard('{ArrowDown}');
    await waitFor(() => expect(document.activeElement).toHaveAttribute('data-index', '1'));
    await user.keyboard('{Enter}');
    await waitFor(() => expect(address()).toBe('/applications/argocd/churn-model-prod'));
  });

  it('changes by itself, and says when the connection is lost', async () => {
    const { server } = await renderApp('/applications?q=ranker-prod', { paged });
    const row = (await screen.findByRole('link', { name: 'ranker-prod' })).closest<HTMLElement>('[role=row]')!;
    expect(within(row).getByText('Healthy')).toBeInTheDocument();
    await screen.findByText('Live');
    server.change('ranker-prod', (app) => ({ ...app, status: { ...app.status, health: { status: 'Degraded' } } }));
    expect(await within(row).findByText('Degraded')).toBeInTheDocument();
    server.dropStreams();
    expect(await screen.findByText('Reconnecting…')).toBeInTheDocument();
    expect(await screen.findByText('Live')).toBeInTheDocument();
  });
});

describe('the quick switcher', () => {
  it('goes from one application to another by name', async () => {
    const { user, address } = await renderApp('/applications/argocd/ranker-dev');
    await screen.findByRole('button', { name: 'Sync' });
    await user.keyboard('{Control>}k{/Control}');
    const box = await screen.findByRole('combobox', { name: 'Go to an application' });
    await user.type(box, 'fraud-detector');
    await waitFor(() => expect(screen.getAllByRole('option')).toHaveLength(3));
    await user.keyboard('{ArrowDown}{Enter}');
    await waitFor(() => expect(address()).toBe('/applications/argocd/fraud-detector-prod'));
  });
});

describe('ten thousand applications', () => {
  it('draws only what is on the screen and asks only for that', async () => {
    const { server } = await renderApp('/applications', { apps: 10_000 });
    expect(await screen.findByRole('grid')).toHaveAttribute('aria-rowcount', '10001');
    expect(screen.getAllByRole('row').length).toBeLessThan(60);
    const lists = server.requests.filter((request) => request.path === '/api/v1/applications');
    expect(lists.every((request) => request.query.get('limit') === '100')).toBe(true);
    expect(lists.length).toBeLessThanOrEqual(2);
  });
});

describe('an application', () => {
  it('is synced from the dialog, object by object, without a reload', async () => {
    const { user, server } = await renderApp('/applications/argocd/fraud-detector-dev');
    await user.click(await screen.findByRole('button', { name: 'Sync' }));
    const dialog = await screen.findByRole('dialog', { name: 'Sync fraud-detector-dev' });
    expect(within(dialog).getByText(/1 object will be deleted/)).toBeInTheDocument();
    await user.click(within(dialog).getByRole('button', { name: 'Sync' }));
    const progress = await screen.findByRole('dialog', { name: 'Sync operation' });
    expect(await within(progress).findByText('Succeeded')).toBeInTheDocument();
    expect(within(progress).getAllByRole('listitem')).toHaveLength(7);
    await user.click(within(progress).getAllByRole('button', { name: 'Close' })[0]!);
    const status = screen.getByRole('region', { name: 'Status' });
    expect(within(status).getByText('Synced')).toBeInTheDocument();
    expect(server.requests.find((request) => request.path.endsWith('/sync'))?.body).toMatchObject({ prune: true, dryRun: false });
  });

  it('can sync chosen objects only', async () => {
    const { user, server } = await renderApp('/applications/argocd/fraud-detector-dev?dialog=sync');
    const dialog = await screen.findByRole('dialog');
    await user.click(within(dialog).getByRole('button', { name: 'None' }));
    expect(within(dialog).getByRole('button', { name: 'Sync' })).toBeDisabled();
    await user.click(within(dialog).getByRole('checkbox', { name: /fraud-detector-dev-config/ }));
    await user.click(within(dialog).getByRole('button', { name: 'Sync' }));
    await screen.findByRole('dialog', { name: 'Sync operation' });
    expect(server.requests.find((request) => request.path.endsWith('/sync'))?.body).toMatchObject({ resources: [{ kind: 'ConfigMap', name: 'fraud-detector-dev-config' }] });
  });

  it('is rolled back after a confirmation that says what automation will do', async () => {
    const { user, server } = await renderApp('/applications/argocd/fraud-detector-dev?view=history');
    await user.click(await screen.findByRole('button', { name: 'Roll back to #1' }));
    const dialog = await screen.findByRole('dialog', { name: 'Roll back to #1' });
    expect(within(dialog).getByText(/Automatic sync stays on/)).toBeInTheDocument();
    await user.click(within(dialog).getByRole('button', { name: 'Roll back' }));
    await screen.findByRole('dialog', { name: 'Sync operation' });
    expect(server.requests.find((request) => request.path.endsWith('/rollback'))?.body).toMatchObject({ id: 1, prune: false });
    expect(await screen.findByText(/is quarantined/)).toBeInTheDocument();
  });

  it('is deleted only once its name is typed', async () => {
    const { user, server, address } = await renderApp('/applications/argocd/fraud-detector-dev?dialog=delete');
    const dialog = await screen.findByRole('dialog');
    expect(within(dialog).getByRole('button', { name: 'Delete' })).toBeDisabled();
    await user.type(within(dialog).getByLabelText(/Type fraud-detector-dev/), 'fraud-detector-dev');
    await user.selectOptions(within(dialog).getByRole('combobox'), 'orphan');
    await user.click(within(dialog).getByRole('button', { name: 'Delete' }));
    await waitFor(() => expect(address()).toBe('/applications'));
    const call = server.requests.find((request) => request.method === 'DELETE');
    expect(call?.query.get('cascade')).toBe('false');
  });

  it('shows what differs', async () => {
    await renderApp('/applications/argocd/fraud-detector-dev?view=diff');
    const [changed] = await screen.findAllByRole('region', { name: 'Deployment fraud-detector-dev' });
    expect(changed).toHaveTextContent('replicas: 2');
    expect(changed).toHaveTextContent('replicas: 3');
  });

  it('shows events as they happen', async () => {
    const { server } = await renderApp('/applications/argocd/fraud-detector-dev?view=events');
    const events = await screen.findByRole('list', { name: 'Events' });
    server.tell('fraud-detector-dev', { metadata: { name: 'new' }, reason: 'OperationStarted', message: 'rollback to 1', lastTimestamp: new Date().toISOString() });
    expect(await within(events).findByText('rollback to 1')).toBeInTheDocument();
    expect(server.requests.filter((request) => request.method === 'GET' && request.path === '/api/v1/applications/fraud-detector-dev/events')).toHaveLength(1);
  });

  it('lists its objects and opens one from the keyboard', async () => {
    const { user, address } = await renderApp('/applications/argocd/fraud-detector-dev?view=list');
    const row = (await screen.findByText('Ingress')).closest<HTMLElement>('[role=row]')!;
    row.focus();
    await user.keyboard('{Enter}');
    expect(await screen.findByRole('complementary', { name: 'Ingress fraud-detector-dev' })).toBeInTheDocument();
    expect(address()).toContain('node=networking.k8s.io/Ingress/serving-dev/fraud-detector-dev');
    await user.click(screen.getByRole('tab', { name: 'Live manifest' }));
    expect(await screen.findByText('fraud.example.com', { exact: false, selector: 'code *' })).toBeInTheDocument();
  });

  it('runs an action of an object with its parameters', async () => {
    const { user, server } = await renderApp('/applications/argocd/fraud-detector-dev?view=list&node=apps/Deployment/serving-dev/fraud-detector-dev');
    const panel = await screen.findByRole('complementary', { name: 'Deployment fraud-detector-dev' });
    await user.click(within(panel).getByRole('button', { name: 'More actions' }));
    await user.click(await screen.findByRole('menuitem', { name: 'scale' }));
    const dialog = await screen.findByRole('dialog', { name: 'scale' });
    await user.clear(within(dialog).getByLabelText('replicas'));
    await user.type(within(dialog).getByLabelText('replicas'), '4');
    await user.click(within(dialog).getByRole('button', { name: 'Run' }));
    await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
    const call = server.requests.find((request) => request.path.endsWith('/resource/actions/v2'));
    expect(call?.body).toMatchObject({ kind: 'Deployment', group: 'apps', resourceName: 'fraud-detector-dev', action: 'scale', resourceActionParameters: [{ name: 'replicas', value: '4' }] });
  });

  it('says when it cannot be read, which is not the same as being empty', async () => {
    await renderApp('/applications/argocd/no-such-app');
    expect(await screen.findByRole('alert')).toHaveTextContent('permission denied');
  });

  it('speaks Korean', async () => {
    await renderApp('/applications/argocd/fraud-detector-dev?view=history', { language: 'ko' });
    expect(await screen.findByRole('button', { name: '동기화' })).toBeInTheDocument();
    expect(screen.getByRole('tab', { name: /이력/ })).toHaveAttribute('aria-selected', 'true');
  });
});
