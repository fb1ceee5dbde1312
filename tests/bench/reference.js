// The reference of `cargo xtask bench compile`: @adguard/hostlist-compiler in Node.js.
//
// Arguments: the name of a list in the current folder, then transformations. For every line on standard
// input it compiles the list once and prints one line of JSON. Timed is the way from the file to the text
// of the compiled list; the first compilation warms up.

import { createHash } from "node:crypto";
import { createInterface } from "node:readline";
import compile from "@adguard/hostlist-compiler";
import consola from "consola";

const [source, ...transformations] = process.argv.slice(2);
// Nothing but errors: printing would count.
consola.level = 0;

for await (const _ of createInterface({ input: process.stdin })) {
  const started = performance.now();
  const text = (await compile({ name: "bench", sources: [{ source }], transformations })).join("\n");
  const ms = performance.now() - started;
  // The header names the compiler and the time; what follows must be equal.
  const body = text.slice(text.indexOf("\n!\n", text.indexOf("\n! Compiled by ")) + 3);
  console.log(JSON.stringify({ ms, sha256: createHash("sha256").update(body).digest("hex") }));
}
