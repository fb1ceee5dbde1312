// What holds for every route: paths, methods, media types, bodies.

import { expect, step } from "../check.mjs";
import * as the from "../service.mjs";

const { Browser, PASSWORD, refusal } = the;
const MEDIA = refusal(415, "UNSUPPORTED_MEDIA_TYPE");
const BROKEN = refusal(400, "BAD_REQUEST");

const home = new Browser();
const ann = await home.signUp("Ann");
const LOGIN = { email: ann.email, password: PASSWORD };

await step("ok", async () => {
  await new Browser().call((c) => c.$fetch("/ok", { method: "GET" }), { status: 200, body: { ok: true } });
});

await step("error: a page, or a redirection with the code", async () => {
  for (const [query, code] of [
    ["?error=some_code", "some_code"],
    ["", "UNKNOWN"],
    ["?error=%3Cb%3E", "UNKNOWN"],
  ]) {
    const answer = await new Browser().send("GET", `/error${query}`);
    if (answer.status === 302) {
      expect(
        new URL(answer.headers.location, the.origin).searchParams.get("error"),
        code,
        "code in location",
      );
      expect(answer.text, "", "body");
    } else {
      expect(answer.status, 200, "status");
      expect(answer.headers["content-type"], /^text\/html/, "content-type");
      expect(answer.text.includes(code) && !answer.text.includes("<b>"), true, "only the code on the page");
    }
  }
});

for (const [method, path] of [
  ["GET", "/unknown"],
  ["POST", "/unknown"],
  ["GET", ""],
  ["GET", "/"],
  ["GET", "/get-session/"],
  ["GET", "//get-session"],
  ["HEAD", "/get-session"],
  ["GET", "/Get-Session"],
  ["GET", "/sign-in/email"],
  ["PUT", "/sign-in/email"],
  ["DELETE", "/get-session"],
  ["POST", "/forget-password"],
  ["POST", "/ok"],
  ["POST", "/list-sessions"],
  ["GET", "/sign-out"],
]) {
  await step(`404: ${method} ${path || "(nothing)"}`, async () => {
    const json = method === "POST" || method === "PUT" ? {} : undefined;
    const answer = await new Browser().send(method, path, { json }, the.NOT_FOUND);
    expect(answer.headers["content-type"], undefined, "content-type");
  });
}

for (const type of ["text/plain", "application/xml", "multipart/form-data; boundary=x", undefined]) {
  await step(`415: ${type ?? "no content-type"} with a body`, async () => {
    await new Browser().send("POST", "/sign-in/email", { body: JSON.stringify(LOGIN), type }, MEDIA);
  });
}

await step("415: a form where only JSON is taken", async () => {
  await home.send("POST", "/update-user", { form: { name: "B" } }, MEDIA);
});

await step("JSON with a charset is taken", async () => {
  const type = "application/json; charset=utf-8";
  const body = { redirect: false, token: the.token, user: the.user() };
  const wanted = { status: 200, body, cookies: [the.SIGNED_IN] };
  await new Browser().send("POST", "/sign-in/email", { body: JSON.stringify(LOGIN), type }, wanted);
});

for (const body of ["{", '{"email":', "nonsense", "{'a':1}"]) {
  await step(`400: broken JSON ${body}`, async () => {
    await new Browser().send("POST", "/sign-in/email", { body, type: "application/json" }, BROKEN);
  });
}

await step("400: JSON that is announced but missing", async () => {
  const chunked = { "transfer-encoding": "chunked" };
  const sent = { body: "", type: "application/json" };
  await new Browser().send("POST", "/sign-out", { ...sent, headers: chunked }, BROKEN);
});

for (const json of [[], "text", 1, null, true]) {
  await step(`400: ${JSON.stringify(json)} where an object is wanted`, async () => {
    await new Browser().send("POST", "/sign-in/email", { json }, refusal(400, "VALIDATION_ERROR"));
  });
}

await step("400: a bad body is told before the missing session", async () => {
  await new Browser().send("POST", "/change-password", { json: {} }, refusal(400, "VALIDATION_ERROR"));
  await new Browser().send("POST", "/change-password", { body: "{", type: "application/json" }, BROKEN);
});

await step("400: broken JSON is told before a foreign origin, a schema error after it", async () => {
  const headers = { origin: the.FOREIGN };
  await home.send("POST", "/change-password", { body: "{", type: "application/json", headers }, BROKEN);
  await home.send("POST", "/change-password", { json: {}, headers }, refusal(403, "INVALID_ORIGIN"));
});

await step("POST without any body", async () => {
  const browser = new Browser();
  await browser.signIn(ann.email);
  await browser.send("POST", "/revoke-other-sessions", {}, { status: 200, body: { status: true } });
  const cleared = { status: 200, cookies: the.CLEARED };
  await browser.send("POST", "/revoke-sessions", {}, { ...cleared, body: { status: true } });
  await browser.send("POST", "/sign-out", {}, { ...cleared, body: { success: true } });
});

await step("POST without any body where one is wanted", async () => {
  await new Browser().send("POST", "/sign-in/email", {}, refusal(400, "VALIDATION_ERROR"));
});
