// Stands in for the modules that only the Workers runtime has, so that the Worker's own code loads in Node.js.
// Nothing that the wasm suite tests calls into them; what does is tested on the real runtime.

const Module = require("node:module");

const load = Module._load;
Module._load = (name, ...rest) => (name.startsWith("cloudflare:") ? {} : load(name, ...rest));
