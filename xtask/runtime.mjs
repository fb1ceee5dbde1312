// Serves a built Worker with the bindings of wrangler.toml, straight from workerd: no development proxy in
// front, nothing downloaded, no request information made up. Settings come as JSON in BLOQR_RUNTIME; prints
// "ready on port N" once it serves and ends when it is told to, or when workerd does.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Miniflare, convertV4MiniflareOptions } from "miniflare";
import { unstable_getMiniflareWorkerOptions as workerOptionsOf, unstable_readConfig as readConfig } from "wrangler";

const settings = JSON.parse(process.env.BLOQR_RUNTIME);
const { bundle, port, state, vars } = settings;
const config = readConfig({ config: settings.config });
const { workerOptions } = workerOptionsOf(config);

const modules = readdirSync(bundle)
  .filter((name) => name === "index.js" || name.endsWith(".wasm"))
  .sort()
  .map((name) => ({
    type: name.endsWith(".wasm") ? "CompiledWasm" : "ESModule",
    path: join(bundle, name),
    contents: readFileSync(join(bundle, name)),
  }));

const runtime = new Miniflare(
  convertV4MiniflareOptions({
    ...workerOptions,
    name: config.name,
    modules,
    modulesRoot: bundle,
    bindings: { ...workerOptions.bindings, ...vars },
    host: "127.0.0.1",
    port,
    cf: false,
    // GET /cdn-cgi/local/scheduled fires the schedule.
    unsafeTriggerHandlers: true,
    resourcePersistencePath: join(state, "v3"),
  }),
);

const end = async (code) => {
  await runtime.dispose();
  process.exit(code);
};
process.on("SIGINT", () => end(0));
process.on("SIGTERM", () => end(0));

const url = await runtime.ready;
console.log(`ready on port ${url.port}`);
