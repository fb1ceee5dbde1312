// Clerk is on. Its frontend API and its page for signing in are doubles in front of the browser; tokens are signed by the
// double of its issuer, and the service verifies them.

import { Person, check, note, same, settings, step, travel, until } from '../browser.mjs';

const API = 'https://clerk.example.com';
const PORTAL = 'https://accounts.example.com';
/** Whoever comes is signed in and sent back. Where to is behind the `#`. */
const PORTAL_PAGE = `<script>
  location.href = new URLSearchParams(location.hash.replace('#/?', '')).get('sign_in_force_redirect_url');
</script>`;
const USER = 'user_2abcdefghijklmnopqrstuvwxyz';

let isSignedIn = false;
let isDown = false;
let nTokens = 0;

await travel(async () => {
  const ann = await Person.come();
  ann.allowed = [API, PORTAL];
  await ann.context.route(`${API}/**`, answer);
  await ann.context.route(`${PORTAL}/**`, async (route) => {
    isSignedIn = true;
    await route.fulfill({ contentType: 'text/html', body: PORTAL_PAGE });
  });

  step('whoever never used Clerk loads nothing of it');
  const asked = [];
  ann.page.on('request', (request) => asked.push(request.url()));
  await ann.goto('/limits');
  check(!asked.some((url) => url.startsWith(API)), 'Clerk was asked');

  step('signing in by Clerk leads there and back');
  await ann.goto('/sign-in?next=/profile');
  await ann.click('Continue with Clerk');
  await ann.page.waitForURL('**/profile');
  await ann.see('You came by Clerk.');
  check(nTokens > 0, 'tokens were asked for');

  step('what is asked carries the token: the limits are the user’s');
  await ann.goto('/limits');
  await until(async () => (await ann.text('identity')).startsWith('user:'), 'a user is counted');
  same(await ann.text('tier'), 'free');

  step('Clerk out of reach signs nobody out');
  isDown = true;
  await ann.page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')));
  await new Promise((resolve) => setTimeout(resolve, 2000));
  check((await ann.page.getByText('You were signed out').count()) === 0, 'still signed in');
  check((await ann.page.getByRole('link', { name: 'API keys' }).count()) > 0, 'the menu stays');
  isDown = false;

  step('signing out');
  await ann.goto('/limits');
  await until(async () => (await ann.text('identity')).startsWith('user:'), 'signed in after loading again');
  await ann.click('Sign out', 'header');
  await ann.page.getByRole('link', { name: 'Sign in' }).waitFor();
  check(!isSignedIn, 'Clerk was told');
});

/** Clerk's frontend API, as far as its client asks. */
async function answer(route) {
  const request = route.request();
  const headers = {
    'Access-Control-Allow-Origin': settings.url,
    'Access-Control-Allow-Credentials': 'true',
    'Access-Control-Allow-Headers': '*, authorization, content-type',
    'Content-Type': 'application/json',
  };
  if (isDown) return route.abort();
  const { pathname, searchParams } = new URL(request.url());
  const method = searchParams.get('_method') ?? request.method();
  const reply = (body) => route.fulfill({ status: 200, headers, body: JSON.stringify(body) });
  if (method === 'OPTIONS') return reply({});
  if (pathname === '/v1/environment') return reply({ display_config: { sign_in_url: `${PORTAL}/sign-in`, sign_up_url: `${PORTAL}/sign-up` } });
  if (pathname.endsWith('/tokens')) return reply({ object: 'token', jwt: await mint() });
  if (pathname.endsWith('/end') || pathname.endsWith('/remove') || (pathname === '/v1/client/sessions' && method === 'DELETE')) isSignedIn = false;
  if (pathname === '/v1/client' || pathname.startsWith('/v1/client/sessions')) return reply({ response: await client(), client: await client() });
  return route.fulfill({ status: 404, headers, body: '{}' });
}

async function client() {
  const none = { object: 'client', id: 'client_1', sessions: [], sign_in: null, sign_up: null, last_active_session_id: null };
  if (!isSignedIn) return none;
  const now = Date.now();
  const user = { object: 'user', id: USER, first_name: 'Ann', last_name: null, email_addresses: [], phone_numbers: [], web3_wallets: [], external_accounts: [], organization_memberships: [] };
  const session = {
    object: 'session',
    id: 'sess_1',
    status: 'active',
    expire_at: now + 86_400_000,
    abandon_at: now + 86_400_000,
    last_active_at: now,
    last_active_token: { object: 'token', jwt: await mint() },
    user,
    public_user_data: {},
    actor: null,
  };
  return { ...none, sessions: [session], last_active_session_id: 'sess_1' };
}

async function mint() {
  nTokens += 1;
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: API, sub: USER, sid: 'sess_1', azp: settings.url, iat: now, nbf: now - 10, exp: now + 60 };
  const response = await fetch(new URL('/mint', settings.issuer), { method: 'POST', body: JSON.stringify({ claims }) });
  const { token } = await response.json();
  note(token);
  return token;
}
