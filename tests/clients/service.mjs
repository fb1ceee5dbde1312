// The service under test, and browsers that use it through the real client or by hand.

import { Agent, request } from "node:http";
import { appendFileSync } from "node:fs";
import { randomBytes, randomInt } from "node:crypto";
import { createAuthClient } from "better-auth/client";
import { adminClient } from "better-auth/client/plugins";
import { expect, is, maybe } from "./check.mjs";
import { CookieJar } from "./jar.mjs";
import { option } from "./options.mjs";

const base = option("base");
const secure = option("mode") === "https";
const origin = option("origin");
const mailbox = option("mail", "");
const secrets = option("secrets", "");
export const administrator = { email: option("admin-email"), password: option("admin-password") };
export { origin };

/** An origin nobody trusts. */
export const FOREIGN = "https://evil.example";
export const PASSWORD = "password-one";

const COOKIE_PREFIX = secure ? "__Secure-better-auth." : "better-auth.";

// Patterns of what the answers hold.
export const text = is("text", (value) => typeof value === "string");
export const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
export const id = /^[A-Za-z0-9_-]{16,64}$/;
export const token = /^[A-Za-z0-9_-]{32,200}$/;

/** A user's JSON, with other values where they are given. */
export function user(fields = {}) {
  return {
    id,
    name: text,
    email: text,
    emailVerified: false,
    image: null,
    createdAt: time,
    updatedAt: time,
    role: "user",
    banned: false,
    banReason: null,
    banExpires: null,
    // Of the service's own; the reference server has neither.
    tier: maybe(text),
    twoFactorEnabled: maybe(is("boolean or null", (v) => v === null || typeof v === "boolean")),
    ...fields,
  };
}

/** A session's JSON. */
export function session(fields = {}) {
  return {
    id,
    token,
    userId: id,
    expiresAt: time,
    createdAt: time,
    updatedAt: time,
    ipAddress: text,
    userAgent: text,
    impersonatedBy: null,
    ...fields,
  };
}

// Set-Cookie lines, as `shorten` writes them.
const TAIL = "Path=/; HttpOnly; SameSite=Lax";
export const SIGNED_IN = `session_token=SIGNED; Max-Age=604800; ${TAIL}`;
export const SIGNED_IN_BRIEFLY = `session_token=SIGNED; ${TAIL}`;
export const DO_NOT_REMEMBER = `dont_remember=TRUE; ${TAIL}`;
export const ADMIN_KEPT = `admin_session=ADMIN; Max-Age=604800; ${TAIL}`;
const FORGET_SESSION = `session_token=; Max-Age=0; ${TAIL}`;
export const FORGET_DATA = `session_data=; Max-Age=0; ${TAIL}`;
export const FORGET_CHOICE = `dont_remember=; Max-Age=0; ${TAIL}`;
export const FORGET_ADMIN = `admin_session=; Max-Age=0; ${TAIL}`;
export const CLEARED = [FORGET_SESSION, FORGET_DATA, FORGET_CHOICE];

/** Pattern of a refusal; the message is compared where people read it. */
export function refusal(status, code, message = text, cookies = []) {
  return { status, body: { message, code }, cookies };
}
export const UNAUTHORIZED = refusal(401, "UNAUTHORIZED", "Unauthorized");
export const UNAUTHORIZED_CLEARED = refusal(401, "UNAUTHORIZED", "Unauthorized", CLEARED);
export const NOT_FOUND = { status: 404, body: "" };
export const NO_SESSION = { status: 200, body: null };

/** An address of the block for benchmarks (RFC 2544), another each time: limits by address stay apart. */
export function freshAddress() {
  return `198.${randomInt(18, 20)}.${randomInt(256)}.${randomInt(1, 255)}`;
}

/** A mail address that no earlier run has used. */
export function freshMail(name) {
  return `${name}.${randomBytes(6).toString("hex")}@example.com`;
}

/** Somebody at a computer of their own: cookies and an address. */
export class Browser {
  jar = new CookieJar(secure);
  address = freshAddress();
  headers = {};
  #last;

  constructor() {
    this.client = createAuthClient({
      baseURL: base,
      plugins: [adminClient()],
      fetchOptions: { customFetchImpl: (url, init) => this.#fetch(url, init) },
    });
  }

  /** Calls the real client and compares both the answer on the wire and what the client made of it. */
  async call(use, wanted) {
    this.#last = undefined;
    const result = await use(this.client);
    const answer = this.#last;
    check(answer, wanted);
    if (answer.status < 300) {
      expect(result.error, null, "error of the client");
      // The client turns times into dates, which become the same text again.
      expect(JSON.parse(JSON.stringify(result.data)), wanted.body, "data of the client");
    } else {
      expect(result.data, null, "data of the client");
      expect(result.error.status, wanted.status, "status in the client's error");
      if (wanted.body?.code) expect(result.error.code, wanted.body.code, "code in the client's error");
    }
    return answer;
  }

  /**
   * Sends a request by hand: `json`, `form` or `body` with `type`; `headers` go before the usual ones, and a
   * header that is null is left out. `path` is below /api/auth.
   */
  async send(method, path, { json, form, body, type, headers = {}, strict = true } = {}, wanted = undefined) {
    const sent = { origin, ...this.headers, cookie: this.jar.header() };
    if (json !== undefined) [body, type] = [JSON.stringify(json), "application/json"];
    if (form !== undefined)
      [body, type] = [`${new URLSearchParams(form)}`, "application/x-www-form-urlencoded"];
    if (type) sent["content-type"] = type;
    const answer = await this.#exchange(method, `/api/auth${path}`, { ...sent, ...headers }, body);
    if (wanted) check(answer, wanted);
    return answer;
  }

  /** Signs up with the usual password. */
  async signUp(name, more = {}) {
    const email = freshMail(name.toLowerCase());
    const wanted = { status: 200, body: { token, user: user({ name, email }) }, cookies: [SIGNED_IN] };
    const answer = await this.call(
      (c) => c.signUp.email({ name, email, password: PASSWORD, ...more }),
      wanted,
    );
    return { ...answer.json.user, token: answer.json.token };
  }

  /** Signs in; the answer's JSON. */
  async signIn(email, password = PASSWORD) {
    const wanted = {
      status: 200,
      body: { redirect: false, token, user: user(ANYBODY) },
      cookies: [SIGNED_IN],
    };
    return (await this.call((c) => c.signIn.email({ email, password }), wanted)).json;
  }

  /** The session cookie: its value as received, the token and the signature in it. */
  get cookie() {
    const value = this.jar.get(`${COOKIE_PREFIX}session_token`);
    const signed = value && decodeURIComponent(value);
    const dot = signed?.lastIndexOf(".");
    return value && { value, signed, token: signed.slice(0, dot), signature: signed.slice(dot + 1) };
  }

  /** Replaces the session cookie. */
  set cookie(value) {
    this.jar.set(`${COOKIE_PREFIX}session_token`, value);
  }

  /** Whether the session of this browser lives, and whose it is. */
  async isSignedIn(email) {
    await this.call((c) => c.getSession(), {
      status: 200,
      body: { session: session(), user: user({ ...ANYBODY, email }) },
    });
  }

  async isSignedOut(cookies = []) {
    await this.call((c) => c.getSession(), { ...NO_SESSION, cookies });
  }

  async #fetch(url, { method, headers, body }) {
    const target = new URL(url);
    // What a page of the same site sends.
    const site = {
      origin,
      "sec-fetch-site": "same-origin",
      "sec-fetch-mode": "cors",
      "sec-fetch-dest": "empty",
    };
    const sent = {
      ...site,
      cookie: this.jar.header(),
      ...this.headers,
      ...Object.fromEntries(new Headers(headers)),
    };
    const answer = await this.#exchange(method, target.pathname + target.search, sent, body);
    this.#last = answer;
    return new Response(answer.text, {
      status: answer.status,
      headers: Object.entries(answer.headers).flatMap(([name, value]) =>
        [value].flat().map((one) => [name, one]),
      ),
    });
  }

  async #exchange(method, path, headers, body) {
    const answer = await exchange(method, path, { "cf-connecting-ip": this.address, ...headers }, body);
    this.jar.store(answer.setCookies);
    return answer;
  }
}

/** A user's JSON where any user will do. */
export const ANYBODY = {
  emailVerified: is("boolean", (v) => typeof v === "boolean"),
  role: text,
  image: is("text or null", (v) => v === null || typeof v === "string"),
};

/** Compares an answer: status, body, Set-Cookie lines, and what always holds. */
export function check(answer, { status, body, cookies = [], location }) {
  const where = `${answer.method} ${answer.path}`;
  expect(answer.status, status, `status of ${where} (${answer.text.slice(0, 200)})`);
  if (body === "") {
    expect(answer.text, "", `body of ${where}`);
  } else if (body !== undefined) {
    expect(answer.headers["content-type"], "application/json", `content-type of ${where}`);
    expect(answer.json, body, `body of ${where}`);
  }
  const lines = answer.setCookies.map(shorten);
  expect(lines, cookies, `cookies of ${where}`);
  if (location !== undefined) expect(answer.headers.location, location, `location of ${where}`);
  if (answer.path.startsWith("/api/auth/get-session") && status === 200) {
    expect(answer.headers["cache-control"], "no-store", `cache-control of ${where}`);
    expect(answer.headers.pragma, "no-cache", `pragma of ${where}`);
  }
  // Whoever gets a session as a cookie also gets it as a header; nobody else does.
  const tokens = answer.setCookies.filter((line) => line.includes("session_token=") && !line.includes("=;"));
  const last = tokens.at(-1)?.split(";")[0].split("=")[1];
  expect(answer.headers["set-auth-token"], last && decodeURIComponent(last), `set-auth-token of ${where}`);
  if (last) {
    const exposed = answer.headers["access-control-expose-headers"] ?? "";
    expect(exposed, /(^|,\s*)set-auth-token(,|$)/i, `exposed headers of ${where}`);
  }
}

/** The mails to an address once there are `count`; without a mailbox an error. */
export async function mailsTo(address, count = 1) {
  const deadline = Date.now() + 10_000;
  for (;;) {
    const mails = (await (await fetch(mailbox)).json()).filter(({ to }) => to === address);
    if (mails.length >= count) return mails;
    expect(Date.now() < deadline, true, `in time: mail ${count} to ${address}`);
    await new Promise((later) => setTimeout(later, 100));
  }
}

/** The link in the newest of `count` mails to an address: its text, and what `send` needs to follow it. */
export async function linkTo(address, count = 1) {
  const found = (await mailsTo(address, count)).at(-1).text.match(/https?:\/\/[^\s<>"']+/);
  const url = new URL(found[0]);
  expect(url.pathname, /^\/api\/auth\//, "path of the mailed link");
  return { url, path: (url.pathname + url.search).replace("/api/auth", "") };
}

export const hasMailbox = mailbox !== "";

/**
 * A Set-Cookie line with what differs between runs and modes made equal: the prefix and `Secure` of https go
 * (where they are as they must be), signed values become a word.
 */
function shorten(line) {
  let short = line.startsWith(COOKIE_PREFIX) ? line.slice(COOKIE_PREFIX.length) : `${line} (name)`;
  const parts = short.split("; ");
  const at = parts.indexOf("Secure");
  if (secure && at > 0 && parts[at - 1] === "HttpOnly") parts.splice(at, 1);
  else if (secure) parts.push("(not Secure)");
  const [name, value] = parts[0].split("=");
  if (value) {
    const kinds = {
      session_token: /^[\w-]{32,200}$/,
      dont_remember: /^true$/,
      admin_session: /^[\w-]{32,200}:.*$/,
    };
    const words = { session_token: "SIGNED", dont_remember: "TRUE", admin_session: "ADMIN" };
    const signed = decodeURIComponent(value).match(/^(.*)\.[A-Za-z0-9+/]{43}=$/);
    const encoded = signed && encodeURIComponent(signed[0]) === value;
    parts[0] = `${name}=${encoded && kinds[name]?.test(signed[1]) ? words[name] : value}`;
  }
  short = parts.join("; ");
  return short;
}

// A connection per request: one kept alive may be closed by the other side just when it is used.
const agent = new Agent({ keepAlive: false });

/** One request over plain http, with exactly these headers: `fetch` would add and forbid some. */
function exchange(method, path, headers, body) {
  const { hostname, port } = new URL(base);
  const given = Object.entries(headers).filter(([, value]) => value !== undefined && value !== null);
  if (typeof body === "string" && !headers["transfer-encoding"]) {
    given.push(["content-length", Buffer.byteLength(body)]);
  } else if (method === "POST" && typeof body !== "string") {
    // A POST without a body says so, as clients do.
    given.push(["content-length", 0]);
  }
  return new Promise((resolve, reject) => {
    const call = request({
      agent,
      hostname,
      port,
      method,
      path,
      headers: Object.fromEntries(given),
      timeout: 30_000,
    });
    call.on("error", reject);
    call.on("timeout", () => call.destroy(new Error(`no answer in time: ${method} ${path}`)));
    call.on("response", async (response) => {
      try {
        const text = Buffer.concat(await response.toArray()).toString();
        const setCookies = response.headers["set-cookie"] ?? [];
        const answer = {
          method,
          path,
          status: response.statusCode,
          headers: response.headers,
          setCookies,
          text,
        };
        try {
          answer.json = JSON.parse(text);
        } catch {
          // Not every answer is JSON; a comparison with JSON then finds nothing.
        }
        noteSecrets(headers, body, answer);
        resolve(answer);
      } catch (trouble) {
        reject(trouble);
      }
    });
    call.end(body);
  });
}

/** Writes down what is secret in an exchange, a line each, for whoever looks for it in the service's log. */
function noteSecrets(headers, body, answer) {
  if (secrets === "") return;
  const cookies = [headers.cookie ?? "", ...answer.setCookies].flatMap((line) => line.split(/; ?/));
  const found = [
    headers.authorization?.replace(/^bearer\s+/i, ""),
    answer.headers["set-auth-token"],
    ...cookies.filter((pair) => pair.includes("better-auth.")).map((pair) => pair.slice(pair.indexOf("=") + 1)),
    ...[...`${body ?? ""}${answer.text}`.matchAll(/"(?:\w*[pP]assword|\w*[tT]oken)":"([^"]+)"/g)].map(([, secret]) => secret),
  ];
  // Shorter texts are words that are found everywhere.
  const lines = found.filter((secret) => secret?.length >= 16 && /^[\x21-\x7e]+$/.test(secret));
  if (lines.length > 0) appendFileSync(secrets, lines.map((line) => `${line}\n`).join(""));
}
