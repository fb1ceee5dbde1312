// The JavaScript heap of a served Worker, as its debugger sees it.
//
// Argument: the debugger's port. Looks all the time, and for every line on standard input prints one line: the
// most bytes since the line before, of the heap with its unused room, the objects that belong to it in the
// runtime, and array buffers. A WebAssembly memory is not among them.

import { createInterface } from "node:readline";

const [port] = process.argv.slice(2);
const [target] = await (await fetch(`http://127.0.0.1:${port}/json`)).json();
const socket = new WebSocket(target.webSocketDebuggerUrl);
await new Promise((resolve, reject) => Object.assign(socket, { onopen: resolve, onerror: reject }));

let peak = 0;
const look = () => socket.send(JSON.stringify({ id: 1, method: "Runtime.getHeapUsage" }));
socket.onmessage = ({ data }) => {
  const { id, result } = JSON.parse(data);
  if (id !== 1) return;
  peak = Math.max(peak, result.totalSize + result.embedderHeapUsedSize + result.backingStorageSize);
  // While the Worker computes, the answer waits: in that time nothing is allocated but WebAssembly memory.
  setTimeout(look, 5);
};
look();

for await (const _ of createInterface({ input: process.stdin })) {
  console.log(peak);
  peak = 0;
}
process.exit();
