// The Worker with one more path: `/memory` tells the bytes of its WebAssembly memory. Such a memory never
// shrinks, so this is the most it ever had.

import { memories } from "./memory_probe.js";
import Worker from "./index.js";

export * from "./index.js";

export default class extends Worker {
  fetch(request) {
    if (new URL(request.url).pathname !== "/memory") return super.fetch(request);
    return new Response(String(memories.reduce((bytes, memory) => bytes + memory.buffer.byteLength, 0)));
  }
}
