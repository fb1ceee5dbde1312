// The real client of Better Auth against the service: every step compares status, body, cookies and headers.
//
//   node better-auth.mjs --base URL --mode http|https --origin ORIGIN
//     --admin-email MAIL --admin-password PASSWORD [--mail URL] [--secrets FILE] [--only NAME]
//
// `--mode` says which cookies to expect; the connection is plain http in both. `--origin` is trusted by the
// service. `--mail` answers with the mails sent, `[{to, subject, text}]`, the newest last. `--only` runs the steps
// of steps/NAME.mjs alone. `--secrets` collects passwords and tokens that were used, a line each.

import { finish, step } from "./check.mjs";
import { option } from "./options.mjs";
import { hasMailbox } from "./service.mjs";

const only = option("only", "");
const all = ["sign-up", "sign-in", "sessions", "account", "protocol", "origin", "bearer", "admin"];
if (hasMailbox) all.push("mail");
const files = only ? [only] : all;
for (const file of files) await step(`${file}: prepared`, () => import(`./steps/${file}.mjs`));
finish(hasMailbox ? "" : "; no --mail, so the steps of steps/mail.mjs were not run");
