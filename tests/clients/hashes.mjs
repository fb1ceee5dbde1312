// Password hashes of the real Better Auth, made or checked.
//
//   node hashes.mjs --hash PASSWORD           prints a hash
//   node hashes.mjs --verify HASH PASSWORD    ends with 0 if they belong together, with 1 if not
//
// Ends with 2 when it could not be told, for instance because the hash is none.

import { hashPassword, verifyPassword } from "better-auth/crypto";

process.on("uncaughtException", (trouble) => {
  console.error(trouble.message);
  process.exit(2);
});

const [task, first, second] = process.argv.slice(2);

if (task === "--hash" && first !== undefined) {
  console.log(await hashPassword(first));
} else if (task === "--verify" && second !== undefined) {
  process.exitCode = (await verifyPassword({ hash: first, password: second })) ? 0 : 1;
} else {
  console.error("give --hash PASSWORD or --verify HASH PASSWORD");
  process.exitCode = 2;
}
