// Signing up, in and out; passwords; sessions of other browsers.

import { PASSWORD, Person, check, settings, step, travel, until } from '../browser.mjs';

await travel(async () => {
  const ann = await Person.come();
  step('a page for those who signed in leads to signing in, and back');
  await ann.goto('/profile');
  check(ann.page.url().includes('/sign-in?next=%2Fprofile'), ann.page.url());
  await ann.page.getByRole('link', { name: 'Make an account' }).click();
  await ann.page.waitForURL('**/sign-up?next=%2Fprofile');

  step('bad fields are named before anything is sent');
  await ann.fill({ Name: 'Ann', Email: 'nobody', Password: 'short' });
  await ann.click('Make the account');
  await ann.see('This is no mail address.');
  await ann.see('It must have 8 to 128 characters.');

  step('signing up');
  const email = await ann.signUp('Ann');
  await ann.page.getByRole('link', { name: 'Ann' }).click();
  await ann.see(email);
  await ann.see('not verified');

  step('signing out, and in again with a wrong and then the right password');
  await ann.click('Sign out', 'header');
  await ann.page.waitForURL((url) => url.pathname === '/');
  await ann.goto('/sign-in');
  await ann.fill({ Email: email, Password: 'a-wrong-password' });
  await ann.click('Sign in', 'main');
  await ann.page.getByRole('alert').waitFor();
  await ann.signIn(email, PASSWORD, '/profile');

  step('another browser signs in and is seen; ended there, it is told so');
  const other = await Person.come({ width: 390, height: 800 });
  await other.signIn(email, PASSWORD, '/limits');
  await ann.page.reload();
  await ann.settle();
  const rows = ann.page.getByRole('region', { name: 'Sessions' }).getByRole('row');
  await until(async () => (await rows.count()) === 3, 'two sessions are shown');
  await ann.page.getByRole('button', { name: /^Sign out .+/ }).last().click();
  await until(async () => (await rows.count()) === 2, 'one session is shown');
  await other.see('You were signed out: your session has ended.');
  await other.goto('/api-keys');
  check(other.page.url().includes('/sign-in'), other.page.url());

  step('a session that ends in one tab ends in the other');
  const tab = await ann.tab();
  await tab.goto('/jobs');
  await tab.getByRole('heading', { name: 'Jobs', exact: true }).waitFor();
  await ann.click('Sign out', 'header');
  await ann.page.waitForURL((url) => url.pathname === '/');
  await tab.getByText('You were signed out: your session has ended.').waitFor();
  await tab.close();

  step('a new password; the old one is over');
  await ann.signIn(email, PASSWORD, '/profile');
  const changed = 'another-password-of-a-test';
  await ann.fill({ 'Current password': PASSWORD, 'New password': changed });
  await ann.click('Change the password');
  await ann.see(/password is changed|Password changed|new password/i);
  await ann.click('Sign out', 'header');
  await ann.page.waitForURL((url) => url.pathname === '/');
  await ann.signIn(email, changed, '/profile');

  step('another name');
  await ann.fill({ Name: 'Anna' });
  await ann.click('Save');
  await ann.page.getByRole('link', { name: 'Anna' }).waitFor();

  step('a forgotten password, by mail');
  await ann.click('Sign out', 'header');
  await ann.page.waitForURL((url) => url.pathname === '/');
  await ann.goto('/forgot-password');
  await ann.fill({ Email: email });
  await ann.click('Mail me a link');
  await ann.see('a mail is on its way');
  const mail = await until(async () => {
    const mails = await (await fetch(settings.mails)).json();
    return mails.findLast(({ to, text }) => to === email && text.includes('reset-password'));
  }, 'a mail comes');
  const link = new URL(mail.text.split(/\s/).find((word) => word.startsWith('http')));
  await ann.goto(link.pathname + link.search);
  check(new URL(ann.page.url()).pathname === '/reset-password', ann.page.url());
  await ann.fill({ 'New password': PASSWORD });
  await ann.click('Change the password');
  await ann.see('Your password is changed.');
  await ann.signIn(email, PASSWORD, '/profile');
  step('the link works once');
  const used = await ann.tab();
  await used.goto(link.pathname + link.search);
  await used.getByText('This link does not work any more').waitFor();

  step('the account is deleted, and nobody can sign in to it');
  await ann.fill({ 'Your password': PASSWORD });
  await ann.click('Delete my account');
  const dialog = ann.page.getByRole('alertdialog');
  await dialog.getByRole('button').last().click();
  await ann.page.waitForURL((url) => url.pathname === '/');
  await ann.goto('/sign-in');
  await ann.fill({ Email: email, Password: PASSWORD });
  await ann.click('Sign in', 'main');
  await ann.page.getByRole('alert').waitFor();
});
