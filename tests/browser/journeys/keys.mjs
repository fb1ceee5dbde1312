// API keys: made, shown once, used, changed, revoked.

import { Person, ask, check, note, same, smallList, step, travel, until } from '../browser.mjs';

await travel(async () => {
  const ann = await Person.come();
  await ann.signUp('Ann');
  await ann.goto('/api-keys');
  step('without keys the page says what to do');
  await ann.see('No keys yet');
  await ann.click('Make the first key');
  const dialog = '[role="dialog"]';
  step('a key needs a name and a scope');
  await ann.click('Make the key', dialog);
  await ann.see('A name has 1 to 100 characters.');
  await ann.fill({ Name: 'nightly build', 'Limit a minute': 3, 'Expires after days (optional)': 30 });
  await ann.click('Make the key', dialog);

  step('it is shown once, and not closed before it is copied');
  const shown = ann.page.locator('[data-test="key"]');
  await shown.waitFor();
  const key = await shown.innerText();
  note(key);
  check(/^blq_|^[a-z]+_/.test(key), 'it looks like a key');
  await ann.click('Close', dialog);
  await ann.see('Close without copying?');
  await ann.click('Cancel');
  await ann.click('Copy the key', dialog);
  await ann.page.getByText('Copied').first().waitFor();
  same(await ann.page.evaluate(() => navigator.clipboard.readText()), key, 'the clipboard');
  await ann.click('Close', dialog);
  await shown.waitFor({ state: 'detached' });
  check(!(await ann.page.content()).includes(key), 'the key is not on the page any more');
  await ann.page.reload();
  await ann.settle();
  check(!(await ann.page.content()).includes(key), 'nor after loading it again');

  step('it works, and its last use is seen');
  const headers = { Authorization: `Bearer ${key}` };
  const compile = () => ask('POST', '/api/compile', { body: smallList(), headers });
  for (let n = 0; n < 3; n += 1) same((await compile()).status, 200);
  same((await compile()).status, 429, 'its own limit');
  const row = ann.page.getByRole('row', { name: /nightly build/ });
  await until(async () => {
    await ann.page.reload();
    await ann.settle();
    return /now|ago/.test(await row.getByRole('cell').nth(3).innerText());
  }, 'the last use is written down');

  step('name and scopes change');
  await ann.click('Edit nightly build');
  await ann.fill({ Name: 'weekly build' });
  await ann.page.locator(dialog).getByRole('checkbox', { name: /^rules/ }).check();
  await ann.click('Save', dialog);
  await ann.page.getByRole('row', { name: /weekly build/ }).getByText('compile, rules').waitFor();

  step('revoked, it is refused at once');
  await ann.click('Revoke weekly build');
  await ann.page.getByRole('alertdialog').getByRole('button').last().click();
  await until(async () => (await ann.page.getByText('revoked').count()) > 0 || (await ann.page.getByText('No key is active').count()) > 0, 'it is shown as revoked');
  same((await compile()).status, 401);
});
