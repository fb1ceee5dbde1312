// What admins have besides counters: the overview, users, audit, storage, policies.

import { Person, account, ask, check, same, smallList, step, travel, until } from '../browser.mjs';

await travel(async () => {
  step('the admin’s pages are nobody else’s');
  const ann = await Person.come();
  await ann.signUp('Ann');
  await ann.goto('/admin/limits');
  check(!ann.page.url().includes('/admin'), ann.page.url());
  check((await ann.page.getByRole('link', { name: 'Live counters' }).count()) === 0, 'no link leads there');

  const admin = await Person.come();
  await admin.signInAsAdmin('/admin');
  step('the overview shows that something happens');
  await admin.see('healthy');
  for (const chart of ['Requests', 'Writes per admit', 'Registry lag', 'Object calls', 'Queue depth']) {
    await admin.page.getByRole('img', { name: new RegExp(`^${chart}`) }).waitFor();
  }
  const requests = admin.page.getByRole('img', { name: /^Requests/ });
  const from = '203.0.113.77';
  for (let n = 0; n < 20; n += 1) await ask('POST', '/api/compile', { body: smallList(), from });
  await until(async () => !/Refused (–|0)\b/.test(await requests.getAttribute('aria-label')), 'refusals are drawn');

  step('a user is made, changed, banned, let in and deleted');
  await admin.goto('/admin/users');
  await admin.click('New user', 'main');
  const dialog = '[role="dialog"]';
  await admin.page.locator(dialog).waitFor();
  const email = `made-${Date.now().toString(36)}@example.org`;
  await admin.fill({ Email: email, 'Name (optional)': 'Made' });
  await admin.click('Create the user', dialog);
  const row = admin.page.getByRole('row', { name: new RegExp(email) });
  await row.waitFor();
  const open = async (item) => {
    await admin.click(`Change ${email}`);
    await admin.page.getByRole('menuitem', { name: item }).click();
  };
  await open('Tier and role …');
  await admin.choose('Tier', 'pro');
  await admin.click('Save', dialog);
  await row.getByText('pro').waitFor();
  await open('Ban …');
  await admin.fill({ 'Reason (optional)': 'a journey' });
  await admin.click('Ban the user', dialog);
  await row.getByText('banned').waitFor();
  await open('Lift the ban');
  await row.getByText('banned').waitFor({ state: 'detached' });
  await open('Limits and counters');
  await admin.page.waitForURL('**/admin/limits/user**');
  await admin.see(email);
  await admin.goto('/admin/users');
  await open('Delete …');
  await admin.click('Delete the user');
  await row.waitFor({ state: 'detached' });

  step('a page of one user shows sessions and keys, and ends them');
  const theirs = await account();
  const made = await ask('POST', '/api/keys', { body: { name: 'theirs', scopes: ['compile'] }, headers: { Authorization: `Bearer ${theirs.token}` } });
  same(made.status, 201, made.text);
  await admin.goto(`/admin/limits/user:${theirs.id}`);
  const sessions = admin.page.getByRole('region', { name: 'Sessions of the user' });
  await sessions.waitFor();
  await admin.click('Revoke theirs');
  await admin.click('Revoke it');
  await admin.page.getByRole('region', { name: 'API keys of the user' }).getByText('revoked').waitFor();
  same((await ask('POST', '/api/compile', { body: smallList(), headers: { Authorization: `Bearer ${made.json.key}` } })).status, 401);
  await sessions.getByRole('button', { name: 'End' }).first().click();
  await admin.see('Signed in nowhere.');

  step('the audit has it, with before and after');
  await ask('PUT', `/api/admin/limits/net:${from}/override`, { body: { policy: 'requests', value: 5, reason: 'for the audit' }, isAdmin: true });
  await admin.goto(`/admin/audit?identity=net:${from}`);
  await admin.see('for the audit');
  await admin.page.locator('tbody').getByRole('button').first().click();
  await admin.page.getByRole('region', { name: 'What the action changed' }).getByText('policies.requests.limit').waitFor();

  step('storage answers a query and refuses one that writes');
  await admin.goto('/admin/storage');
  await admin.write('SQL statement', 'SELECT count(*) AS n FROM users');
  await admin.click('Run');
  await admin.page.getByRole('region', { name: 'What the statement found' }).waitFor();
  await admin.write('SQL statement', 'DELETE FROM users');
  await admin.click('Run');
  await admin.page.locator('app-storage-query [role="alert"]').waitFor();
  await admin.click('Tidy up …');
  await admin.page.getByRole('alertdialog').getByRole('button').last().click();
  await until(async () => (await admin.text('told')) !== '', 'it is told what was done');

  step('a policy in shadow refuses nobody and names whom it would have refused');
  const watched = '203.0.113.78';
  for (let n = 0; n < 4; n += 1) same((await ask('POST', '/api/compile', { body: smallList(), from: watched })).status, 200);
  await admin.goto('/admin/policies');
  await admin.page.getByRole('region', { name: 'Policies of the tier anonymous' }).getByRole('row', { name: /watched/ }).getByText('in shadow').waitFor();
  const list = admin.page.getByRole('region', { name: 'Who would have been refused' });
  await list.getByText(`net:${watched}`).waitFor();
  check(Number(await admin.text('shadow-denials')) >= 2, 'they are counted');
  await admin.goto('/admin/limits');
  await admin.page.getByRole('radio', { name: 'Shadowed' }).or(admin.page.getByRole('button', { name: 'Shadowed' })).first().click();
  await admin.page.getByRole('link', { name: `net:${watched}` }).waitFor();
});
