// Authorization: Bearer instead of a cookie.

import { expect, step } from "../check.mjs";
import * as the from "../service.mjs";

const { Browser, PASSWORD } = the;

const home = new Browser();
const ann = await home.signUp("Ann");
const { token, signature, signed, value } = home.cookie;
const bob = await new Browser().signUp("Bob");
const flipped = (signature[0] === "A" ? "B" : "A") + signature.slice(1);
const JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJlLW9mLXNvbWV0aGluZy1lbHNl";

/** A session of Ann's, without cookies of its own answer. */
const ANN = { status: 200, body: { session: the.session({ token }), user: the.user({ email: ann.email }) } };
const NOBODY_CLEARED = { ...the.NO_SESSION, cookies: the.CLEARED };

for (const [what, authorization, wanted] of [
  ["a bare token", `Bearer ${token}`, ANN],
  ["a signed token", `Bearer ${signed}`, ANN],
  ["the cookie's value", `Bearer ${value}`, ANN],
  ["the scheme in small letters", `bearer ${token}`, ANN],
  ["the scheme in capitals", `BEARER ${token}`, ANN],
  ["more spaces", `Bearer    ${token}  `, ANN],
  ["an unknown bare token", `Bearer ${"A".repeat(32)}`, NOBODY_CLEARED],
  ["a bad signature", `Bearer ${token}.${flipped}`, the.NO_SESSION],
  ["a short signature", `Bearer ${token}.abc`, the.NO_SESSION],
  ["a JWT", `Bearer ${JWT}`, the.NO_SESSION],
  ["dotted nonsense", "Bearer some.dotted.text", the.NO_SESSION],
  ["another scheme", `Basic ${token}`, the.NO_SESSION],
  ["no scheme", token, the.NO_SESSION],
  ["nothing after the scheme", "Bearer ", the.NO_SESSION],
]) {
  await step(`bearer: ${what}`, async () => {
    await new Browser().send("GET", "/get-session", { headers: { authorization } }, wanted);
    const guarded =
      wanted === ANN ? { status: 200 } : wanted.cookies ? the.UNAUTHORIZED_CLEARED : the.UNAUTHORIZED;
    await new Browser().send("GET", "/list-sessions", { headers: { authorization } }, guarded);
  });
}

await step("bearer: through the client's auth option", async () => {
  const browser = new Browser();
  const auth = { type: "Bearer", token };
  await browser.call((c) => c.getSession({ fetchOptions: { auth } }), ANN);
  await browser.call((c) => c.listSessions({ fetchOptions: { auth } }), {
    status: 200,
    body: [the.session({ userId: ann.id, token })],
  });
  expect(browser.jar.names(), [], "cookies");
});

await step("bearer: a token that works replaces the cookie", async () => {
  const browser = new Browser();
  await browser.signIn(bob.email);
  const headers = { authorization: `Bearer ${token}` };
  await browser.send("GET", "/get-session", { headers }, ANN);
});

await step("bearer: an unknown token replaces the cookie too", async () => {
  const browser = new Browser();
  await browser.signIn(bob.email);
  const headers = { authorization: `Bearer ${"A".repeat(32)}` };
  await browser.send("GET", "/get-session", { headers }, NOBODY_CLEARED);
});

await step("bearer: dotted text that is not signed leaves the cookie alone", async () => {
  for (const authorization of [`Bearer ${token}.${flipped}`, `Bearer ${JWT}`, `Basic ${token}`]) {
    const answer = await home.send("GET", "/get-session", { headers: { authorization } }, ANN);
    expect(answer.json.user.id, ann.id, "id");
  }
});

await step("bearer: set-auth-token of sign-in is a bearer token", async () => {
  const login = { email: ann.email, password: PASSWORD };
  const answer = await new Browser().send("POST", "/sign-in/email", { json: login });
  const given = answer.headers["set-auth-token"];
  expect(given, /^[A-Za-z0-9_-]{32,200}\.[A-Za-z0-9+/]{43}=$/, "set-auth-token");
  const wanted = {
    status: 200,
    body: { session: the.session({ token: answer.json.token }), user: the.user() },
  };
  await new Browser().send("GET", "/get-session", { headers: { authorization: `Bearer ${given}` } }, wanted);
});

await step("bearer: update-user answers with the cookie and set-auth-token again", async () => {
  const auth = { type: "Bearer", token };
  await new Browser().call((c) => c.updateUser({ name: "Ann Bearer", fetchOptions: { auth } }), {
    status: 200,
    body: { status: true },
    cookies: [the.SIGNED_IN],
  });
});

await step("bearer: a revoked token is dead", async () => {
  const browser = new Browser();
  await browser.signIn(ann.email);
  const revoked = browser.cookie;
  await home.call((c) => c.revokeSession({ token: revoked.token }), { status: 200, body: { status: true } });
  for (const form of [revoked.token, revoked.signed, revoked.value]) {
    const headers = { authorization: `Bearer ${form}` };
    await new Browser().send("GET", "/get-session", { headers }, NOBODY_CLEARED);
  }
});
