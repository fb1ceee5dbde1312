// The live table: 100,000 identities that scroll smoothly, a refusal that shows within two seconds, filters, pause, and a
// connection that is lost and comes back.

import { Person, ask, check, same, smallList, step, travel, until } from '../browser.mjs';

const N = 100_000;
const AT_ONCE = 5000;
const MAX_FRAME_MS = 50;

await travel(async () => {
  step(`${N} identities are told of`);
  for (let from = 0; from < N; from += AT_ONCE) {
    const filled = await ask('POST', `/api/faults/registry?from=${from}&n=${AT_ONCE}`, { isAdmin: true });
    same(filled.status, 200, filled.text);
  }
  const admin = await Person.come();
  await admin.signInAsAdmin('/admin/limits');
  const state = admin.page.locator('[data-test="live-state"]');
  await state.getByText('live').waitFor();
  const counts = admin.page.locator('[data-test="counts"]');
  const nOf = async () => (await counts.innerText()).match(/[\d,]+/g).map((text) => Number(text.replaceAll(',', '')));
  await until(async () => (await nOf())[1] >= N && !(await counts.innerText()).includes('loading'), 'all are loaded', 60_000);

  step('they scroll without a frame over 50 ms');
  const table = admin.page.locator('cdk-virtual-scroll-viewport');
  const slow = await slowFrames(admin, table);
  console.log(`   ${slow.frames} frames, the longest work in one ${slow.longest.toFixed(1)} ms`);
  check(slow.frames > 100, `only ${slow.frames} frames`);
  check(slow.longest <= MAX_FRAME_MS, `a frame of ${slow.longest} ms`);

  step('a new refusal shows within two seconds');
  const from = '203.0.113.201';
  await admin.page.getByLabel('Search by name').fill(from);
  for (let n = 0; n < 10; n += 1) same((await ask('POST', '/api/compile', { body: smallList(), from })).status, 200);
  const row = admin.page.locator('[data-test="identity-row"]').filter({ hasText: `net:${from}` });
  await row.waitFor();
  const refused = row.locator('[data-test="refused"]');
  same(await refused.innerText(), '0');
  same((await ask('POST', '/api/compile', { body: smallList(), from })).status, 429);
  const refusedAt = Date.now();
  await until(async () => (await refused.innerText()) === '1', 'the refusal shows', 2000);
  console.log(`   after ${Date.now() - refusedAt} ms`);

  step('filters and orders');
  const filter = (name) => admin.page.getByRole('radio', { name }).or(admin.page.getByRole('button', { name, exact: true })).first().click();
  await filter('Refused');
  same((await nOf())[0], 1);
  await filter('Banned');
  same((await nOf())[0], 0);
  await admin.see('Nobody matches.');
  same((await ask('PUT', `/api/admin/limits/net:${from}/ban`, { body: { reason: 'a journey' }, isAdmin: true })).status, 200);
  await row.getByText('banned').waitFor();
  await filter('All');
  await admin.page.getByLabel('Search by name').fill('');
  await admin.choose('Order', 'Most refusals');
  await until(async () => (await admin.page.locator('[data-test="refused"]').first().innerText()) === '6', 'the most refused come first');

  step('a pause holds everything still');
  await admin.page.getByLabel('Search by name').fill('203.0.113.202');
  await admin.click('Pause');
  await state.getByText('paused').waitFor();
  for (let n = 0; n < 3; n += 1) await ask('POST', '/api/compile', { body: smallList(), from: '203.0.113.202' });
  await new Promise((resolve) => setTimeout(resolve, 2500));
  same((await nOf())[0], 0, 'nothing moves');
  await admin.click('Go on');
  await until(async () => (await nOf())[0] === 1, 'what came meanwhile is shown');

  step('a lost connection is told, and what was missed is there once it is back');
  await admin.context.setOffline(true);
  await admin.page.evaluate(() => globalThis.dispatchEvent(new Event('offline')));
  await state.getByText('reconnecting').waitFor();
  const missed = '203.0.113.203';
  await admin.page.getByLabel('Search by name').fill(missed);
  for (let n = 0; n < 3; n += 1) await ask('POST', '/api/compile', { body: smallList(), from: missed });
  await new Promise((resolve) => setTimeout(resolve, 1500));
  await admin.context.setOffline(false);
  await state.getByText('live').waitFor();
  await until(async () => (await nOf())[0] === 1, 'what was missed is there');

  step('a row leads to its identity, and the address can be loaded again');
  await admin.page.getByRole('link', { name: `net:${missed}` }).click();
  await admin.page.waitForURL('**/admin/limits/net**');
  await admin.page.reload();
  await admin.settle();
  await until(async () => (await admin.text('used', '[data-test="policy-requests"]')) === '3', 'exactly three are used');
});

/** Scrolls through the table by wheel and sees in Chromium's own trace how long the page's thread worked on each frame. */
async function slowFrames(person, table) {
  const client = await person.context.newCDPSession(person.page);
  const events = [];
  client.on('Tracing.dataCollected', ({ value }) => events.push(...value));
  await client.send('Tracing.start', { transferMode: 'ReportEvents', traceConfig: { includedCategories: ['devtools.timeline', 'disabled-by-default-devtools.timeline', 'toplevel'] } });
  await table.hover();
  for (let n = 0; n < 150; n += 1) {
    await person.page.mouse.wheel(0, n % 10 === 9 ? 20_000 : 300);
    await new Promise((resolve) => setTimeout(resolve, 16));
  }
  await new Promise((resolve) => {
    client.once('Tracing.tracingComplete', resolve);
    void client.send('Tracing.end');
  });
  const main = events.find(({ name, args }) => name === 'UpdateLayerTree' || (name === 'FireAnimationFrame' && args?.data?.frame));
  const ofMain = events.filter(({ pid, tid }) => pid === main.pid && tid === main.tid);
  const tasks = ofMain.filter(({ name, ph }) => /^(ThreadControllerImpl::)?RunTask$/.test(name) && ph === 'X');
  check(tasks.length > 100, `only ${tasks.length} tasks in the trace`);
  const frames = ofMain.filter(({ name }) => name === 'UpdateLayerTree' || name === 'Layerize').length;
  return { frames, longest: Math.max(...tasks.map(({ dur }) => dur / 1000)) };
}
