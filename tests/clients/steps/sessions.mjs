// GET /get-session, /list-sessions and POST /revoke-*

import { createHmac } from "node:crypto";
import { expect, step } from "../check.mjs";
import * as the from "../service.mjs";

const { Browser } = the;
const DONE = { status: 200, body: { status: true } };

const home = new Browser();
const ann = await home.signUp("Ann");

await step("get-session: without a cookie", async () => new Browser().isSignedOut());

await step("get-session: address and agent of the sign-up are kept", async () => {
  const { session, user } = (await home.send("GET", "/get-session")).json;
  expect(session, the.session({ token: ann.token, userId: ann.id, ipAddress: home.address }), "session");
  expect(user, the.user({ id: ann.id, name: "Ann", email: ann.email }), "user");
  const days = (Date.parse(session.expiresAt) - Date.parse(session.createdAt)) / 86_400_000;
  expect(Math.round(days * 1000), 7000, "thousandths of days of the session");
});

await step("get-session: an IPv6 address is kept as its network, an agent as it is", async () => {
  const browser = new Browser();
  browser.address = `2001:db8:1:2::${browser.address.split(".").slice(1).join(":")}`;
  browser.headers = { "user-agent": "Some Agent/1.0 (x; y)" };
  await browser.signIn(ann.email);
  const { session } = (await browser.send("GET", "/get-session")).json;
  expect(session.ipAddress, "2001:0db8:0001:0002:0000:0000:0000:0000", "address");
  expect(session.userAgent, "Some Agent/1.0 (x; y)", "agent");
});

await step("get-session: a mapped IPv4 address is kept as IPv4", async () => {
  const browser = new Browser();
  const plain = browser.address;
  browser.address = `::ffff:${plain}`;
  await browser.signIn(ann.email);
  expect((await browser.send("GET", "/get-session")).json.session.ipAddress, plain, "address");
});

await step("get-session: disableCookieCache and disableRefresh change nothing", async () => {
  const wanted = { status: 200, body: { session: the.session(), user: the.user() } };
  await home.call((c) => c.getSession({ query: { disableCookieCache: true } }), wanted);
  await home.call((c) => c.getSession({ query: { disableRefresh: "false" } }), wanted);
});

/** A cookie as another server would sign it. */
function foreign(token) {
  const hmac = createHmac("sha256", "some-other-secret-0123456789abcdefghij");
  return encodeURIComponent(`${token}.${hmac.update(token).digest("base64")}`);
}

const { token, signature } = home.cookie;
const flipped = (signature[0] === "A" ? "B" : "A") + signature.slice(1);
const BAD_COOKIES = [
  ["unsigned", token],
  ["of another secret", foreign(token)],
  ["with a changed signature", encodeURIComponent(`${token}.${flipped}`)],
  [
    "with a changed token",
    encodeURIComponent(`${token.slice(0, -1)}${token.endsWith("x") ? "y" : "x"}.${signature}`),
  ],
  ["with a short signature", encodeURIComponent(`${token}.${signature.slice(0, -2)}=`)],
  ["with a signature without padding", encodeURIComponent(`${token}.${signature.slice(0, -1)}`)],
  ["without a token", encodeURIComponent(`.${signature}`)],
  ["empty", ""],
  ["of broken percent signs", `%E0%A4%A.${encodeURIComponent(signature)}`],
  ["of nonsense", "nonsense.of.dots"],
];
for (const [what, value] of BAD_COOKIES) {
  await step(`get-session: a cookie ${what} counts as none and is not cleared`, async () => {
    const browser = new Browser();
    browser.cookie = value;
    await browser.isSignedOut();
    await browser.call((c) => c.listSessions(), the.UNAUTHORIZED);
  });
}

await step("get-session: the cookie unencoded, quoted, first of two, among others", async () => {
  const { value, signed } = home.cookie;
  const name = home.jar.names()[0];
  for (const cookie of [
    `${name}=${signed}`,
    `${name}="${value}"`,
    `${name}=${value}; ${name}=nonsense`,
    `a=1;${name}=${value};b=2`,
    `a=1;   ${name}=${value}  ; b`,
  ]) {
    const answer = await new Browser().send("GET", "/get-session", { headers: { cookie } });
    expect(
      answer.json?.user?.email,
      ann.email,
      `mail with cookie ${cookie.replaceAll(value, "V").replace(signed, "S")}`,
    );
  }
  const second = { headers: { cookie: `${name}=nonsense; ${name}=${value}` } };
  await new Browser().send("GET", "/get-session", second, the.NO_SESSION);
});

await step("get-session: a cookie of the other mode's name is not read", async () => {
  const name = home.jar.names()[0];
  const other = name.startsWith("__Secure-") ? name.slice(9) : `__Secure-${name}`;
  const headers = { cookie: `${other}=${home.cookie.value}` };
  await new Browser().send("GET", "/get-session", { headers }, the.NO_SESSION);
});

await step("get-session: a dead session is cleared, on guarded routes too", async () => {
  const browser = new Browser();
  await browser.signIn(ann.email);
  const old = browser.cookie.value;
  await browser.call((c) => c.signOut(), { status: 200, body: { success: true }, cookies: the.CLEARED });
  browser.cookie = old;
  await browser.isSignedOut(the.CLEARED);
  expect(browser.jar.names(), [], "cookies left");
  browser.cookie = old;
  await browser.call((c) => c.listSessions(), the.UNAUTHORIZED_CLEARED);
  browser.cookie = old;
  await browser.call((c) => c.updateUser({ name: "B" }), the.UNAUTHORIZED_CLEARED);
});

await step("get-session: a stray session_data cookie is cleared", async () => {
  const browser = new Browser();
  await browser.signIn(ann.email);
  browser.jar.set(browser.jar.names()[0].replace("session_token", "session_data"), "stray");
  await browser.send(
    "GET",
    "/get-session",
    {},
    { status: 200, body: { session: the.session(), user: the.user() }, cookies: [the.FORGET_DATA] },
  );
});

await step("get-session: POST is refused", async () => {
  const wanted = the.refusal(405, "METHOD_NOT_ALLOWED_DEFER_SESSION_REQUIRED");
  await home.send("POST", "/get-session", { json: {} }, wanted);
});

/** A user of their own with so many sessions, each in a browser. */
async function browsers(count) {
  const first = new Browser();
  const user = await first.signUp("Many");
  const all = [first];
  while (all.length < count) {
    const next = new Browser();
    await next.signIn(user.email);
    all.push(next);
  }
  return { user, all };
}

async function tokens(browser) {
  return (await browser.send("GET", "/list-sessions")).json.map(({ token }) => token).sort();
}

await step("list-sessions: every session of the user and no other", async () => {
  const { user, all } = await browsers(3);
  await all[1].call((c) => c.listSessions(), {
    status: 200,
    body: all.map(() => the.session({ userId: user.id })),
  });
  expect(await tokens(all[1]), all.map(({ cookie }) => cookie.token).sort(), "tokens");
});

for (const [path, use] of [
  ["list-sessions", (c) => c.listSessions()],
  ["revoke-session", (c) => c.revokeSession({ token: "x" })],
  ["revoke-sessions", (c) => c.revokeSessions()],
  ["revoke-other-sessions", (c) => c.revokeOtherSessions()],
]) {
  await step(`${path}: needs a session`, async () => new Browser().call(use, the.UNAUTHORIZED));
}

await step("revoke-session: another of one's own", async () => {
  const {
    user,
    all: [first, second],
  } = await browsers(2);
  await first.call((c) => c.revokeSession({ token: second.cookie.token }), DONE);
  await second.isSignedOut(the.CLEARED);
  await first.isSignedIn(user.email);
});

await step("revoke-session: the present one", async () => {
  const {
    all: [first],
  } = await browsers(1);
  const old = first.cookie;
  await first.call((c) => c.revokeSession({ token: old.token }), { ...DONE, cookies: the.CLEARED });
  first.cookie = old.value;
  await first.isSignedOut(the.CLEARED);
});

await step("revoke-session: somebody else's and an unknown one change nothing", async () => {
  const {
    all: [first],
  } = await browsers(1);
  await first.call((c) => c.revokeSession({ token: home.cookie.token }), DONE);
  await first.call((c) => c.revokeSession({ token: "A".repeat(32) }), DONE);
  await home.isSignedIn(ann.email);
});

await step("revoke-session: no token is refused", async () => {
  await home.send("POST", "/revoke-session", { json: {} }, the.refusal(400, "VALIDATION_ERROR"));
});

await step("revoke-other-sessions: only the present one stays", async () => {
  const {
    user,
    all: [first, second, third],
  } = await browsers(3);
  await second.call((c) => c.revokeOtherSessions(), DONE);
  await first.isSignedOut(the.CLEARED);
  await third.isSignedOut(the.CLEARED);
  await second.isSignedIn(user.email);
  expect(await tokens(second), [second.cookie.token], "tokens");
});

await step("revoke-sessions: none stays", async () => {
  const {
    all: [first, second],
  } = await browsers(2);
  await first.call((c) => c.revokeSessions(), { ...DONE, cookies: the.CLEARED });
  await second.isSignedOut(the.CLEARED);
  await home.isSignedIn(ann.email);
});
