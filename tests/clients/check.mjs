// Steps that are counted, and comparison with a pattern.
//
// A pattern is a value that must be equal, a regular expression for text, a predicate made by `is`,
// or an array or object of patterns. Objects have exactly the keys of their pattern, save `maybe` ones.

let passed = 0;
let failed = 0;

/** Runs one step and prints how it went. A failed step does not stop the ones after it. */
export async function step(name, body) {
  try {
    await body();
    passed += 1;
    console.log(`ok ${name}`);
  } catch (trouble) {
    failed += 1;
    const told = trouble instanceof Mismatch ? trouble.message : `no exception, got ${trouble.stack}`;
    console.log(`FAILED ${name}: ${trouble instanceof Mismatch ? "" : "expected "}${told}`);
  }
}

/** Prints the counts and sets the exit code. */
export function finish(note = "") {
  console.log(`${passed} passed, ${failed} failed${note}`);
  process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
}

/** A value that is not what it should be. */
export class Mismatch extends Error {}

/** A pattern that is a rule. */
export function is(what, rule) {
  return Object.assign((value) => rule(value), { what });
}

/** Of an object's pattern: the key may be missing. */
export function maybe(pattern) {
  return { [MAYBE]: pattern };
}
const MAYBE = Symbol("maybe");

/** Throws unless the value fits the pattern. `where` says what the value is. */
export function expect(value, pattern, where) {
  if (typeof pattern === "function") {
    demand(pattern(value), pattern.what, value, where);
  } else if (pattern instanceof RegExp) {
    demand(typeof value === "string" && pattern.test(value), pattern, value, where);
  } else if (Array.isArray(pattern)) {
    demand(Array.isArray(value) && value.length === pattern.length, show(pattern), value, where);
    pattern.forEach((part, at) => expect(value[at], part, `${where}[${at}]`));
  } else if (pattern !== null && typeof pattern === "object") {
    demand(value !== null && typeof value === "object" && !Array.isArray(value), show(pattern), value, where);
    for (const [key, part] of Object.entries(pattern)) {
      const optional = part !== null && typeof part === "object" && MAYBE in part;
      if (key in value) expect(value[key], optional ? part[MAYBE] : part, `${where}.${key}`);
      else demand(optional, "to be there", undefined, `${where}.${key}`);
    }
    const more = Object.keys(value).filter((key) => !(key in pattern));
    demand(more.length === 0, "no further keys", more, where);
  } else {
    demand(Object.is(value, pattern), show(pattern), value, where);
  }
}

function demand(holds, wanted, value, where) {
  if (!holds) throw new Mismatch(`expected ${where} ${wanted}, got ${show(value)}`);
}

function show(value) {
  const named = (_, part) =>
    typeof part === "function" ? part.what : part instanceof RegExp ? `${part}` : part;
  return JSON.stringify(value, named) ?? "nothing";
}
