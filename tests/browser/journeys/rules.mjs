// Validating, looking inside rules, rule sets, and the pages about the API.

import { Person, check, same, step, travel, until } from '../browser.mjs';

await travel(async () => {
  const ann = await Person.come();
  await ann.signUp('Ann');
  step('a list is validated, and a fault leads to its line');
  await ann.goto('/validation');
  await ann.write('Rules to validate, one a line', '||a.example.org^\n||b.example.org^$badmodifier=\n! a comment\nexample.org##\n');
  await ann.click('Validate');
  const faults = ann.page.getByRole('region', { name: 'Lines that are not valid' });
  await faults.getByText('example.org##').waitFor();
  await faults.getByRole('button').first().click();
  step('one rule in depth, and in other words');
  await ann.fill({ Rule: '||example.org^', 'Test address (optional)': 'https://www.example.org/a.js' });
  await ann.click('Check the rule');
  await ann.see('The rule is valid.');
  await ann.see('It matches');
  await ann.page.getByRole('combobox').last().click();
  await ann.page.getByRole('option', { name: 'Hosts file' }).click();
  await ann.page.locator('app-conversion').getByRole('button', { name: /convert|write/i }).first().click();
  await ann.page.locator('app-conversion').getByText(/0\.0\.0\.0 example\.org/).waitFor();

  step('the tree of a rule, by keyboard');
  await ann.goto('/ast-viewer');
  await ann.write('Rules, one a line', '||example.org^$script,third-party\nexample.org##.ad\n');
  await ann.click('Parse');
  const parsed = ann.page.locator('[data-test="parsed-rule"]');
  await until(async () => (await parsed.count()) === 2, 'two rules are parsed');
  const tree = ann.page.getByRole('tree').first();
  await tree.waitFor();
  await tree.getByRole('treeitem').first().focus();
  await ann.page.keyboard.press('ArrowDown');
  await ann.page.keyboard.press('ArrowRight');
  check(await tree.evaluate((tree) => tree.contains(document.activeElement)), 'the keyboard stays in the tree');

  step('a rule set is made, changed and deleted');
  await ann.goto('/rule-sets');
  await ann.click('New rule set', 'main');
  const dialog = '[role="dialog"]';
  await ann.page.locator(dialog).waitFor();
  await ann.fill({ Name: 'mine', 'Tags (optional)': 'home, work' });
  await ann.write('Rules of the set, one a line', '||a.example^\n||b.example^');
  await ann.click('Save', dialog);
  const row = ann.page.getByRole('region', { name: 'Rule sets' }).getByRole('row', { name: /mine/ });
  await row.waitFor();
  check((await row.innerText()).includes('home'), 'its tags are shown');
  await row.getByRole('button', { name: /Edit/ }).click();
  await ann.page.getByLabel('Name', { exact: true }).last().waitFor();
  await ann.fill({ Name: 'theirs' });
  await ann.click('Save', dialog);
  const renamed = ann.page.getByRole('row', { name: /theirs/ });
  await renamed.waitFor();
  await renamed.getByRole('button', { name: /Delete/ }).click();
  await ann.page.getByRole('alertdialog').getByRole('button').last().click();
  await renamed.waitFor({ state: 'detached' });

  step('the API’s own page finds what is searched for');
  await ann.goto('/api-docs');
  await ann.page.getByRole('searchbox').fill('/api/compile/stream');
  const found = ann.page.locator('mat-expansion-panel');
  await until(async () => (await found.count()) === 1, 'one is found');
  await found.getByRole('button').click();
  await found.getByText('CompileRequest').first().waitFor();
  step('what is not there is said to be so');
  await ann.goto('/nothing/here');
  await ann.page.getByRole('heading', { level: 1 }).waitFor();
  same(await ann.page.title(), 'Not found · Bloqr');
});
