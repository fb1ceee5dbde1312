// AdGuard's AGTree. A request is a list of rules' texts; the answer has the tree of each. With the options of
// the port, and with the syntax of other ad blockers.

import { createInterface } from "node:readline";
import { RuleParser } from "@adguard/agtree";

for await (const request of createInterface({ input: process.stdin })) {
  const { rules, own_syntax } = JSON.parse(request);
  const options = {
    tolerant: true,
    isLocIncluded: false,
    includeRaws: true,
    parseHostRules: true,
    ignoreComments: false,
    parseUboSpecificRules: own_syntax,
    parseAbpSpecificRules: own_syntax,
  };
  const trees = rules.map((rule) => RuleParser.parse(rule, options));
  // Half a surrogate pair in a message is no text that others could read.
  process.stdout.write(`${JSON.stringify(trees).replace(/\\ud[89a-f][0-9a-f]{2}/g, "\\ufffd")}\n`);
}
