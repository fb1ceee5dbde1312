// A frontend that was written for the contract and not for this service: its requests, as its pages send them, from a
// real browser on the same origin. Relative `/api`, bare `/admin`, Angular's `Accept`, `X-Trace-ID` on every call.

import { PASSWORD, Person, account, check, note, same, settings, smallList, step, travel, until } from '../browser.mjs';

/** How Angular's HttpClient asks. */
const ACCEPT = 'application/json, text/plain, */*';

class ContractClient {
  token;
  #traces = 0;

  constructor(page) {
    this.page = page;
  }

  get(path) {
    return this.send('GET', path);
  }

  post(path, body) {
    return this.send('POST', path, body);
  }

  send(method, path, body) {
    this.#traces += 1;
    const headers = { Accept: ACCEPT, 'X-Trace-ID': `trace-${this.#traces}` };
    if (this.token) headers.Authorization = `Bearer ${this.token}`;
    if (body !== undefined) headers['Content-Type'] = 'application/json';
    return this.page.evaluate(
      async ({ method, path, headers, body }) => {
        const response = await fetch(path, { method, headers, body: body && JSON.stringify(body), credentials: 'include' });
        const text = await response.text();
        const type = response.headers.get('Content-Type') ?? '';
        return { status: response.status, type: type.split(';')[0], text, json: type.includes('json') && text ? JSON.parse(text) : undefined };
      },
      { method, path, headers, body },
    );
  }

  /** Without Authorization, split at two line feeds, as the page does. */
  stream(path, body) {
    return this.page.evaluate(
      async ({ path, body }) => {
        const response = await fetch(path, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
        const kind = response.headers.get('Content-Type');
        if (response.status !== 200 || kind !== 'text/event-stream') throw new Error(`${response.status} ${kind}`);
        const frames = (await response.text()).split('\n\n').filter((frame) => frame !== '');
        return frames.map((frame) => {
          const [event, data] = frame.split('\n').map((line) => line.slice(line.indexOf(': ') + 2));
          return { event, data: JSON.parse(data) };
        });
      },
      { path, body },
    );
  }
}

await travel(async () => {
  const visitor = await Person.come();
  await visitor.goto('/sign-in');
  const client = new ContractClient(visitor.page);

  step('the start: configurations and the session, each within five seconds');
  for (const path of ['/turnstile-config', '/clerk-config', '/sentry-config', '/auth/providers']) {
    const startedAt = Date.now();
    same((await client.get(`/api${path}`)).status, 200, path);
    check(Date.now() - startedAt < 5000, path);
  }
  const nobody = await client.get('/api/auth/get-session');
  same([nobody.status, nobody.text], [200, 'null']);

  step('the first page: metrics and health, under both names');
  for (const path of ['/api/metrics', '/api/health', '/metrics', '/health', '/api/version']) {
    const answer = await client.get(path);
    same([answer.status, answer.json.success], [200, true], path);
  }
  same((await client.get('/api/container/status')).status, 200);
  step('public paths answer in spite of a stale token');
  client.token = 'stale-token-of-long-ago-000000000';
  for (const path of ['/api/version', '/api/metrics', '/api/turnstile-config']) same((await client.get(path)).status, 200, path);
  client.token = undefined;

  step('signing in, by cookie and by token');
  const { email, id } = await account();
  const signedIn = await client.post('/api/auth/sign-in/email', { email, password: PASSWORD });
  same([signedIn.status, signedIn.json.user.email], [200, email]);
  client.token = signedIn.json.token;
  note(client.token);
  const session = await client.get('/api/auth/get-session');
  same([session.json.user.id, session.json.session.token], [id, client.token]);
  same((await client.get('/api/queue/stats')).json.pending, 0);

  step('compiling: JSON, batch');
  for (const path of ['/api/compile', '/compile']) {
    const compiled = await client.post(path, smallList());
    same([compiled.status, compiled.json.success], [200, true], path);
    same(compiled.json.ruleCount, compiled.json.rules.length, 'header lines count');
    check(!compiled.text.includes('null'), 'what is absent is left out');
  }
  const batch = await client.post('/api/compile/batch', { requests: [{ id: 'a', ...smallList() }, { id: 'b', ...smallList('||b.example^') }] });
  same(batch.json.results.map((item) => [item.id, item.success]), [['a', true], ['b', true]]);

  step('compiling: the stream, with the cookie alone');
  const remote = { configuration: { name: 'Remote', sources: [{ source: `${settings.origin}/list.txt` }] } };
  const frames = await client.stream('/api/compile/stream', remote);
  const names = frames.map(({ event }) => event);
  same([names[0], names.at(-2), names.at(-1)], ['source:start', 'result', 'done']);
  const result = frames.at(-2).data;
  same([result.ruleCount, 'success' in result, 'compiledAt' in result], [result.rules.length, false, false]);
  same(frames.find(({ event }) => event === 'source:complete').data.sourceIndex, 0);
  const failing = { configuration: { name: 'No', sources: [{ source: `${settings.origin}/nothing.txt` }] } };
  const failed = await client.stream('/api/compile/stream', failing);
  same(failed.at(-1).event, 'error');
  check(typeof failed.at(-1).data.error === 'string', 'the error is a text');

  step('compiling: a job, polled as the page does');
  const queued = await client.post('/api/compile/async', remote);
  same([queued.status, queued.json.success], [202, true]);
  let unknown = 0;
  const done = await until(async () => {
    const { status, json } = await client.get(`/api/queue/results/${queued.json.requestId}`);
    same(status, 200, 'polling is never an error');
    unknown = json.status === 'not_found' ? unknown + 1 : 0;
    check(unknown < 11, 'the page would have given up');
    await new Promise((resolve) => setTimeout(resolve, 250));
    return json.status === 'completed' && json;
  }, 'the job completes');
  same(done.rules.length, done.ruleCount);
  const unheard = await client.get('/api/queue/results/never-was');
  same([unheard.status, unheard.json.status], [200, 'not_found']);
  same((await client.get('/api/queue/history')).json.history[0].requestId, queued.json.requestId);

  step('rules: validate, AST, diff, convert');
  same((await client.post('/api/validate', { text: '||a.example^' })).json.valid, true);
  same((await client.post('/api/ast/parse', { rules: ['||a.example^'] })).json.summary.successful, 1);
  const diff = await client.post('/api/diff', { original: ['||a.example^'], current: ['||b.example^'] });
  same([diff.status, diff.json.report.summary.addedCount], [200, 1]);

  step('keys: make, list, change, revoke');
  const key = await client.post('/api/keys', { name: 'from the page', scopes: ['compile'] });
  same(key.status, 201, key.text);
  note(key.json.key);
  same((await client.get('/api/keys')).json.keys.length, 1);
  same((await client.send('PATCH', `/api/keys/${key.json.id}`, { name: 'renamed' })).json.name, 'renamed');
  same((await client.send('DELETE', `/api/keys/${key.json.id}`)).status, 200);

  step('configurations and rule sets');
  same((await client.get('/api/configuration/defaults')).status, 200);
  const config = smallList().configuration;
  same((await client.post('/api/configuration/validate', { config })).json.valid, true);
  const saved = await client.post('/api/configuration/saved', { name: 'kept', config });
  same([saved.status, saved.json.description], [201, null]);
  same((await client.send('DELETE', `/api/configuration/saved/${saved.json.id}`)).status, 204);
  const rules = await client.post('/rules', { name: 'mine', rules: ['||a.example^'] });
  same(rules.status, 201, rules.text);

  step('the profile');
  same((await client.post('/api/auth/update-user', { name: 'Renamed' })).status, 200);
  same((await client.get('/api/auth/list-sessions')).json.length > 0, true);
  same((await client.post('/api/auth/change-password', { currentPassword: PASSWORD, newPassword: `${PASSWORD}-2` })).status, 200);

  step('bare admin paths are data for the page’s own calls, refused or not');
  const refused = await client.get('/admin/users');
  same([refused.status, refused.json.success], [403, false]);
  const { email: adminEmail, password } = settings.admin;
  const admin = await client.post('/api/auth/sign-in/email', { email: adminEmail, password });
  client.token = admin.json.token;
  note(client.token);
  for (const path of ['/admin/users', '/admin/storage/stats', '/admin/storage/tables', '/admin/health']) {
    const answer = await client.get(path);
    same([answer.status, answer.type], [200, 'application/json'], path);
  }
  for (const path of ['/admin/announcements', '/admin/roles', '/admin/config/tiers', '/api/nothing']) {
    const answer = await client.get(path);
    check(answer.type.includes('json'), `${path} is no page for a client: ${answer.type}`);
  }

  step('signing out with an empty body; then the answer is 401, and only then');
  same((await client.send('POST', '/api/auth/sign-out')).status, 200);
  const over = await client.get('/api/auth/get-session');
  same(over.text, 'null');
  client.token = undefined;
  same((await client.get('/api/keys')).status, 401);
});
