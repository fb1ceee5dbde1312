// The admin plugin.

import { expect, is, step } from "../check.mjs";
import * as the from "../service.mjs";

const { Browser, PASSWORD, administrator, freshMail, refusal } = the;
const DONE = { status: 200, body: { success: true } };
const GONE = refusal(404, "USER_NOT_FOUND", "User not found");
const NOBODY = { status: 401, body: "" };
const UNKNOWN_ID = "00000000-0000-4000-8000-000000000000";

const admin = new Browser();
const self = (await admin.signIn(administrator.email, administrator.password)).user;
const home = new Browser();
const ann = await home.signUp("Ann");

const BANNED_TEXT = is("a text about the ban", (value) => typeof value === "string" && /banned/i.test(value));

/** A user's JSON in which much may have changed. */
const anybody = (fields) => the.user({ ...the.ANYBODY, ...fields });

const CALLS = [
  ["list-users", (c) => c.admin.listUsers({ query: {} }), "YOU_ARE_NOT_ALLOWED_TO_LIST_USERS"],
  ["get-user", (c) => c.admin.getUser({ query: { id: self.id } }), "YOU_ARE_NOT_ALLOWED_TO_GET_USER"],
  [
    "create-user",
    (c) => c.admin.createUser({ email: freshMail("no"), name: "N", password: PASSWORD }),
    "YOU_ARE_NOT_ALLOWED_TO_CREATE_USERS",
  ],
  [
    "update-user",
    (c) => c.admin.updateUser({ userId: self.id, data: { name: "N" } }),
    "YOU_ARE_NOT_ALLOWED_TO_UPDATE_USERS",
  ],
  [
    "set-role",
    (c) => c.admin.setRole({ userId: ann.id, role: "admin" }),
    "YOU_ARE_NOT_ALLOWED_TO_CHANGE_USERS_ROLE",
  ],
  ["ban-user", (c) => c.admin.banUser({ userId: self.id }), "YOU_ARE_NOT_ALLOWED_TO_BAN_USERS"],
  ["unban-user", (c) => c.admin.unbanUser({ userId: self.id }), "YOU_ARE_NOT_ALLOWED_TO_BAN_USERS"],
  [
    "list-user-sessions",
    (c) => c.admin.listUserSessions({ userId: self.id }),
    "YOU_ARE_NOT_ALLOWED_TO_LIST_USERS_SESSIONS",
  ],
  [
    "revoke-user-session",
    (c) => c.admin.revokeUserSession({ sessionToken: admin.cookie.token }),
    "YOU_ARE_NOT_ALLOWED_TO_REVOKE_USERS_SESSIONS",
  ],
  [
    "revoke-user-sessions",
    (c) => c.admin.revokeUserSessions({ userId: self.id }),
    "YOU_ARE_NOT_ALLOWED_TO_REVOKE_USERS_SESSIONS",
  ],
  [
    "impersonate-user",
    (c) => c.admin.impersonateUser({ userId: self.id }),
    "YOU_ARE_NOT_ALLOWED_TO_IMPERSONATE_USERS",
  ],
  ["remove-user", (c) => c.admin.removeUser({ userId: self.id }), "YOU_ARE_NOT_ALLOWED_TO_DELETE_USERS"],
  [
    "set-user-password",
    (c) => c.admin.setUserPassword({ userId: self.id, newPassword: PASSWORD }),
    "YOU_ARE_NOT_ALLOWED_TO_SET_USERS_PASSWORD",
  ],
];
for (const [path, use, code] of CALLS) {
  await step(`admin/${path}: nobody without a session`, async () => new Browser().call(use, NOBODY));
  await step(`admin/${path}: no user without the role`, async () => home.call(use, refusal(403, code)));
}

await step("admin: nothing of that happened", async () => {
  await admin.isSignedIn(administrator.email);
  await home.isSignedIn(ann.email);
  expect((await home.send("GET", "/get-session")).json.user.role, "user", "role");
});

await step("admin: a schema error is told before the missing session", async () => {
  await new Browser().send("POST", "/admin/ban-user", { json: {} }, refusal(400, "VALIDATION_ERROR"));
  await new Browser().send("GET", "/admin/get-user", {}, refusal(400, "VALIDATION_ERROR"));
});

await step("admin: a dead session is cleared", async () => {
  const browser = new Browser();
  await browser.signIn(administrator.email, administrator.password);
  const old = browser.cookie.value;
  await browser.call((c) => c.signOut(), { ...DONE, cookies: the.CLEARED });
  browser.cookie = old;
  await browser.call((c) => c.admin.listUsers({ query: {} }), { ...NOBODY, cookies: the.CLEARED });
});

await step("admin: with a bearer token", async () => {
  const auth = { type: "Bearer", token: admin.cookie.token };
  await new Browser().call((c) => c.admin.getUser({ query: { id: ann.id }, fetchOptions: { auth } }), {
    status: 200,
    body: the.user({ id: ann.id, email: ann.email }),
  });
});

// Users whom no other test has: found by the mail that they share.
const mark = freshMail("list").split("@")[0].split(".")[1];
const listed = [];
for (const name of ["Dora", "Emil", "Fritz"]) {
  const email = `${name.toLowerCase()}.${mark}@example.com`;
  const wanted = { status: 200, body: { user: the.user({ name, email }) } };
  const { json } = await admin.call((c) => c.admin.createUser({ name, email, password: PASSWORD }), wanted);
  listed.push(json.user);
}
const [dora, emil, fritz] = listed;

for (const [what, query, names, more = {}] of [
  ["search in the mail", { searchValue: mark }, ["Dora", "Emil", "Fritz"]],
  [
    "search in the mail, named",
    { searchValue: mark, searchField: "email", searchOperator: "contains" },
    ["Dora", "Emil", "Fritz"],
  ],
  ["search at the start", { searchValue: `emil.${mark}`, searchOperator: "starts_with" }, ["Emil"]],
  ["search at the start, not there", { searchValue: mark, searchOperator: "starts_with" }, []],
  [
    "search at the end",
    { searchValue: `${mark}@example.com`, searchOperator: "ends_with" },
    ["Dora", "Emil", "Fritz"],
  ],
  ["sort downwards", { searchValue: mark, sortBy: "name", sortDirection: "desc" }, ["Fritz", "Emil", "Dora"]],
  [
    "sort upwards by time",
    { searchValue: mark, sortBy: "createdAt", sortDirection: "asc" },
    ["Dora", "Emil", "Fritz"],
  ],
  ["a page", { searchValue: mark, sortBy: "name", limit: 2 }, ["Dora", "Emil"], { total: 3, limit: 2 }],
  [
    "the next page",
    { searchValue: mark, sortBy: "name", limit: 2, offset: 2 },
    ["Fritz"],
    { total: 3, limit: 2, offset: 2 },
  ],
  ["limit and offset of zero", { searchValue: mark, limit: 0, offset: 0 }, ["Dora", "Emil", "Fritz"]],
  ["filter by mail", { filterValue: `dora.${mark}@example.com` }, ["Dora"]],
  ["filter by id", { filterField: "id", filterValue: emil.id }, ["Emil"]],
  [
    "filter with another operator",
    { searchValue: mark, filterField: "name", filterValue: "Emil", filterOperator: "ne" },
    ["Dora", "Fritz"],
  ],
  ["filter by role", { searchValue: mark, filterField: "role", filterValue: "admin" }, []],
]) {
  await step(`admin/list-users: ${what}`, async () => {
    const users = names.map((name) => the.user({ name: query.sortBy ? name : the.text }));
    const { json } = await admin.call((c) => c.admin.listUsers({ query }), {
      status: 200,
      body: { users, total: names.length, ...more },
    });
    const found = json.users.map(({ name }) => name);
    expect(query.sortBy ? found : found.sort(), names, "names");
  });
}

await step("admin/list-users: search in the name", async () => {
  const query = {
    searchValue: "Fri",
    searchField: "name",
    searchOperator: "contains",
    limit: 100,
    sortBy: "createdAt",
    sortDirection: "desc",
  };
  const { json } = await admin.send("GET", `/admin/list-users?${new URLSearchParams(query)}`);
  expect(
    json.users.some(({ id }) => id === fritz.id),
    true,
    "the user is found",
  );
  expect(
    json.users.every(({ name }) => name.includes("Fri")),
    true,
    "all have the name",
  );
});

await step("admin/list-users: what a pattern of SQL would mean is just text", async () => {
  await admin.call((c) => c.admin.listUsers({ query: { searchValue: `%' or '1'='1` } }), {
    status: 200,
    body: { users: [], total: 0 },
  });
});

await step("admin/list-users: by a field that is none nobody is found", async () => {
  for (const query of [{ sortBy: "nothing" }, { filterField: "nothing", filterValue: "1" }]) {
    await admin.call((c) => c.admin.listUsers({ query }), { status: 200, body: { users: [], total: 0 } });
  }
});

for (const query of ["searchField=id", "searchOperator=equals", "sortDirection=up", "filterOperator=like"]) {
  await step(`admin/list-users: ${query} is refused`, async () => {
    await admin.send("GET", `/admin/list-users?${query}`, {}, refusal(400, "VALIDATION_ERROR"));
  });
}

await step("admin/get-user: known and unknown", async () => {
  await admin.call((c) => c.admin.getUser({ query: { id: ann.id } }), {
    status: 200,
    body: the.user({ id: ann.id, email: ann.email, name: "Ann" }),
  });
  await admin.call((c) => c.admin.getUser({ query: { id: UNKNOWN_ID } }), GONE);
});

await step("admin/create-user: with a role, without a password", async () => {
  const email = freshMail("made");
  await admin.call(
    (c) => c.admin.createUser({ email: email.toUpperCase(), name: "Made", role: ["user", "admin"] }),
    { status: 200, body: { user: the.user({ email, name: "Made", role: "user,admin" }) } },
  );
  await new Browser().call(
    (c) => c.signIn.email({ email, password: PASSWORD }),
    refusal(401, "INVALID_EMAIL_OR_PASSWORD"),
  );
});

await step("admin/create-user: the password works", async () => {
  await new Browser().signIn(dora.email);
});

await step("admin/create-user: refusals", async () => {
  const create = (fields) => (c) =>
    c.admin.createUser({ email: freshMail("no"), name: "N", password: PASSWORD, ...fields });
  const taken = refusal(
    400,
    "USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL",
    "User already exists. Use another email.",
  );
  await admin.call(create({ email: ann.email.toUpperCase() }), taken);
  await admin.call(create({ email: "ann" }), refusal(400, "INVALID_EMAIL"));
  await admin.call(create({ password: "x".repeat(129) }), refusal(400, "PASSWORD_TOO_LONG"));
  await admin.call(create({ name: undefined }), refusal(400, "VALIDATION_ERROR"));
});

await step("admin/update-user: name, mail and verification", async () => {
  const email = freshMail("moved");
  const data = { name: "Emil Other", email: email.toUpperCase(), emailVerified: true };
  await admin.call((c) => c.admin.updateUser({ userId: emil.id, data }), {
    status: 200,
    body: the.user({ id: emil.id, name: "Emil Other", email, emailVerified: true }),
  });
  await new Browser().signIn(email);
});

await step("admin/update-user: refusals", async () => {
  const update =
    (data, userId = fritz.id) =>
    (c) =>
      c.admin.updateUser({ userId, data });
  await admin.call(update({}), refusal(400, "NO_DATA_TO_UPDATE", "No data to update"));
  await admin.call(
    update({ password: "password-two" }),
    refusal(400, "PASSWORD_CANNOT_BE_UPDATED_VIA_UPDATE_USER"),
  );
  await admin.call(update({ id: UNKNOWN_ID }), refusal(400, "USER_ID_CANNOT_BE_UPDATED"));
  await admin.call(update({ email: "ann" }), refusal(400, "INVALID_EMAIL"));
  await admin.call(update({ email: ann.email }), refusal(400, "USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL"));
  await admin.call(update({ role: 1 }), refusal(400, "INVALID_ROLE_TYPE"));
  await admin.call(update({ banned: true }, self.id), refusal(400, "YOU_CANNOT_BAN_YOURSELF"));
  await admin.call(update({ name: "N" }, UNKNOWN_ID), GONE);
});

await step("admin/set-role: up, a list, and down again", async () => {
  const browser = new Browser();
  const bob = await browser.signUp("Bob");
  const role = (wanted, stored = wanted) =>
    admin.call((c) => c.admin.setRole({ userId: bob.id, role: wanted }), {
      status: 200,
      body: { user: the.user({ id: bob.id, role: stored }) },
    });
  await role("admin");
  await browser.call((c) => c.admin.getUser({ query: { id: ann.id } }), {
    status: 200,
    body: the.user({ id: ann.id }),
  });
  await role(["user", "admin"], "user,admin");
  await browser.call((c) => c.admin.getUser({ query: { id: ann.id } }), {
    status: 200,
    body: the.user({ id: ann.id }),
  });
  await role("user");
  await browser.call(
    (c) => c.admin.getUser({ query: { id: ann.id } }),
    refusal(403, "YOU_ARE_NOT_ALLOWED_TO_GET_USER"),
  );
  await admin.call((c) => c.admin.setRole({ userId: UNKNOWN_ID, role: "user" }), GONE);
});

await step("admin/ban-user: all sessions end, sign-in is refused, until it is lifted", async () => {
  const browser = new Browser();
  const bob = await browser.signUp("Bob");
  const banned = {
    status: 200,
    body: { user: the.user({ id: bob.id, banned: true, banReason: "No reason" }) },
  };
  await admin.call((c) => c.admin.banUser({ userId: bob.id }), banned);
  await browser.isSignedOut(the.CLEARED);
  const login = { email: bob.email, password: PASSWORD };
  await new Browser().call((c) => c.signIn.email(login), refusal(403, "BANNED_USER", BANNED_TEXT));
  await new Browser().call(
    (c) => c.signIn.email({ ...login, password: "password-two" }),
    refusal(401, "INVALID_EMAIL_OR_PASSWORD"),
  );
  const free = { status: 200, body: { user: the.user({ id: bob.id }) } };
  await admin.call((c) => c.admin.unbanUser({ userId: bob.id }), free);
  await new Browser().signIn(bob.email);
});

await step("admin/ban-user: with a reason and an end", async () => {
  const bob = await new Browser().signUp("Bob");
  const ban = { userId: bob.id, banReason: "Spam", banExpiresIn: 3600 };
  const body = { user: the.user({ id: bob.id, banned: true, banReason: "Spam", banExpires: the.time }) };
  const { json } = await admin.call((c) => c.admin.banUser(ban), { status: 200, body });
  const minutes = (Date.parse(json.user.banExpires) - Date.now()) / 60_000;
  expect(Math.round(minutes), 60, "minutes of the ban");
  await new Browser().call(
    (c) => c.signIn.email({ email: bob.email, password: PASSWORD }),
    refusal(403, "BANNED_USER", BANNED_TEXT),
  );
});

await step("admin/ban-user: a ban that is over is lifted by signing in", async () => {
  const bob = await new Browser().signUp("Bob");
  const body = { user: the.user({ id: bob.id, banned: true, banReason: "No reason", banExpires: the.time }) };
  const { json } = await admin.call((c) => c.admin.banUser({ userId: bob.id, banExpiresIn: 1 }), {
    status: 200,
    body,
  });
  const over = Date.parse(json.user.banExpires) - Date.now() + 100;
  await new Promise((later) => setTimeout(later, Math.max(0, over)));
  // The answer may still tell of the ban that it lifts.
  const login = { email: bob.email, password: PASSWORD };
  const {
    json: { token },
  } = await new Browser().send("POST", "/sign-in/email", { json: login });
  expect(token, the.token, "token");
  await admin.call((c) => c.admin.getUser({ query: { id: bob.id } }), {
    status: 200,
    body: the.user({ id: bob.id }),
  });
});

await step("admin: one cannot ban or remove oneself, nor anybody unknown", async () => {
  await admin.call((c) => c.admin.banUser({ userId: self.id }), refusal(400, "YOU_CANNOT_BAN_YOURSELF"));
  await admin.call(
    (c) => c.admin.removeUser({ userId: self.id }),
    refusal(400, "YOU_CANNOT_REMOVE_YOURSELF"),
  );
  await admin.call((c) => c.admin.banUser({ userId: UNKNOWN_ID }), GONE);
  await admin.call((c) => c.admin.unbanUser({ userId: UNKNOWN_ID }), GONE);
  await admin.call((c) => c.admin.removeUser({ userId: UNKNOWN_ID }), GONE);
  await admin.isSignedIn(administrator.email);
});

await step("admin: sessions of a user are listed and revoked", async () => {
  const [first, second] = [new Browser(), new Browser()];
  const bob = await first.signUp("Bob");
  await second.signIn(bob.email);
  const list = (count) =>
    admin.call((c) => c.admin.listUserSessions({ userId: bob.id }), {
      status: 200,
      body: { sessions: Array(count).fill(the.session({ userId: bob.id })) },
    });
  const { json } = await list(2);
  const both = [first.cookie.token, second.cookie.token].sort();
  expect(json.sessions.map(({ token }) => token).sort(), both, "tokens");
  await admin.call((c) => c.admin.revokeUserSession({ sessionToken: second.cookie.token }), DONE);
  await second.isSignedOut(the.CLEARED);
  await first.isSignedIn(bob.email);
  await admin.call((c) => c.admin.revokeUserSession({ sessionToken: "A".repeat(32) }), DONE);
  await admin.call((c) => c.admin.revokeUserSessions({ userId: bob.id }), DONE);
  await first.isSignedOut(the.CLEARED);
  await list(0);
});

await step("admin/impersonate-user: as a user and back", async () => {
  const browser = new Browser();
  await browser.signIn(administrator.email, administrator.password);
  const own = browser.cookie.token;
  const bob = await new Browser().signUp("Bob");
  const session = the.session({ userId: bob.id, impersonatedBy: self.id });
  const body = { session, user: the.user({ id: bob.id, email: bob.email }) };
  const { json } = await browser.call((c) => c.admin.impersonateUser({ userId: bob.id }), {
    status: 200,
    body,
    cookies: [...the.CLEARED, the.ADMIN_KEPT, the.SIGNED_IN_BRIEFLY, the.DO_NOT_REMEMBER],
  });
  const minutes = (Date.parse(json.session.expiresAt) - Date.now()) / 60_000;
  expect(Math.round(minutes), 60, "minutes of the session");
  await browser.call((c) => c.getSession(), { status: 200, body });
  // The user does not see who looks over the shoulder.
  const listed = await browser.send("GET", "/list-sessions");
  expect(
    listed.json?.some(({ impersonatedBy }) => impersonatedBy),
    false,
    "an impersonation in list-sessions",
  );
  await browser.call(
    (c) => c.admin.listUsers({ query: {} }),
    refusal(403, "YOU_ARE_NOT_ALLOWED_TO_LIST_USERS"),
  );
  // What is signed anew in between stays as short-lived as it was.
  await browser.call((c) => c.updateUser({ name: "Bobby" }), {
    status: 200,
    body: { status: true },
    cookies: [the.SIGNED_IN_BRIEFLY, the.DO_NOT_REMEMBER],
  });
  const imitation = browser.cookie.value;
  await browser.call((c) => c.admin.stopImpersonating(), {
    status: 200,
    body: { session: the.session({ token: own, userId: self.id }), user: anybody({ id: self.id }) },
    cookies: [the.SIGNED_IN, the.FORGET_CHOICE, the.FORGET_ADMIN],
  });
  expect(browser.cookie.token, own, "token in the cookie");
  await browser.isSignedIn(administrator.email);
  const former = new Browser();
  former.cookie = imitation;
  await former.isSignedOut(the.CLEARED);
});

await step("admin/impersonate-user: not an admin, not somebody unknown", async () => {
  const boss = await new Browser().signUp("Boss");
  await admin.send("POST", "/admin/set-role", { json: { userId: boss.id, role: "admin" } });
  await admin.call(
    (c) => c.admin.impersonateUser({ userId: boss.id }),
    refusal(403, "YOU_CANNOT_IMPERSONATE_ADMINS"),
  );
  await admin.call((c) => c.admin.impersonateUser({ userId: UNKNOWN_ID }), GONE);
});

await step("admin/stop-impersonating: when one is not", async () => {
  const wanted = { status: 400, body: { message: "You are not impersonating anyone" } };
  await admin.send("POST", "/admin/stop-impersonating", { json: {} }, wanted);
  await new Browser().send("POST", "/admin/stop-impersonating", { json: {} }, NOBODY);
});

await step("admin/remove-user: sessions and password are gone, the mail is free", async () => {
  const browser = new Browser();
  const bob = await browser.signUp("Bob");
  await admin.call((c) => c.admin.removeUser({ userId: bob.id }), DONE);
  await browser.isSignedOut(the.CLEARED);
  await admin.call((c) => c.admin.getUser({ query: { id: bob.id } }), GONE);
  const login = { email: bob.email, password: PASSWORD };
  await new Browser().call((c) => c.signIn.email(login), refusal(401, "INVALID_EMAIL_OR_PASSWORD"));
  await new Browser().call((c) => c.signUp.email({ ...login, name: "Bob" }), {
    status: 200,
    body: { token: the.token, user: the.user() },
    cookies: [the.SIGNED_IN],
  });
});

await step("admin/set-user-password: works, also for a user without one", async () => {
  const newPassword = "password-two";
  const made = { email: freshMail("made"), name: "Made" };
  const { user } = (await admin.send("POST", "/admin/create-user", { json: made })).json;
  for (const one of [fritz, user]) {
    const wanted = { status: 200, body: { status: true } };
    await admin.call((c) => c.admin.setUserPassword({ userId: one.id, newPassword }), wanted);
    await new Browser().signIn(one.email, newPassword);
  }
  const set = (userId, password) => (c) => c.admin.setUserPassword({ userId, newPassword: password });
  await admin.call(set(fritz.id, "short"), refusal(400, "PASSWORD_TOO_SHORT"));
  await admin.call(set(fritz.id, "x".repeat(129)), refusal(400, "PASSWORD_TOO_LONG"));
  await admin.call(set(fritz.id, ""), refusal(400, "VALIDATION_ERROR"));
  await admin.call(set(UNKNOWN_ID, newPassword), GONE);
});

await step("admin/has-permission", async () => {
  const asked = (permissions) => (c) => c.admin.hasPermission({ permissions });
  const answer = (success) => ({ status: 200, body: { error: null, success } });
  await admin.call(asked({ user: ["create", "ban", "list"], session: ["revoke"] }), answer(true));
  await admin.call(asked({ user: ["impersonate-admins"] }), answer(false));
  await admin.call(asked({ nothing: ["create"] }), answer(false));
  await home.call(asked({ user: ["list"] }), answer(false));
  await new Browser().call(asked({ user: ["list"] }), NOBODY);
  await admin.send("POST", "/admin/has-permission", { json: {} }, refusal(400, "VALIDATION_ERROR"));
});
