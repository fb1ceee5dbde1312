// A picture of every page, light and dark, on a phone and on a wide screen, into target/screenshots. No page is wider than
// its window or has a serious fault of accessibility.

import { Person, account, ask, same, smallList, step, travel } from '../browser.mjs';

const PUBLIC = {
  home: '/',
  'sign-in': '/sign-in',
  'sign-up': '/sign-up',
  'forgot-password': '/forgot-password',
  'reset-password': '/reset-password?token=gone',
  compiler: '/compiler',
  validation: '/validation',
  'ast-viewer': '/ast-viewer',
  'api-docs': '/api-docs',
  limits: '/limits',
  'not-found': '/nothing/here',
};
const OWN = { 'api-keys': '/api-keys', jobs: '/jobs', 'rule-sets': '/rule-sets', profile: '/profile' };
const REST_MS = 600;
const LOOKS = [
  { name: 'light-1440', theme: 'light', width: 1440, height: 900 },
  { name: 'dark-1440', theme: 'dark', width: 1440, height: 900 },
  { name: 'light-390', theme: 'light', width: 390, height: 844 },
  { name: 'dark-390', theme: 'dark', width: 390, height: 844 },
];

await travel(async () => {
  step('something to look at');
  const busy = '198.51.100.250';
  for (let n = 0; n < 12; n += 1) await ask('POST', '/api/compile', { body: smallList(), from: busy });
  const owner = await account();
  const headers = { Authorization: `Bearer ${owner.token}` };
  for (const [path, body] of [
    ['/api/keys', { name: 'nightly build', scopes: ['compile'] }],
    ['/api/rules', { name: 'Mine', rules: ['||a.example^'], tags: ['home'] }],
    ['/api/compile/async', smallList()],
  ]) {
    const made = await ask('POST', path, { body, headers });
    same(made.status < 300, true, `${path}: ${made.text}`);
  }
  await ask('PUT', `/api/admin/limits/user:${owner.id}/override`, { body: { policy: 'requests', value: 90, reason: 'a tester' }, isAdmin: true });
  const admins = {
    admin: '/admin',
    'admin-limits': '/admin/limits',
    'admin-identity': `/admin/limits/user:${owner.id}`,
    'admin-audit': '/admin/audit',
    'admin-users': '/admin/users',
    'admin-storage': '/admin/storage',
    'admin-policies': '/admin/policies',
  };

  for (const { name, ...look } of LOOKS) {
    const guest = await Person.come(look);
    await picture(guest, PUBLIC, name);
    step(`${name}: a compiled list`);
    await guest.goto('/compiler');
    await guest.click('Compile');
    await guest.see('lines compiled.');
    await guest.page.getByRole('tab', { name: 'Dropped' }).click();
    await seen(guest, `compiler-result-${name}`);
    step(`${name}: the menu and a validated list`);
    await guest.goto('/validation');
    await guest.write('Rules to validate, one a line', '||a.example^\nexample.org##\n');
    await guest.click('Validate');
    await guest.page.locator('[data-test="validation-result"]').waitFor();
    await seen(guest, `validation-result-${name}`);

    const ann = await Person.come(look);
    await ann.signIn(owner.email);
    await picture(ann, OWN, name);
    await ann.goto('/api-keys');
    await ann.click('Make a key', 'main');
    await ann.page.locator('[role="dialog"]').waitFor();
    await seen(ann, `api-keys-dialog-${name}`);

    const admin = await Person.come(look);
    await admin.signInAsAdmin();
    await picture(admin, admins, name);
    for (const person of [guest, ann, admin]) await person.context.close();
  }
});

async function picture(person, pages, name) {
  for (const [page, path] of Object.entries(pages)) {
    step(`${name}: ${path}`);
    await person.goto(path);
    await seen(person, `${page}-${name}`);
  }
}

async function seen(person, name) {
  // Editors and charts come a moment later.
  await person.page.waitForTimeout(REST_MS);
  await person.checkWidth(name);
  await person.checkAccessibility(name);
  await person.shoot(name);
}
