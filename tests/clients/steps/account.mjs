// What users change about themselves: name, password, mail, and their end.

import { expect, step } from "../check.mjs";
import * as the from "../service.mjs";

const { Browser, PASSWORD, refusal } = the;
const DONE = { status: 200, body: { status: true } };
const UPDATED = { ...DONE, cookies: [the.SIGNED_IN] };
const NEW_PASSWORD = "password-two";
const WRONG = refusal(400, "INVALID_PASSWORD", "Invalid password");

const home = new Browser();
const ann = await home.signUp("Ann");
const away = new Browser();
await away.signIn(ann.email);

/** The user as another session of theirs sees it. */
async function seen() {
  return (await away.send("GET", "/get-session")).json.user;
}

for (const [path, use] of [
  ["update-user", (c) => c.updateUser({ name: "B" })],
  ["change-password", (c) => c.changePassword({ currentPassword: PASSWORD, newPassword: NEW_PASSWORD })],
  ["verify-password", (c) => c.$fetch("/verify-password", { method: "POST", body: { password: PASSWORD } })],
  ["change-email", (c) => c.changeEmail({ newEmail: "new@example.com" })],
  ["delete-user", (c) => c.deleteUser({ password: PASSWORD })],
  ["list-accounts", (c) => c.listAccounts()],
]) {
  await step(`${path}: needs a session`, async () => new Browser().call(use, the.UNAUTHORIZED));
}

await step("update-user: the name, seen by other sessions at once", async () => {
  const before = await seen();
  const ends = (await home.send("GET", "/get-session")).json.session.expiresAt;
  await home.call((c) => c.updateUser({ name: "Ann Other" }), UPDATED);
  const after = await seen();
  expect(after.name, "Ann Other", "name");
  expect(after.updatedAt > before.updatedAt, true, "a later updatedAt");
  expect((await home.send("GET", "/get-session")).json.session.expiresAt, ends, "end of the session");
});

await step("update-user: a picture, and none again", async () => {
  await home.call((c) => c.updateUser({ image: "https://example.com/a.png" }), UPDATED);
  expect((await seen()).image, "https://example.com/a.png", "image");
  await home.call((c) => c.updateUser({ image: null }), UPDATED);
  expect(await seen(), the.user({ name: "Ann Other", email: ann.email }), "user");
});

await step("update-user: mail, role and ban are refused", async () => {
  await home.call((c) => c.updateUser({ email: "b@example.com" }), refusal(400, "EMAIL_CAN_NOT_BE_UPDATED"));
  await home.call((c) => c.updateUser({ name: "C", role: "admin" }), refusal(400, "FIELD_NOT_ALLOWED"));
  await home.call((c) => c.updateUser({ name: "C", banned: true }), refusal(400, "FIELD_NOT_ALLOWED"));
  expect(await seen(), the.user({ name: "Ann Other", email: ann.email }), "user");
});

await step("update-user: nothing to update", async () => {
  const wanted = { status: 400, body: { message: "No fields to update" } };
  await home.send("POST", "/update-user", { json: {} }, wanted);
  await home.send("POST", "/update-user", { json: { unknown: 1 } }, wanted);
  await home.send("POST", "/update-user", { json: { emailVerified: true } }, wanted);
});

await step("update-session: nobody declared a field of sessions", async () => {
  const { json } = await home.send("POST", "/update-session", { json: { theme: "dark" } });
  expect(json, { message: the.text }, "body");
});

await step("list-accounts: the password's, without secrets", async () => {
  await home.call((c) => c.listAccounts(), {
    status: 200,
    body: [
      {
        id: the.id,
        providerId: "credential",
        accountId: ann.id,
        userId: ann.id,
        createdAt: the.time,
        updatedAt: the.time,
        scopes: [],
      },
    ],
  });
});

await step("verify-password: right and wrong", async () => {
  await home.send("POST", "/verify-password", { json: { password: PASSWORD } }, DONE);
  await home.send("POST", "/verify-password", { json: { password: NEW_PASSWORD } }, WRONG);
});

await step("set-password: not reachable", async () => {
  await home.send("POST", "/set-password", { json: { newPassword: NEW_PASSWORD } }, the.NOT_FOUND);
});

await step("change-password: refusals", async () => {
  const change = (currentPassword, newPassword) => (c) => c.changePassword({ currentPassword, newPassword });
  // From several addresses: tries at passwords may be limited by address.
  home.address = the.freshAddress();
  await home.call(change(NEW_PASSWORD, "password-three"), WRONG);
  await home.call(change(PASSWORD, "short"), refusal(400, "PASSWORD_TOO_SHORT", "Password too short"));
  await home.call(change(PASSWORD, "x".repeat(129)), refusal(400, "PASSWORD_TOO_LONG", "Password too long"));
  home.address = the.freshAddress();
  await home.send("POST", "/change-password", { json: {} }, refusal(400, "VALIDATION_ERROR"));
});

await step("change-password: sessions stay", async () => {
  const body = { token: null, user: the.user({ name: "Ann Other", email: ann.email }) };
  const change = { currentPassword: PASSWORD, newPassword: NEW_PASSWORD };
  await home.call((c) => c.changePassword(change), { status: 200, body });
  await home.isSignedIn(ann.email);
  await away.isSignedIn(ann.email);
  await new Browser().signIn(ann.email, NEW_PASSWORD);
  await new Browser().call(
    (c) => c.signIn.email({ email: ann.email, password: PASSWORD }),
    refusal(401, "INVALID_EMAIL_OR_PASSWORD"),
  );
});

await step("change-password: with revokeOtherSessions only a new session is left", async () => {
  home.address = the.freshAddress();
  const old = home.cookie;
  const body = { token: the.token, user: the.user({ name: "Ann Other", email: ann.email }) };
  const change = { currentPassword: NEW_PASSWORD, newPassword: PASSWORD, revokeOtherSessions: true };
  const { json } = await home.call((c) => c.changePassword(change), {
    status: 200,
    body,
    cookies: [the.SIGNED_IN],
  });
  expect(home.cookie.token, json.token, "token in the cookie");
  await home.isSignedIn(ann.email);
  await away.isSignedOut(the.CLEARED);
  const former = new Browser();
  former.cookie = old.value;
  await former.isSignedOut(the.CLEARED);
});

await step("change-email: the same mail, and none", async () => {
  const same = { status: 400, body: { message: "Email is the same" } };
  await home.call((c) => c.changeEmail({ newEmail: ann.email.toUpperCase() }), same);
  await home.call((c) => c.changeEmail({ newEmail: "ann" }), refusal(400, "VALIDATION_ERROR"));
});

await step("delete-user: a wrong password, then the right one", async () => {
  const browser = new Browser();
  const { email } = await browser.signUp("Bob");
  const other = new Browser();
  await other.signIn(email);
  const wrong = (c) => c.deleteUser({ password: NEW_PASSWORD });
  await browser.call(wrong, WRONG);
  await browser.isSignedIn(email);
  await browser.call((c) => c.deleteUser({ password: PASSWORD }), {
    status: 200,
    body: { success: true, message: "User deleted" },
    cookies: the.CLEARED,
  });
  await other.isSignedOut(the.CLEARED);
  const login = { email, password: PASSWORD };
  await new Browser().call((c) => c.signIn.email(login), refusal(401, "INVALID_EMAIL_OR_PASSWORD"));
  // The mail is free again.
  const again = { ...login, name: "Bob" };
  const wanted = { status: 200, body: { token: the.token, user: the.user() }, cookies: [the.SIGNED_IN] };
  await new Browser().call((c) => c.signUp.email(again), wanted);
});

await step("delete-user: a fresh session needs no password", async () => {
  const browser = new Browser();
  await browser.signUp("Bob");
  await browser.call((c) => c.deleteUser(), {
    status: 200,
    body: { success: true, message: "User deleted" },
    cookies: the.CLEARED,
  });
});

await step("delete-user: an unknown token", async () => {
  await home.call(
    (c) => c.deleteUser({ token: "a".repeat(32) }),
    refusal(404, "INVALID_TOKEN", "Invalid token"),
  );
  const link = "/delete-user/callback?token=" + "a".repeat(32);
  await home.send("GET", link, {}, refusal(404, "INVALID_TOKEN"));
  await new Browser().send("GET", link, {}, refusal(404, "FAILED_TO_GET_USER_INFO"));
  await home.isSignedIn(ann.email);
});
