// A double of whoever issues JWTs: serves its public keys and signs tokens, with the real jose.
// Prints `listening on PORT` when it listens on loopback; ends when its input closes.
//
//   GET  /.well-known/jwks.json, /cdn-cgi/access/certs   the keys, as the mode says
//   POST /mint    {claims, header?, key?: "current" | "old" | "unknown", alg?} -> {token}
//                 claims and header are taken as they are, null in header takes a field away;
//                 alg may also be "none" or one of HS256, RS384, PS256…
//   POST /rotate  the current key becomes the old one; both are served -> {kid, old}
//   POST /mode    {mode: "ok" | "slow" | "down" | "garbage" | "redirect" | "empty", delay_ms?} -> {mode}
//   GET  /seen    {count, requests: [{path, headers}]} of the keys' routes; POST /seen forgets them

import { createServer } from "node:http";
import { randomBytes } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { exportJWK, generateKeyPair, importJWK, SignJWT, UnsecuredJWT } from "jose";

// "unknown" signs well but is never served.
const keys = { current: await makeKey(), old: undefined, unknown: await makeKey() };
let mode = { mode: "ok", delay_ms: 0 };
let seen = [];

const MODES = ["ok", "slow", "down", "garbage", "redirect", "empty"];
const ROUTES = {
  "GET /.well-known/jwks.json": serveKeys,
  "GET /cdn-cgi/access/certs": serveKeys,
  // Where the mode "redirect" leads: right keys, so that following shows.
  "GET /moved": (request, response) => {
    seen.push({ path: request.url, headers: request.headers });
    send(response, 200, { keys: [keys.current.jwk] });
  },
  "GET /seen": (request, response) => send(response, 200, { count: seen.length, requests: seen }),
  "POST /seen": (request, response) => {
    seen = [];
    send(response, 200, { count: 0, requests: [] });
  },
  "POST /mint": async (request, response) => send(response, 200, { token: await mint(await read(request)) }),
  "POST /rotate": async (request, response) => {
    [keys.old, keys.current] = [keys.current, await makeKey()];
    send(response, 200, { kid: keys.current.kid, old: keys.old.kid });
  },
  "POST /mode": async (request, response) => {
    const { mode: wanted, delay_ms = 1000 } = await read(request);
    if (!MODES.includes(wanted)) throw new Error(`mode is none of ${MODES.join(", ")}`);
    mode = { mode: wanted, delay_ms };
    send(response, 200, mode);
  },
};

const server = createServer(async (request, response) => {
  try {
    const route = ROUTES[`${request.method} ${request.url.split("?")[0]}`];
    if (route) await route(request, response);
    else send(response, 404, { error: "no such route" });
  } catch (trouble) {
    send(response, 400, { error: trouble.message });
  }
});
server.listen(0, "127.0.0.1", () => console.log(`listening on ${server.address().port}`));
process.stdin.resume().on("end", () => process.exit(0));

async function makeKey() {
  const { publicKey, privateKey } = await generateKeyPair("RS256", {
    modulusLength: 2048,
    extractable: true,
  });
  const kid = `key_${randomBytes(9).toString("base64url")}`;
  return { kid, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg: "RS256", use: "sig" } };
}

async function serveKeys(request, response) {
  seen.push({ path: request.url, headers: request.headers });
  const { mode: now, delay_ms } = mode;
  if (now === "slow") await pause(delay_ms);
  if (now === "down") {
    send(response, 500, { error: "down" });
  } else if (now === "garbage") {
    response.setHeader("content-type", "application/json").end("<html>not the keys</html>");
  } else if (now === "redirect") {
    response.writeHead(302, { location: "/moved" }).end();
  } else {
    const served = now === "empty" ? [] : [keys.current, keys.old].filter(Boolean).map(({ jwk }) => jwk);
    send(response, 200, { keys: served });
  }
}

async function mint({ claims, header = {}, key = "current", alg = "RS256" }) {
  const signer = keys[key];
  if (!signer) throw new Error(`there is no key "${key}" yet`);
  if (claims === null || typeof claims !== "object") throw new Error("claims are missing");
  if (alg === "none") return new UnsecuredJWT(claims).encode();
  const full = { alg, kid: signer.kid, typ: "JWT", ...header };
  const kept = Object.fromEntries(Object.entries(full).filter(([, value]) => value !== null));
  return new SignJWT(claims).setProtectedHeader(kept).sign(await signingKey(signer, alg));
}

async function signingKey({ privateKey, jwk }, alg) {
  if (alg === "RS256") return privateKey;
  // The classical confusion: the public key's text as the secret of an HMAC.
  if (alg.startsWith("HS")) return new TextEncoder().encode(JSON.stringify(jwk));
  return importJWK({ ...(await exportJWK(privateKey)), alg }, alg);
}

async function read(request) {
  return JSON.parse(Buffer.concat(await request.toArray()).toString());
}

function send(response, status, json) {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(json));
}
