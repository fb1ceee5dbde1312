// The real client of Better Auth against the service: every step compares status, body, cookies and headers.
//
//   node better-auth.mjs --base URL --mode http|https --origin ORIGIN
//     --admin-email MAIL --admin-password PASSWORD [--mail URL]
//
// `--mode` says which cookies to expect; the connection is plain http in both. `--origin` is trusted by the
// service. `--mail` answers with the mails sent, `[{to, subject, text}]`, the newest last.

import { finish, step } from "./check.mjs";
import { hasMailbox } from "./service.mjs";

const files = ["sign-up", "sign-in", "sessions", "account", "protocol", "origin", "bearer", "admin"];
if (hasMailbox) files.push("mail");
for (const file of files) await step(`${file}: prepared`, () => import(`./steps/${file}.mjs`));
finish(hasMailbox ? "" : "; no --mail, so the steps of steps/mail.mjs were not run");
