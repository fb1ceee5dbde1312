// AdGuard's HostlistCompiler. A request has a `configuration` and the `files` it names, by their names in the
// working directory; the answer has the `lines` of the compiled list, or the `error` that was thrown.

import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { createInterface } from "node:readline";
import compile from "@adguard/hostlist-compiler";
import consola from "consola";

// Standard output is for answers.
consola.level = -999;

for await (const request of createInterface({ input: process.stdin })) {
  const { configuration, files } = JSON.parse(request);
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(name), { recursive: true });
    writeFileSync(name, text);
  }
  let answer;
  try {
    answer = { lines: await compile(configuration) };
  } catch (error) {
    answer = { error: String(error) };
  }
  for (const name of Object.keys(files)) {
    rmSync(name, { force: true });
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
