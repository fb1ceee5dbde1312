// Paths that are both a page and a part of the API, deep links, and what the platform says of files.

import { Person, ask, check, same, settings, step, travel } from '../browser.mjs';

const PUBLIC = ['/', '/sign-in', '/sign-up', '/forgot-password', '/compiler', '/validation', '/ast-viewer', '/api-docs', '/limits'];
const OWN = ['/api-keys', '/jobs', '/rule-sets', '/profile'];
const ADMIN = ['/admin', '/admin/limits', '/admin/limits/net:192.0.2.1', '/admin/audit', '/admin/users', '/admin/storage', '/admin/policies'];

await travel(async () => {
  step('every page can be the first, and be loaded again');
  const admin = await Person.come();
  const headings = new Map();
  for (const path of PUBLIC) headings.set(path, await headingAt(admin, path));
  await admin.signInAsAdmin('/admin');
  for (const path of [...OWN, ...ADMIN]) headings.set(path, await headingAt(admin, path));
  same(new Set(headings.values()).size, headings.size, 'each has a heading of its own');

  step('the same path is a page for a browser and data for a client');
  const headers = { 'X-Admin-Key': settings.adminKey };
  const data = await ask('GET', '/admin/users', { headers: { ...headers, Accept: 'application/json, text/plain, */*' } });
  same(data.status, 200);
  check(Array.isArray(data.json.users), 'a list of users');
  const page = await ask('GET', '/admin/users', { headers: { Accept: 'text/html,application/xhtml+xml' } });
  same([page.status, page.headers.get('content-type')], [200, 'text/html; charset=utf-8']);
  same(page.headers.get('cache-control'), 'no-store');
  for (const path of ['/api-keys', '/compiler', '/api-docs']) {
    const answer = await ask('GET', path, { headers: { Accept: 'text/html' } });
    same([answer.status, answer.headers.get('content-type')], [200, 'text/html; charset=utf-8'], path);
  }
  for (const path of ['/api/x', '/api/compile/x/y']) {
    const answer = await ask('GET', path, { headers: { Accept: 'text/html' } });
    same([answer.status, answer.headers.get('content-type'), answer.json.code], [404, 'application/problem+json', 'not_found'], path);
  }

  step('files are kept for ever, pages never');
  const script = /src="(\/?main-[\w-]+\.js)"/.exec(page.text)[1];
  const file = await ask('GET', new URL(script, `${settings.url}/`).pathname);
  same([file.status, file.headers.get('cache-control')], [200, 'public, max-age=31536000, immutable']);
  same((await ask('GET', '/chunk-NEVERWAS.js')).status, 404);

  step('what is first seen is there before a script runs');
  for (const path of ['/', '/sign-in', '/sign-up', '/forgot-password']) {
    check((await ask('GET', path, { headers: { Accept: 'text/html' } })).text.includes('<h1'), `${path} is made at build time`);
  }
});

async function headingAt(person, path) {
  await person.goto(path);
  const first = await person.page.locator('h1').innerText();
  same(new URL(person.page.url()).pathname, path);
  await person.page.reload();
  await person.settle();
  same(await person.page.locator('h1').innerText(), first, path);
  return first;
}
