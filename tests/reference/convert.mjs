// AdGuard's AGTree. A request is a list of rules' texts; the answer has, for each, what the converters to AdGuard and to
// uBlock Origin make of it: a list of rules if they convert it, null if they keep it, or the error's text.

import { createInterface } from "node:readline";
import { RawRuleConverter, RuleConverter, RuleGenerator, RuleParser } from "@adguard/agtree";

// It warns of arguments it drops, for people.
console.warn = () => {};

const options = { tolerant: true, isLocIncluded: false, includeRaws: true, parseHostRules: true };

const toAdGuard = (rule) => RawRuleConverter.convertToAdg(rule);

function toUblock(rule) {
  const tree = RuleParser.parse(rule, options);
  if (tree.type === "InvalidRule") throw tree.error;
  const { result, isConverted } = RuleConverter.convertToUbo(tree);
  return { result: result.map((tree) => RuleGenerator.generate(tree)), isConverted };
}

function answer(convert, rule) {
  try {
    const { result, isConverted } = convert(rule);
    return isConverted ? result : null;
  } catch (error) {
    return error.message;
  }
}

for await (const request of createInterface({ input: process.stdin })) {
  const rules = JSON.parse(request).map((rule) => rule.trim());
  const answers = rules.map((rule) => [answer(toAdGuard, rule), answer(toUblock, rule)]);
  // Half a surrogate pair in a message is no text that others could read.
  process.stdout.write(`${JSON.stringify(answers).replace(/\\ud[89a-f][0-9a-f]{2}/g, "\\ufffd")}\n`);
}
