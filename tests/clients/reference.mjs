// The real Better Auth server, for checking the checks: what better-auth.mjs asks of the service
// is what this server answers. Prints one line of JSON when it listens; ends when its input closes.
//
//   node reference.mjs [--mode http|https]

import { createServer } from "node:http";
import { DatabaseSync } from "node:sqlite";
import { Readable } from "node:stream";
import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";
import { admin, bearer } from "better-auth/plugins";
import { option } from "./options.mjs";

const mode = option("mode", "http");
const administrator = { email: "admin@example.com", password: "admin-password-1" };
const mails = [];

const server = createServer(answer);
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
const url = `http://127.0.0.1:${server.address().port}`;
// In https mode a proxy would stand in front: the server is told the outer name and is asked inside.
const origin = mode === "https" ? "https://auth.example.com" : url;

const database = new DatabaseSync(":memory:");
const auth = betterAuth({
  baseURL: origin,
  secret: "reference-secret-0123456789abcdefghijklmnop",
  database,
  trustedOrigins: ["https://app.example.com"],
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
  logger: { disabled: true },
  emailAndPassword: {
    enabled: true,
    sendResetPassword: async ({ user, url }) => mail(user.email, "Reset your password", url),
  },
  emailVerification: {
    sendVerificationEmail: async ({ user, url }) => mail(user.email, "Verify your address", url),
  },
  user: { changeEmail: { enabled: true }, deleteUser: { enabled: true } },
  plugins: [bearer(), admin()],
  advanced: { ipAddress: { ipAddressHeaders: ["cf-connecting-ip"] }, database: { generateId: "uuid" } },
});

await (await getMigrations(auth.options)).runMigrations();
await auth.api.signUpEmail({ body: { name: "Admin", ...administrator } });
database.prepare("update user set role = 'admin' where email = ?").run(administrator.email);

console.log(JSON.stringify({ url, origin, mode, mail: `${url}/mail`, admin: administrator }));

process.stdin.resume().on("end", () => process.exit(0));

function mail(to, subject, link) {
  mails.push({ to, subject, text: `Follow this link: ${link}` });
}

async function answer(request, response) {
  if (request.url === "/mail") {
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify(mails));
    return;
  }
  // Not the adapter for Node that comes with the package: it drops bodies without a content-type.
  const { method, headers } = request;
  const empty = headers["transfer-encoding"] === undefined && !(Number(headers["content-length"]) > 0);
  const body = empty ? undefined : Readable.toWeb(request);
  const answered = await auth.handler(
    new Request(origin + request.url, { method, headers, body, duplex: "half" }),
  );
  response.statusCode = answered.status;
  for (const [name, value] of answered.headers) if (name !== "set-cookie") response.setHeader(name, value);
  response.setHeader("set-cookie", answered.headers.getSetCookie());
  response.end(Buffer.from(await answered.arrayBuffer()));
}
