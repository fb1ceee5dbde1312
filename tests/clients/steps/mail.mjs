// What is done by following a mailed link.

import { expect, step } from "../check.mjs";
import * as the from "../service.mjs";

const { Browser, PASSWORD, FOREIGN, freshMail, linkTo, mailsTo, origin, refusal } = the;
const DONE = { status: 200, body: { status: true } };
const NEW_PASSWORD = "password-two";
const WRONG = refusal(401, "INVALID_EMAIL_OR_PASSWORD");
const BAD_TOKEN = refusal(400, "INVALID_TOKEN", "Invalid token");

const BAD_LINK = refusal(401, "INVALID_TOKEN", "Invalid token");

/** A pattern of a redirection's target: it may be written in full or as a path. */
function location(path) {
  const wanted = new URL(path, origin).href;
  const rule = (value) => typeof value === "string" && new URL(value, origin).href === wanted;
  return Object.assign(rule, { what: `location ${wanted}` });
}

const ASKED = { status: 200, body: { status: true, message: the.text } };

await step("request-password-reset: known and unknown look alike, only the known gets a mail", async () => {
  const ann = await new Browser().signUp("Ann");
  const unknown = freshMail("nobody");
  const texts = [];
  for (const email of [unknown, ann.email]) {
    texts.push(
      (await new Browser().call((c) => c.requestPasswordReset({ email, redirectTo: "/reset" }), ASKED)).text,
    );
  }
  expect(texts[0], texts[1], "body");
  await mailsTo(ann.email);
  expect((await mailsTo(unknown, 0)).length, 0, "mails to nobody");
});

await step("request-password-reset: refusals", async () => {
  const ask = (fields) => (c) => c.requestPasswordReset({ email: freshMail("nobody"), ...fields });
  await new Browser().call(
    ask({ redirectTo: FOREIGN }),
    refusal(403, "INVALID_REDIRECT_URL", "Invalid redirectURL"),
  );
  await new Browser().call(ask({ redirectTo: "//evil.example" }), refusal(403, "INVALID_REDIRECT_URL"));
  await new Browser().call(ask({ email: "ann" }), refusal(400, "VALIDATION_ERROR"));
});

await step("reset-password: by the link, once", async () => {
  const browser = new Browser();
  const ann = await browser.signUp("Ann");
  await new Browser().call(
    (c) => c.requestPasswordReset({ email: ann.email, redirectTo: "/reset?a=1" }),
    ASKED,
  );
  const link = await linkTo(ann.email);
  expect(link.path, /^\/reset-password\/[A-Za-z0-9_-]{20,}\?callbackURL=/, "link");
  const token = link.path.match(/reset-password\/([^?]+)/)[1];
  const redirected = { status: 302, body: "", location: location(`/reset?a=1&token=${token}`) };
  await new Browser().send("GET", link.path, {}, redirected);

  const reset =
    (newPassword, given = token) =>
    (c) =>
      c.resetPassword({ newPassword, token: given });
  await new Browser().call(reset("short"), refusal(400, "PASSWORD_TOO_SHORT", "Password too short"));
  await new Browser().call(reset("x".repeat(129)), refusal(400, "PASSWORD_TOO_LONG", "Password too long"));
  await new Browser().call(reset(NEW_PASSWORD), DONE);
  await new Browser().call(reset("password-three"), BAD_TOKEN);
  await new Browser().call((c) => c.signIn.email({ email: ann.email, password: PASSWORD }), WRONG);
  await new Browser().signIn(ann.email, NEW_PASSWORD);
  // Sessions opened before stay.
  await browser.isSignedIn(ann.email);
  await new Browser().send(
    "GET",
    link.path,
    {},
    { status: 302, body: "", location: location("/reset?a=1&error=INVALID_TOKEN") },
  );
});

await step("reset-password: two links, and the token in the query", async () => {
  const ann = await new Browser().signUp("Ann");
  for (const count of [1, 2]) {
    await new Browser().call((c) => c.requestPasswordReset({ email: ann.email }), ASKED);
    const { path } = await linkTo(ann.email, count);
    const token = path.match(/reset-password\/([^?]+)/)[1];
    const json = { newPassword: `password-number-${count}` };
    await new Browser().send("POST", `/reset-password?token=${token}`, { json }, DONE);
    await new Browser().signIn(ann.email, json.newPassword);
  }
});

await step("reset-password: unknown and missing tokens", async () => {
  const json = { newPassword: NEW_PASSWORD };
  await new Browser().send("POST", "/reset-password", { json }, BAD_TOKEN);
  await new Browser().send(
    "POST",
    "/reset-password",
    { json: { ...json, token: "a".repeat(24) } },
    BAD_TOKEN,
  );
  const path = `/reset-password/${"a".repeat(24)}`;
  const callback = (url) => `${path}?callbackURL=${encodeURIComponent(url)}`;
  const wanted = { status: 302, body: "", location: location("/reset?error=INVALID_TOKEN") };
  await new Browser().send("GET", callback("/reset"), {}, wanted);
  await new Browser().send("GET", callback(FOREIGN), {}, refusal(403, "INVALID_CALLBACK_URL"));
  await new Browser().send("GET", path, {}, refusal(400, "VALIDATION_ERROR"));
});

await step("verify-email: by the link, more than once", async () => {
  const browser = new Browser();
  const ann = await browser.signUp("Ann");
  await browser.call((c) => c.sendVerificationEmail({ email: ann.email, callbackURL: "/welcome" }), DONE);
  const link = await linkTo(ann.email);
  expect(link.path, /^\/verify-email\?token=[\w-]+\.[\w-]+\.[\w-]+&callbackURL=%2Fwelcome$/, "link");
  for (let time = 0; time < 2; time += 1) {
    await new Browser().send("GET", link.path, {}, { status: 302, body: "", location: location("/welcome") });
  }
  expect((await browser.send("GET", "/get-session")).json.user.emailVerified, true, "emailVerified");
  const token = link.url.searchParams.get("token");
  await new Browser().call((c) => c.verifyEmail({ query: { token } }), {
    status: 200,
    body: { status: true, user: null },
  });
  await browser.call(
    (c) => c.sendVerificationEmail({ email: ann.email }),
    refusal(400, "EMAIL_ALREADY_VERIFIED"),
  );
});

await step("send-verification-email: without a session, known and unknown look alike", async () => {
  const ann = await new Browser().signUp("Ann");
  const unknown = freshMail("nobody");
  await new Browser().call((c) => c.sendVerificationEmail({ email: unknown }), DONE);
  await new Browser().call((c) => c.sendVerificationEmail({ email: ann.email }), DONE);
  const link = await linkTo(ann.email);
  expect(link.url.searchParams.get("callbackURL"), "/", "callbackURL");
  expect((await mailsTo(unknown, 0)).length, 0, "mails to nobody");
});

await step("send-verification-email: refusals", async () => {
  const browser = new Browser();
  await browser.signUp("Ann");
  await browser.call(
    (c) => c.sendVerificationEmail({ email: freshMail("other") }),
    refusal(400, "EMAIL_MISMATCH"),
  );
  const foreign = { email: freshMail("other"), callbackURL: FOREIGN };
  await new Browser().call((c) => c.sendVerificationEmail(foreign), refusal(403, "INVALID_CALLBACK_URL"));
});

await step("verify-email: bad tokens", async () => {
  const bad =
    "eyJhbGciOiJIUzI1NiJ9.eyJlbWFpbCI6ImFAZXhhbXBsZS5jb20ifQ.c2lnbmF0dXJlLW9mLXNvbWV0aGluZy1lbHNlLWhlcmU";
  for (const token of [bad, "nonsense"]) {
    const query = (more) => `/verify-email?${new URLSearchParams({ token, ...more })}`;
    await new Browser().send("GET", query({}), {}, BAD_LINK);
    const wanted = { status: 302, body: "", location: location("/welcome?error=INVALID_TOKEN") };
    await new Browser().send("GET", query({ callbackURL: "/welcome" }), {}, wanted);
    await new Browser().send(
      "GET",
      query({ callbackURL: FOREIGN }),
      {},
      refusal(403, "INVALID_CALLBACK_URL"),
    );
  }
  await new Browser().send("GET", "/verify-email", {}, refusal(400, "VALIDATION_ERROR"));
});

await step("change-email: by the link to the new address", async () => {
  const browser = new Browser();
  const ann = await browser.signUp("Ann");
  const newEmail = freshMail("new");
  await browser.call(
    (c) => c.changeEmail({ newEmail: newEmail.toUpperCase(), callbackURL: "/changed" }),
    DONE,
  );
  const link = await linkTo(newEmail);
  await browser.isSignedIn(ann.email);
  const changed = { status: 302, body: "", cookies: [the.SIGNED_IN], location: location("/changed") };
  await browser.send("GET", link.path, {}, changed);
  // Whether an address is verified is kept, not proven by this link.
  const { user } = (await browser.send("GET", "/get-session")).json;
  expect(user, the.user({ name: "Ann", email: newEmail }), "user");
  await new Browser().signIn(newEmail);
  await new Browser().call((c) => c.signIn.email({ email: ann.email, password: PASSWORD }), WRONG);
  // The user's address has changed since: the link is no longer good.
  await new Browser().send(
    "GET",
    link.path,
    {},
    { status: 302, body: "", location: location("/changed?error=INVALID_TOKEN") },
  );
  const { searchParams } = link.url;
  await new Browser().call((c) => c.verifyEmail({ query: { token: searchParams.get("token") } }), BAD_LINK);
});

await step("change-email: by the link without a session, not with somebody else's", async () => {
  const browser = new Browser();
  await browser.signUp("Ann");
  const newEmail = freshMail("new");
  await browser.call((c) => c.changeEmail({ newEmail }), DONE);
  const link = await linkTo(newEmail);
  const query = { token: link.url.searchParams.get("token") };
  const other = new Browser();
  await other.signUp("Bob");
  await other.call((c) => c.verifyEmail({ query }), refusal(401, "INVALID_USER"));
  await new Browser().call((c) => c.verifyEmail({ query }), {
    status: 200,
    body: { status: true, user: the.user({ name: "Ann", email: newEmail }) },
  });
  await browser.isSignedIn(newEmail);
});

await step("verify-email: the link of a user who is gone", async () => {
  const browser = new Browser();
  const ann = await browser.signUp("Ann");
  await browser.call((c) => c.sendVerificationEmail({ email: ann.email }), DONE);
  const query = { token: (await linkTo(ann.email)).url.searchParams.get("token") };
  await browser.send("POST", "/delete-user", { json: { password: PASSWORD } });
  await new Browser().call((c) => c.verifyEmail({ query }), refusal(401, "USER_NOT_FOUND"));
});

await step("change-email: a taken address looks like a free one and gets no mail", async () => {
  const browser = new Browser();
  await browser.signUp("Ann");
  const taken = await new Browser().signUp("Taken");
  const free = freshMail("free");
  await browser.call((c) => c.changeEmail({ newEmail: taken.email }), DONE);
  await browser.call((c) => c.changeEmail({ newEmail: free }), DONE);
  await mailsTo(free);
  expect((await mailsTo(taken.email, 0)).length, 0, "mails to the taken address");
});
