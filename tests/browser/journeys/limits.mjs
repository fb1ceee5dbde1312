// A refusal with its countdown, and limits that move: one's own, and by an admin's hand in another browser.

import { Person, ask, check, same, smallList, step, travel, until } from '../browser.mjs';

await travel(async () => {
  const guest = await Person.come();
  step('without an account the network is counted');
  await guest.goto('/limits');
  const requests = '[data-test="policy-requests"]';
  same(await guest.text('limit', requests), '10');
  same(await guest.text('used', requests), '0');

  step('what somebody else of the network does is seen');
  for (let n = 0; n < 8; n += 1) same((await ask('POST', '/api/compile', { body: smallList(), from: guest.from })).status, 200);
  await until(async () => (await guest.text('used', requests)) === '8', 'eight are used', 2000);
  same(await guest.text('state', requests), 'near the limit');
  check(/^\d+ s$|^1 min/.test(await guest.text('reset', requests)), 'it says when all is back');

  step('a refusal shows when to come back, counts down, and then lets in');
  for (let n = 0; n < 2; n += 1) await ask('POST', '/api/compile', { body: smallList(), from: guest.from });
  await guest.goto('/compiler');
  await guest.click('Compile');
  const countdown = guest.page.locator('[data-countdown]');
  await countdown.waitFor();
  const first = Number(await countdown.innerText());
  check(first > 0 && first <= 60, `${first} s`);
  const retry = guest.page.getByRole('button', { name: 'Try again' });
  check(await retry.isDisabled(), 'it can’t be tried again before');
  await until(async () => Number(await countdown.innerText()) < first, 'the seconds pass');

  step('an admin lifts it, and it is over');
  const reset = await ask('POST', `/api/admin/limits/net:${guest.from}/reset`, { body: {}, isAdmin: true });
  same(reset.status, 200, reset.text);
  // So long a refusal may be repeated without asking.
  const repeated = new Promise((resolve) => setTimeout(resolve, 2000));
  await guest.goto('/limits');
  await until(async () => (await guest.text('used', requests)) === '0', 'nothing is used');
  await repeated;
  await guest.goto('/compiler');
  await guest.click('Compile');
  await guest.see('lines compiled.');

  step('whoever signs in has limits of their own, and sees an admin’s reset within two seconds');
  const ann = await Person.come();
  await ann.signUp('Ann');
  await ann.goto('/limits');
  same(await ann.text('limit', requests), '60');
  same(await ann.text('tier'), 'free');
  const identity = await ann.text('identity');
  await ann.page.evaluate(async (body) => {
    for (let n = 0; n < 5; n += 1) {
      await fetch('/api/compile', { method: 'POST', body, headers: { 'Content-Type': 'application/json' } });
    }
  }, JSON.stringify(smallList()));
  await until(async () => (await ann.text('used', requests)) === '5', 'five are used', 2000);

  const admin = await Person.come();
  await admin.signInAsAdmin(`/admin/limits/${identity}`);
  await until(async () => (await admin.text('used', requests)) === '5', 'the admin sees them');
  await admin.click('Reset');
  const dialog = '[role="dialog"]';
  await admin.page.locator(dialog).waitFor();
  await admin.fill({ 'Reason (optional)': 'a journey' });
  await admin.click('Reset', dialog);
  const done = admin.page.locator('[data-test="done"]');
  await done.waitFor();
  await until(async () => (await ann.text('used', requests)) === '0', 'it is seen', 2000);
  step('before and after are told');
  const told = await done.innerText();
  check(/policies\.requests\.used\s+5\s+0/.test(told), told);

  step('another quota, and a ban with its reason, are seen within two seconds');
  await admin.click('Override');
  await admin.choose('Policy', 'requests');
  await admin.fill({ 'Units per window': 7, Reason: 'a journey' });
  await admin.click('Set the quota', dialog);
  await admin.see('overridden');
  await until(async () => (await ann.text('limit', requests)) === '7', 'it is seen', 2000);
  await admin.click('Ban');
  await admin.click('Ban', dialog);
  await admin.see('A reason has 1 to 500 characters.');
  await admin.fill({ Reason: 'too many journeys' });
  await admin.click('Ban', dialog);
  await admin.page.locator(dialog).waitFor({ state: 'detached' });
  await ann.page.locator('[data-test="ban"]').waitFor({ timeout: 2000 });
  await admin.click('Lift the ban', 'main');
  await admin.click('Lift the ban', dialog);
  await admin.page.locator(dialog).waitFor({ state: 'detached' });
  await ann.see('Access is no longer suspended.');
  await admin.click('Take it back', 'main');
  await admin.click('Take it back', dialog);
  await until(async () => (await ann.text('limit', requests)) === '60', 'the policy’s own quota is back');
  step('what was done is told with the identity');
  for (const action of ['reset', 'set override', 'ban', 'unban', 'clear override']) {
    await admin.page.locator('summary', { hasText: action }).first().waitFor();
  }
});
