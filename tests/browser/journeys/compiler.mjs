// Compiling: form and JSON, progress of sources, what was dropped, what changed, saved configurations, jobs.

import { readFileSync } from 'node:fs';

import { Person, check, same, settings, step, travel, until } from '../browser.mjs';

await travel(async () => {
  const ann = await Person.come();
  await ann.signUp('Ann');
  await ann.goto('/compiler');
  const json = ann.page.getByRole('textbox', { name: 'The configuration as JSON' });
  await json.waitFor();

  step('the form changes the JSON');
  await ann.fill({ 'Name of the list': 'Journey' });
  await until(async () => (await json.innerText()).includes('"name": "Journey"'), 'the JSON follows');
  await ann.page.getByRole('checkbox', { name: /^InsertFinalNewLine/ }).check();
  await until(async () => (await json.innerText()).includes('InsertFinalNewLine'), 'the JSON follows');

  step('the JSON changes the form, and what is none is told');
  await ann.write('The configuration as JSON', '{ "name": 1 }');
  await ann.see('This is no configuration');
  check(await ann.page.getByRole('button', { name: 'Compile', exact: true }).isDisabled(), 'it can’t be compiled');
  const transformations = ['RemoveComments', 'Compress', 'Validate', 'Deduplicate'];
  const configuration = { name: 'Journey', sources: [{ source: 'my-rules' }], transformations };
  await ann.write('The configuration as JSON', JSON.stringify(configuration));
  await until(async () => !(await ann.page.getByRole('checkbox', { name: /^InsertFinalNewLine/ }).isChecked()), 'the form follows');

  step('a source that is loaded, beside own rules');
  await ann.write('Rules of source 1', '! mine\n||a.example.org^\n||sub.a.example.org^\n||a.example.org^\nnot a rule at all //\n');
  await ann.click('Add an address');
  await ann.fill({ Address: `${settings.origin}/list.txt` });
  await ann.click('Compile');
  await ann.see('lines compiled.');
  const sources = ann.page.locator('[data-test="source-progress"]');
  same(await sources.count(), 2);
  for (const n of [0, 1]) check((await sources.nth(n).innerText()).includes('loaded'), `source ${n} is loaded`);

  step('what was dropped, and why');
  check(Number(await ann.text('Dropped lines')) >= 3, 'lines are dropped');
  await ann.page.getByRole('tab', { name: 'Dropped' }).click();
  const lines = ann.page.getByRole('region', { name: 'Dropped lines' });
  await lines.getByText('not a rule at all //').waitFor();
  await lines.getByText(/sub\.a\.example\.org/).waitFor();
  const reasons = ann.page.locator('app-dropped figure button');
  const before = await lines.getByRole('row').count();
  await reasons.first().click();
  check((await lines.getByRole('row').count()) <= before, 'a reason has some of the lines');
  await ann.page.getByRole('tab', { name: 'Steps' }).click();
  await ann.page.getByRole('cell', { name: 'Compress' }).first().waitFor();

  step('what changed since the last run');
  await ann.write('Rules of source 1', '||a.example.org^\n||b.example.org^\n');
  await ann.click('Compile');
  await ann.page.getByRole('tab', { name: 'Changes' }).click();
  await until(async () => /^1 rule came, 0 went/.test(await ann.text('changes').catch(() => '')), 'one rule came');
  await ann.page.getByRole('region', { name: 'Lines that came' }).or(ann.page.getByLabel('Lines that came')).getByText('||b.example.org^').waitFor();

  step('the list as a file');
  const [file] = await Promise.all([ann.page.waitForEvent('download'), ann.click('Download')]);
  same(file.suggestedFilename(), 'Journey.txt');
  check(readFileSync(await file.path(), 'utf8').includes('||b.example.org^'), 'the list is in the file');

  step('the same as a command');
  await ann.page.getByRole('tab', { name: 'As a command' }).click();
  const curl = await until(() => ann.text('curl'), 'the command is shown');
  check(curl.startsWith(`curl '${settings.url}/api/compile'`) && curl.includes('$API_KEY'), curl);

  step('a source that can’t be loaded is named');
  await ann.fill({ Address: `${settings.origin}/nothing.txt` });
  await ann.click('Compile');
  await ann.page.locator('app-problem [role="alert"]').waitFor();
  check((await sources.nth(1).innerText()).includes('failed'), 'the source is marked');
  await ann.fill({ Address: `${settings.origin}/list.txt` });

  step('a configuration is saved, opened and deleted');
  await ann.page.getByRole('button', { name: 'Saved configurations' }).click();
  await ann.fill({ 'Name to save it under': 'kept' });
  await ann.click('Save the configuration');
  await ann.page.getByRole('button', { name: 'Open kept' }).waitFor();
  await ann.fill({ 'Name of the list': 'Another' });
  await ann.click('Open kept');
  await until(async () => (await ann.page.getByLabel('Name of the list').inputValue()) === 'Journey', 'it is back');
  await ann.click('Delete kept');
  await ann.click('Delete it');
  await ann.see('Nothing is saved yet.');

  step('a job goes on by itself and has its list');
  await ann.click('Compile as a job');
  await ann.page.waitForURL('**/jobs');
  await ann.page.getByRole('region', { name: 'Jobs that have ended' }).getByText('Journey').waitFor();
  await ann.page.getByRole('region', { name: 'Jobs that have ended' }).getByRole('link', { name: /Journey|Open/ }).first().click();
  await ann.page.waitForURL('**/jobs?id=*');
  await ann.see('First lines');
  step('its address can be loaded again');
  await ann.page.reload();
  await ann.see('First lines');

  step('a slow job shows that it goes on, and is cancelled');
  await ann.goto('/compiler');
  await ann.fill({ 'Name of the list': 'Slow' });
  await ann.click('Add an address');
  await ann.fill({ Address: `${settings.origin}/wait/15000/slow` });
  await ann.click('Compile as a job');
  await ann.page.waitForURL('**/jobs');
  const job = ann.page.locator('app-job-progress').filter({ hasText: 'Slow' });
  await job.getByText('running').waitFor();
  await job.getByRole('button', { name: 'Cancel job' }).click();
  await ann.click('Stop the job');
  await ann.page.locator('[data-test="outcome"]').getByText(/cancelled in time|too late/).waitFor();
});
