// What the journeys through the console share: a real Chromium, people in it, and what is true of every page.
//
// A journey is a program: it prints its steps, and fails at the first that does not hold. Where it runs is told by the
// variable BLOQR_BROWSER, JSON with `url`, `adminKey`, `admin` (email, password), `chromium` (the program), and what
// only some need: `origin` (a web server that misbehaves), `mails` (where mails are shown).

import { appendFileSync, mkdirSync, readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';

import { chromium } from 'playwright-core';

export const settings = JSON.parse(process.env.BLOQR_BROWSER ?? '{}');
export const PASSWORD = 'a-password-of-a-test';
const SCREENSHOTS = 'target/screenshots';
const AXE = readFileSync('node_modules/axe-core/axe.min.js', 'utf8');
/** What WCAG 2.2 asks for at levels A and AA. https://www.w3.org/TR/WCAG22/ */
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];
const PATIENCE_MS = 20_000;

/** The flags that a browser needs without a display and, as root, without a sandbox. */
export const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

let browser;
let nSteps = 0;
const people = [];

/** Says what comes next. */
export function step(text) {
  nSteps += 1;
  console.log(`${nSteps}. ${text}`);
}

export function check(holds, text) {
  if (!holds) throw new Error(text);
}

export function same(found, expected, text = '') {
  check(isDeepStrictEqual(found, expected), `${text}: ${JSON.stringify(found)} is not ${JSON.stringify(expected)}`);
}

/** Waits until something holds, and returns it. */
export async function until(ask, text, patienceMs = PATIENCE_MS) {
  const end = Date.now() + patienceMs;
  for (;;) {
    const found = await ask();
    if (found) return found;
    check(Date.now() < end, `not within ${patienceMs} ms: ${text}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

/** An address that nobody had before. */
export function somebody() {
  return `${Date.now().toString(36)}${Math.random().toString(36).slice(2, 8)}@example.org`;
}

/** A network that nobody came from before: whoever has no account is counted by it. Documentation addresses, RFC 5737. */
let nNetworks = Math.floor(Math.random() * 200);
export function network() {
  nNetworks += 1;
  return `${['192.0.2', '198.51.100', '203.0.113'][nNetworks % 3]}.${nNetworks % 254}`;
}

/** Asks the service without a browser. */
export async function ask(method, path, { body, headers = {}, from = network(), isAdmin = false } = {}) {
  const response = await fetch(settings.url + path, {
    method,
    headers: {
      'CF-Connecting-IP': from,
      Origin: settings.url,
      ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      ...(isAdmin ? { 'X-Admin-Key': settings.adminKey } : {}),
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  let json;
  try {
    json = JSON.parse(text);
  } catch {
    // Not everything is JSON; whoever expects it sees that it is missing.
  }
  return { status: response.status, headers: response.headers, text, json };
}

/** Notes what must not be in any log. */
export function note(secret) {
  if (settings.secrets) appendFileSync(settings.secrets, `${secret}\n`);
}

/** A small list that brings its text along. */
export function smallList(text = '||a.example^') {
  return { configuration: { name: 'Small', sources: [{ source: 'own' }] }, preFetchedContent: { own: text } };
}

/** Makes an account, without a browser. */
export async function account({ isAdmin = false } = {}) {
  const email = somebody();
  const made = await ask('POST', '/api/auth/sign-up/email', { body: { email, password: PASSWORD, name: 'Somebody' } });
  same(made.status, 200, made.text);
  note(made.json.token);
  if (isAdmin) {
    const rights = { tier: 'admin', role: 'admin' };
    const changed = await ask('PATCH', `/api/admin/users/${made.json.user.id}`, { body: rights, isAdmin: true });
    same(changed.status, 200, changed.text);
  }
  return { email, id: made.json.user.id, token: made.json.token };
}

/** Somebody with a browser of their own. */
export class Person {
  /** What went wrong in the page while nobody looked. */
  faults = [];

  static async come({ width = 1440, height = 900, theme = 'light', from = network() } = {}) {
    browser ??= await chromium.launch({ executablePath: settings.chromium, args: FLAGS });
    const person = new Person();
    person.from = from;
    person.context = await browser.newContext({
      baseURL: settings.url,
      viewport: { width, height },
      colorScheme: theme,
      reducedMotion: 'reduce',
      extraHTTPHeaders: { 'CF-Connecting-IP': from },
      permissions: ['clipboard-read', 'clipboard-write'],
    });
    person.context.setDefaultTimeout(PATIENCE_MS);
    person.page = await person.tab();
    people.push(person);
    return person;
  }

  /** Another tab of the same browser. */
  async tab() {
    const page = await this.context.newPage();
    page.on('pageerror', (error) => this.faults.push(`${page.url()}: ${error}`));
    page.on('console', (message) => {
      // Answers that say no are the journey's own; everything else is a fault, a broken policy (CSP) above all.
      const isRefusal = /Failed to load resource|WebSocket connection|net::ERR/.test(message.text());
      if (message.type() === 'error' && !isRefusal) this.faults.push(`${page.url()}: ${message.text()}`);
    });
    page.on('request', (request) => {
      const { origin, protocol } = new URL(request.url());
      const isOwn = origin === settings.url || !protocol.startsWith('http') || this.allowed?.includes(origin);
      if (!isOwn) this.faults.push(`${page.url()} asks ${request.url()}`);
    });
    return page;
  }

  async goto(path) {
    await this.page.goto(path);
    await this.settle();
  }

  /** Waits until the page has drawn itself: its heading is there, and nothing keeps a place any more. */
  async settle() {
    await this.page.locator('h1').first().waitFor();
    await this.page.waitForFunction(() => document.querySelector('app-skeleton') === null);
  }

  async signUp(name = 'Somebody') {
    const email = somebody();
    await this.goto('/sign-up');
    await this.fill({ Name: name, Email: email, Password: PASSWORD });
    await this.click('Make the account');
    await this.page.waitForURL((url) => url.pathname !== '/sign-up');
    await this.settle();
    this.email = email;
    return email;
  }

  async signIn(email, password = PASSWORD, next) {
    await this.goto(next ? `/sign-in?next=${encodeURIComponent(next)}` : '/sign-in');
    await this.fill({ Email: email, Password: password });
    await this.click('Sign in', 'main');
    await this.page.waitForURL((url) => url.pathname !== '/sign-in');
    await this.settle();
    this.email = email;
  }

  async signInAsAdmin(next = '/admin') {
    await this.signIn(settings.admin.email, settings.admin.password, next);
  }

  /** Fills fields by their labels. */
  async fill(fields) {
    for (const [label, value] of Object.entries(fields)) {
      await this.page.getByLabel(label, { exact: true }).last().fill(String(value));
    }
  }

  /** Presses a button by its name. */
  async click(name, within = 'body') {
    await this.page.locator(within).getByRole('button', { name, exact: true }).last().click();
  }

  async choose(label, option) {
    await this.page.getByRole('combobox', { name: label }).last().click();
    await this.page.getByRole('option', { name: option, exact: true }).click();
  }

  /** Waits for a text that is seen. */
  async see(text) {
    await this.page.getByText(text).first().waitFor();
  }

  /** Replaces what is in a code editor. */
  async write(label, text) {
    const editor = this.page.getByRole('textbox', { name: label, exact: true });
    await editor.click();
    await this.page.keyboard.press('ControlOrMeta+a');
    await this.page.keyboard.press('Delete');
    await this.page.keyboard.insertText(text);
  }

  /** The text of what a test can find by that name. */
  async text(name, within = 'body') {
    return (await this.page.locator(within).locator(`[data-test="${name}"]`).first().innerText()).trim();
  }

  /** No page has an issue that axe calls serious or critical. */
  async checkAccessibility(name = this.page.url()) {
    await this.page.evaluate(AXE);
    const issues = await this.page.evaluate(async (rules) => {
      const { violations } = await globalThis.axe.run(document, { runOnly: { type: 'tag', values: rules } });
      return violations
        .filter(({ impact }) => impact === 'serious' || impact === 'critical')
        .map(({ id, nodes }) => `${id}: ${nodes.map(({ target, failureSummary }) => `${target} (${failureSummary})`).join('; ')}`);
    }, RULES);
    same(issues, [], `accessibility of ${name}`);
  }

  /** No page is wider than the window. */
  async checkWidth(name = this.page.url()) {
    const [wide, window] = await this.page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    check(wide <= window, `${name} is ${wide} px wide in a window of ${window}`);
  }

  async shoot(name) {
    mkdirSync(SCREENSHOTS, { recursive: true });
    await this.page.screenshot({ path: `${SCREENSHOTS}/${name}.png`, fullPage: true });
  }
}

/** Runs a journey to its end, and sees whether a page complained meanwhile. */
export async function travel(journey) {
  try {
    note(PASSWORD);
    await journey();
    for (const { context, page } of people) {
      if (page.isClosed()) continue;
      for (const { name, value } of await context.cookies()) if (/session/.test(name)) note(decodeURIComponent(value));
    }
    same(
      people.flatMap(({ faults }) => faults),
      [],
      'faults in pages',
    );
    console.log(`done: ${nSteps} steps`);
  } catch (error) {
    for (const [n, { page }] of people.filter(({ page }) => !page.isClosed()).entries()) {
      mkdirSync('target/browser-failures', { recursive: true });
      const file = `target/browser-failures/${process.pid}-${n}.png`;
      await page.screenshot({ path: file, timeout: 5000 }).catch((cause) => console.error(`no picture: ${cause}`));
      console.error(`at ${page.url()}, see ${file}`);
    }
    console.error(error);
    process.exitCode = 1;
  } finally {
    await browser?.close();
  }
}
