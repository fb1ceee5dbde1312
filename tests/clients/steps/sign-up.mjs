// POST /sign-up/email

import { expect, step } from "../check.mjs";
import * as the from "../service.mjs";

const { Browser, PASSWORD, freshMail, refusal } = the;

await step("sign-up: a new user is signed in", async () => {
  const ann = new Browser();
  const user = await ann.signUp("Ann");
  expect(ann.cookie.token, user.token, "token in the cookie");
  await ann.isSignedIn(user.email);
});

await step("sign-up: mail is stored in lower case, a picture and an empty name are taken", async () => {
  const email = freshMail("MiXed");
  const image = "https://example.com/a.png";
  await new Browser().call((c) => c.signUp.email({ name: "", email, password: PASSWORD, image }), {
    status: 200,
    body: { token: the.token, user: the.user({ name: "", email: email.toLowerCase(), image }) },
    cookies: [the.SIGNED_IN],
  });
});

await step("sign-up: rememberMe false gives cookies for the browser's life", async () => {
  const ann = new Browser();
  const body = { name: "Ann", email: freshMail("brief"), password: PASSWORD, rememberMe: false };
  await ann.call((c) => c.signUp.email(body), {
    status: 200,
    body: { token: the.token, user: the.user() },
    cookies: [the.SIGNED_IN_BRIEFLY, the.DO_NOT_REMEMBER],
  });
  await ann.isSignedIn(body.email);
});

await step("sign-up: a taken mail is refused, in another case too", async () => {
  const { email } = await new Browser().signUp("Taken");
  for (const again of [email, email.toUpperCase()]) {
    const wanted = refusal(
      422,
      "USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL",
      "User already exists. Use another email.",
    );
    await new Browser().call((c) => c.signUp.email({ name: "B", email: again, password: PASSWORD }), wanted);
  }
});

for (const [what, password, wanted] of [
  ["7 characters are too short", "1234567", refusal(400, "PASSWORD_TOO_SHORT", "Password too short")],
  ["129 characters are too long", "x".repeat(129), refusal(400, "PASSWORD_TOO_LONG", "Password too long")],
  ["65 characters of two units each are too long", "😀".repeat(65), refusal(400, "PASSWORD_TOO_LONG")],
]) {
  await step(`sign-up: ${what}`, async () => {
    await new Browser().call(
      (c) => c.signUp.email({ name: "A", email: freshMail("length"), password }),
      wanted,
    );
  });
}

await step("sign-up: passwords of 8 and of 128 characters work, also in another normal form", async () => {
  for (const [password, same] of [
    ["ﬁ-①-äb x", "fi-1-a\u0308b x"],
    ["x".repeat(128), "x".repeat(128)],
  ]) {
    const { email } = await new Browser().signUp("Ann", { password });
    await new Browser().signIn(email, same);
  }
});

for (const email of [
  "",
  "ann",
  "ann@example",
  " ann@example.com",
  "ann@example.com ",
  "a b@example.com",
  "ann@exämple.com",
  "ann@-example.com",
  "ann@@example.com",
  ".ann@example.com",
  "a..b@example.com",
  "ann.@example.com",
  "ann@example.c",
  '"ann"@example.com',
]) {
  await step(`sign-up: ${JSON.stringify(email)} is no mail address`, async () => {
    await new Browser().call(
      (c) => c.signUp.email({ name: "A", email, password: PASSWORD }),
      refusal(400, "VALIDATION_ERROR"),
    );
  });
}

await step("sign-up: unusual mail addresses that are right", async () => {
  for (const name of ["o'neil", "a+b", "a_b-c.d", "_"]) await new Browser().signUp(name);
});

for (const [what, fields] of [
  ["no name", { name: undefined }],
  ["a number as name", { name: 1 }],
  ["no mail", { email: undefined }],
  ["no password", { password: undefined }],
  ["null as picture", { image: null }],
  ["text as rememberMe", { rememberMe: "false" }],
]) {
  await step(`sign-up: ${what} is refused`, async () => {
    const json = { name: "A", email: freshMail("schema"), password: PASSWORD, ...fields };
    await new Browser().send("POST", "/sign-up/email", { json }, refusal(400, "VALIDATION_ERROR"));
  });
}

await step("sign-up: a role is refused", async () => {
  const json = { name: "A", email: freshMail("role"), password: PASSWORD, role: "admin" };
  await new Browser().send("POST", "/sign-up/email", { json }, refusal(400, "FIELD_NOT_ALLOWED"));
});

await step("sign-up: fields nobody declared are dropped", async () => {
  const ann = new Browser();
  const email = freshMail("extra");
  const json = {
    name: "A",
    email,
    password: PASSWORD,
    id: "chosen-by-the-caller",
    emailVerified: true,
    banned: true,
    more: { a: 1 },
  };
  const wanted = {
    status: 200,
    body: { token: the.token, user: the.user({ name: "A", email }) },
    cookies: [the.SIGNED_IN],
  };
  const { user } = (await ann.send("POST", "/sign-up/email", { json }, wanted)).json;
  expect(user.id === json.id, false, "id is the caller's");
});

await step("sign-up: of five at once exactly one wins", async () => {
  const email = freshMail("race");
  const json = { name: "A", email, password: PASSWORD };
  const answers = await Promise.all(
    [1, 2, 3, 4, 5].map(() => new Browser().send("POST", "/sign-up/email", { json })),
  );
  expect(answers.map(({ status }) => status).sort(), [200, 422, 422, 422, 422], "statuses");
  await new Browser().signIn(email);
});
