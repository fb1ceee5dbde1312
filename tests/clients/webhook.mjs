// Webhook messages signed, or checked, by the real library of Svix: one line of JSON in, one line out.
//
//   {"secret", "id", "timestamp" (seconds), "body" (text)}
//     -> {"svix-id", "svix-timestamp", "svix-signature"}
//   {"secret", "body", "headers": {"svix-id", ...}}
//     -> {"valid": true} or {"valid": false, "reason"}
//
// What cannot be used is answered with {"error"}. Ends when its input closes.

import { createInterface } from "node:readline";
import { Webhook } from "svix";

for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    answer = handle(JSON.parse(line));
  } catch (trouble) {
    answer = { error: trouble.message };
  }
  console.log(JSON.stringify(answer));
}

function handle({ secret, id, timestamp, body, headers }) {
  const webhook = new Webhook(secret);
  if (typeof body !== "string") throw new Error("body is no text");
  if (headers) {
    try {
      webhook.verify(body, headers);
      return { valid: true };
    } catch (trouble) {
      return { valid: false, reason: trouble.message };
    }
  }
  if (typeof id !== "string" || !Number.isInteger(timestamp)) throw new Error("id or timestamp is missing");
  const signature = webhook.sign(id, new Date(timestamp * 1000), body);
  return { "svix-id": id, "svix-timestamp": `${timestamp}`, "svix-signature": signature };
}
