// What is true of all pages: the keyboard suffices, the theme is remembered, and trouble says what to do.

import { Person, check, same, step, travel, until } from '../browser.mjs';

await travel(async () => {
  step('the keyboard: past the menu, through a form, and into a page');
  const ann = await Person.come();
  await ann.goto('/');
  await ann.page.keyboard.press('Tab');
  same(await focused(ann), 'Skip to the content');
  await ann.page.keyboard.press('Enter');
  same(await ann.page.evaluate(() => document.activeElement.id), 'content');
  await ann.page.keyboard.press('Tab');
  same(await focused(ann), 'Compile a list');
  await ann.page.keyboard.press('Enter');
  await ann.page.waitForURL('**/compiler');

  step('a dialog keeps the focus, and gives it back');
  await ann.signUp('Ann');
  await ann.goto('/rule-sets');
  const opener = ann.page.locator('main').getByRole('button', { name: 'New rule set' }).first();
  await opener.focus();
  await ann.page.keyboard.press('Enter');
  const dialog = ann.page.getByRole('dialog');
  await dialog.waitFor();
  for (let n = 0; n < 15; n += 1) {
    await ann.page.keyboard.press('Tab');
    check(await dialog.evaluate((dialog) => dialog.contains(document.activeElement)), 'the focus is in the dialog');
  }
  await ann.page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });
  await until(async () => opener.evaluate((opener) => opener === document.activeElement), 'the focus is back');

  step('the menu of a phone opens and closes by keyboard');
  const phone = await Person.come({ width: 390, height: 844 });
  await phone.goto('/');
  const menu = phone.page.getByRole('navigation', { name: 'Pages' });
  check(!(await menu.isVisible()), 'it is closed');
  await phone.page.getByRole('button', { name: 'Open the menu' }).focus();
  await phone.page.keyboard.press('Enter');
  await menu.waitFor();
  await phone.page.keyboard.press('Escape');
  await menu.waitFor({ state: 'hidden' });
  await phone.click('Open the menu');
  await phone.page.getByRole('link', { name: 'My limits' }).click();
  await phone.page.waitForURL('**/limits');
  await menu.waitFor({ state: 'hidden' });

  step('a theme that was chosen is remembered, before the first paint');
  const background = () => ann.page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await background();
  await ann.click('Theme of the system; change');
  await ann.click('Light theme; change');
  await ann.page.getByRole('button', { name: 'Dark theme; change' }).waitFor();
  const dark = await background();
  check(light !== dark, `${light} is ${dark}`);
  await ann.page.reload();
  await ann.settle();
  same(await background(), dark);

  step('a service out of reach is said to be so, with a way on');
  await ann.goto('/validation');
  await ann.write('Rules to validate, one a line', '||a.example^');
  await ann.context.setOffline(true);
  await ann.click('Validate');
  await ann.see('The service can’t be reached.');
  await ann.context.setOffline(false);
  await ann.click('Try again');
  await ann.see('All lines are valid.');
  check((await ann.page.getByText('You were signed out').count()) === 0, 'nobody was signed out by that');

  step('a page that breaks on the way is asked for again');
  await ann.goto('/limits');
  await ann.context.setOffline(true);
  await ann.see(/Last known/);
  await ann.context.setOffline(false);
  await ann.page.getByText('Live', { exact: true }).waitFor();
});

function focused(person) {
  return person.page.evaluate(() => document.activeElement.innerText.trim());
}
