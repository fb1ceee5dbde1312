// POST /sign-in/email and /sign-out

import { expect, step } from "../check.mjs";
import * as the from "../service.mjs";

const { Browser, PASSWORD, refusal } = the;
const WRONG = refusal(401, "INVALID_EMAIL_OR_PASSWORD", "Invalid email or password");

const ann = await new Browser().signUp("Ann");

await step("sign-in: right mail and password", async () => {
  const browser = new Browser();
  const { token, user } = await browser.signIn(ann.email);
  expect(user.id, ann.id, "id");
  expect(browser.cookie.token, token, "token in the cookie");
  await browser.isSignedIn(ann.email);
});

await step("sign-in: the mail in another case", async () => {
  await new Browser().signIn(ann.email.toUpperCase());
});

await step("sign-in: a wrong password and an unknown mail look alike", async () => {
  const wrong = { email: ann.email, password: "password-two" };
  const unknown = { email: the.freshMail("nobody"), password: PASSWORD };
  const answers = [];
  for (const body of [wrong, unknown])
    answers.push(await new Browser().call((c) => c.signIn.email(body), WRONG));
  expect(answers[0].text, answers[1].text, "body");
});

await step("sign-in: a too short password is just wrong, a too long one is told", async () => {
  await new Browser().call((c) => c.signIn.email({ email: ann.email, password: "x" }), WRONG);
  const long = { email: ann.email, password: "x".repeat(129) };
  await new Browser().call(
    (c) => c.signIn.email(long),
    refusal(400, "PASSWORD_TOO_LONG", "Password too long"),
  );
});

for (const email of ["", "ann", ` ${ann.email}`]) {
  await step(`sign-in: ${JSON.stringify(email.replace(ann.email, "known"))} is no mail address`, async () => {
    await new Browser().call(
      (c) => c.signIn.email({ email, password: PASSWORD }),
      refusal(400, "INVALID_EMAIL", "Invalid email"),
    );
  });
}

for (const [what, fields] of [
  ["no mail", { email: undefined }],
  ["no password", { password: undefined }],
  ["text as rememberMe", { rememberMe: "no" }],
]) {
  await step(`sign-in: ${what} is refused`, async () => {
    const json = { email: ann.email, password: PASSWORD, ...fields };
    await new Browser().send("POST", "/sign-in/email", { json }, refusal(400, "VALIDATION_ERROR"));
  });
}

await step("sign-in: rememberMe false, and true again", async () => {
  const browser = new Browser();
  const login = { email: ann.email, password: PASSWORD };
  const body = { redirect: false, token: the.token, user: the.user() };
  await browser.call((c) => c.signIn.email({ ...login, rememberMe: false }), {
    status: 200,
    body,
    cookies: [the.SIGNED_IN_BRIEFLY, the.DO_NOT_REMEMBER],
  });
  const { session } = (await browser.send("GET", "/get-session")).json;
  const hours = (Date.parse(session.expiresAt) - Date.parse(session.createdAt)) / 3_600_000;
  expect(Math.round(hours), 24, "hours of the session");
  await browser.call((c) => c.signIn.email(login), {
    status: 200,
    body,
    cookies: [the.SIGNED_IN, the.FORGET_CHOICE],
  });
});

await step("sign-in: with a callbackURL the answer names it", async () => {
  const answer = await new Browser().call(
    (c) => c.signIn.email({ email: ann.email, password: PASSWORD, callbackURL: "/dashboard" }),
    {
      status: 200,
      cookies: [the.SIGNED_IN],
      body: { redirect: true, token: the.token, url: "/dashboard", user: the.user() },
    },
  );
  expect(answer.headers.location, "/dashboard", "location");
});

await step("sign-in: as a form", async () => {
  const form = { email: ann.email, password: PASSWORD };
  const body = { redirect: false, token: the.token, user: the.user() };
  await new Browser().send(
    "POST",
    "/sign-in/email",
    { form },
    { status: 200, body, cookies: [the.SIGNED_IN] },
  );
  const more = { form: { ...form, rememberMe: "false" } };
  await new Browser().send("POST", "/sign-in/email", more, refusal(400, "VALIDATION_ERROR"));
});

await step("sign-in: again does not end the earlier session", async () => {
  const browser = new Browser();
  await browser.signIn(ann.email);
  const first = browser.cookie.value;
  await browser.signIn(ann.email);
  expect(browser.cookie.value === first, false, "same cookie");
  browser.cookie = first;
  await browser.isSignedIn(ann.email);
});

const SIGNED_OUT = { status: 200, body: { success: true }, cookies: the.CLEARED };

await step("sign-out: with a session", async () => {
  const browser = new Browser();
  await browser.signIn(ann.email);
  const old = browser.cookie.value;
  await browser.call((c) => c.signOut(), SIGNED_OUT);
  expect(browser.jar.names(), [], "cookies left");
  browser.cookie = old;
  await browser.isSignedOut(the.CLEARED);
});

await step("sign-out: without a session, with a bad and with a dead one", async () => {
  const browser = new Browser();
  await browser.call((c) => c.signOut(), SIGNED_OUT);
  browser.cookie = "nonsense";
  await browser.call((c) => c.signOut(), SIGNED_OUT);
  await browser.signIn(ann.email);
  const old = browser.cookie.value;
  await browser.call((c) => c.signOut(), SIGNED_OUT);
  browser.cookie = old;
  await browser.call((c) => c.signOut(), SIGNED_OUT);
});

await step("sign-out: with only a bearer token", async () => {
  const { token } = await new Browser().signIn(ann.email);
  const headers = { authorization: `Bearer ${token}` };
  await new Browser().send("POST", "/sign-out", { headers }, SIGNED_OUT);
  await new Browser().send("GET", "/get-session", { headers }, { ...the.NO_SESSION, cookies: the.CLEARED });
});
