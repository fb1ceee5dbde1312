// Who may send a request with cookies, and where links may lead.

import { maybe, step } from "../check.mjs";
import * as the from "../service.mjs";

const { Browser, PASSWORD, FOREIGN, origin, refusal } = the;
const INVALID = refusal(403, "INVALID_ORIGIN", "Invalid origin");
const MISSING = refusal(403, "MISSING_OR_NULL_ORIGIN", "Missing or null Origin");
const NAVIGATION = refusal(403, "CROSS_SITE_NAVIGATION_LOGIN_BLOCKED");
const DONE = { status: 200, body: { status: true } };

const home = new Browser();
const ann = await home.signUp("Ann");
const LOGIN = { email: ann.email, password: PASSWORD };
const SIGNED_IN = {
  status: 200,
  body: { redirect: false, token: the.token, user: the.user() },
  cookies: [the.SIGNED_IN],
};

for (const [what, headers, wanted] of [
  ["a trusted origin", { origin }, DONE],
  ["a trusted origin in capitals", { origin: origin.toUpperCase() }, DONE],
  ["a trusted referer", { origin: null, referer: `${origin}/some/page?a=1` }, DONE],
  ["a foreign origin", { origin: FOREIGN }, INVALID],
  ["a foreign origin and a trusted referer", { origin: FOREIGN, referer: `${origin}/` }, INVALID],
  ["a foreign referer", { origin: null, referer: `${FOREIGN}/` }, INVALID],
  ["an origin that only starts like a trusted one", { origin: `${origin}.evil.example` }, INVALID],
  [
    "another scheme",
    { origin: origin.replace(/^https?/, (s) => (s === "http" ? "https" : "http")) },
    INVALID,
  ],
  ["another port", { origin: `${origin.replace(/:\d+$/, "")}:9` }, INVALID],
  ["nonsense as origin", { origin: "nonsense" }, INVALID],
  ["no origin", { origin: null }, MISSING],
  ["the origin null", { origin: "null" }, MISSING],
  ["the origin null from the same origin", { origin: "null", "sec-fetch-site": "same-origin" }, DONE],
  ["the origin null from another site", { origin: "null", "sec-fetch-site": "cross-site" }, MISSING],
]) {
  await step(`origin: session cookie and ${what}`, async () => {
    await home.send("POST", "/revoke-other-sessions", { json: {}, headers }, wanted);
  });
}

await step("origin: any cookie at all makes it count", async () => {
  const headers = { cookie: "a=1", origin: FOREIGN };
  await new Browser().send("POST", "/sign-out", { json: {}, headers }, INVALID);
  await new Browser().send("POST", "/sign-in/email", { json: LOGIN, headers }, INVALID);
});

await step("origin: GET is not asked", async () => {
  const headers = { origin: FOREIGN };
  const wanted = { status: 200, body: { session: the.session(), user: the.user() } };
  await home.send("GET", "/get-session", { headers }, wanted);
});

await step("origin: with only a bearer token it does not count", async () => {
  const authorization = `Bearer ${home.cookie.token}`;
  for (const from of [FOREIGN, "null", null]) {
    const headers = { authorization, origin: from };
    await new Browser().send("POST", "/revoke-other-sessions", { json: {}, headers }, DONE);
  }
});

for (const [what, headers, wanted] of [
  ["nothing, as from curl", { origin: null }, SIGNED_IN],
  ["a trusted origin", { origin }, SIGNED_IN],
  ["a foreign origin", { origin: FOREIGN }, INVALID],
  ["a foreign referer", { origin: null, referer: `${FOREIGN}/` }, INVALID],
  ["a trusted referer", { origin: null, referer: `${origin}/login` }, SIGNED_IN],
  [
    "a navigation from another site",
    { origin, "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate" },
    NAVIGATION,
  ],
  [
    "a fetch from another site but a trusted origin",
    { origin, "sec-fetch-site": "cross-site", "sec-fetch-mode": "cors" },
    SIGNED_IN,
  ],
  [
    "a fetch from a foreign origin",
    { origin: FOREIGN, "sec-fetch-site": "cross-site", "sec-fetch-mode": "cors" },
    INVALID,
  ],
  ["a fetch without an origin", { origin: null, "sec-fetch-mode": "cors" }, MISSING],
  ["a destination without an origin", { origin: null, "sec-fetch-dest": "empty" }, MISSING],
  [
    "a navigation of the same site",
    { origin, "sec-fetch-site": "same-origin", "sec-fetch-mode": "navigate" },
    SIGNED_IN,
  ],
]) {
  await step(`form: sign-in without cookies and with ${what}`, async () => {
    await new Browser().send("POST", "/sign-in/email", { form: LOGIN, headers }, wanted);
    await new Browser().send("POST", "/sign-in/email", { json: LOGIN, headers }, wanted);
  });
}

await step("form: sign-up is guarded in the same way", async () => {
  const form = { name: "A", email: the.freshMail("form"), password: PASSWORD };
  await new Browser().send("POST", "/sign-up/email", { form, headers: { origin: FOREIGN } }, INVALID);
  const headers = { origin, "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate" };
  await new Browser().send("POST", "/sign-up/email", { form, headers }, NAVIGATION);
  const body = { token: the.token, user: the.user({ name: "A" }) };
  await new Browser().send(
    "POST",
    "/sign-up/email",
    { form },
    { status: 200, body, cookies: [the.SIGNED_IN] },
  );
});

const REFUSED = [
  "//evil.example",
  "/\\evil.example",
  "/a%2f..",
  "/a%2F..",
  "/a%5c..",
  "/%5Cevil.example",
  "dash",
  "javascript:alert(1)",
  FOREIGN,
  `${FOREIGN}/path`,
  "/a\tb",
  "/a\nb",
  " /a",
  "http:evil.example",
  "\\evil.example",
  "data:text/html,x",
  `${origin}.evil.example/`,
  `${origin}@evil.example/`,
];
for (const url of REFUSED) {
  await step(`callbackURL: ${JSON.stringify(url)} is refused`, async () => {
    const wanted = refusal(403, "INVALID_CALLBACK_URL", "Invalid callbackURL");
    await new Browser().send("POST", "/sign-in/email", { json: { ...LOGIN, callbackURL: url } }, wanted);
  });
}

for (const url of ["/", "/dash", "/dash?a=1&b=x", "/a/b.c-d_e", origin, `${origin}/dash?a=1`]) {
  await step(`callbackURL: ${JSON.stringify(url)} is taken`, async () => {
    const body = { redirect: true, token: the.token, user: the.user(), url };
    const wanted = { status: 200, body, cookies: [the.SIGNED_IN], location: url };
    await new Browser().send("POST", "/sign-in/email", { json: { ...LOGIN, callbackURL: url } }, wanted);
  });
}

await step("callbackURL: an empty one is none", async () => {
  const body = { ...SIGNED_IN.body, url: maybe("") };
  await new Browser().send(
    "POST",
    "/sign-in/email",
    { json: { ...LOGIN, callbackURL: "" } },
    { ...SIGNED_IN, body },
  );
});

await step("callbackURL: a refused one of the query", async () => {
  const path = `/sign-in/email?callbackURL=${encodeURIComponent(FOREIGN)}`;
  await new Browser().send("POST", path, { json: LOGIN }, refusal(403, "INVALID_CALLBACK_URL"));
});

for (const [field, code] of [
  ["redirectTo", "INVALID_REDIRECT_URL"],
  ["errorCallbackURL", "INVALID_ERROR_CALLBACK_URL"],
  ["newUserCallbackURL", "INVALID_NEW_USER_CALLBACK_URL"],
]) {
  await step(`${field}: a foreign one is refused wherever it comes`, async () => {
    await new Browser().send(
      "POST",
      "/sign-in/email",
      { json: { ...LOGIN, [field]: FOREIGN } },
      refusal(403, code),
    );
    await home.send("POST", "/sign-out", { json: { [field]: "//x" } }, refusal(403, code));
    await home.isSignedIn(ann.email);
  });
}
