/** What the service takes. */
export const MAX_SETS = 100;
export const MAX_NAME = 128;
export const MAX_DESCRIPTION = 512;
export const MAX_RULES = 10_000;
export const MAX_RULE_BYTES = 65_536;
export const MAX_TAGS = 20;
export const MAX_TAG = 64;

/** In characters as the service counts them, not in UTF-16 units. */
export function length(text: string): number {
  return [...text].length;
}

/** The lines of an editor as rules. Blank lines at the end are nobody's wish. */
export function rulesOf(text: string): string[] {
  const lines = text.split('\n');
  return lines.slice(0, lines.findLastIndex((line) => line.trim() !== '') + 1);
}

/** What is wrong with the rules; empty if nothing is. */
export function faultOf(rules: string[]): string {
  if (rules.length === 0) return 'Write at least one rule.';
  if (rules.length > MAX_RULES) {
    return `A set has at most ${MAX_RULES.toLocaleString('en')} lines; these are ${rules.length.toLocaleString('en')}.`;
  }
  const encoder = new TextEncoder();
  // No character has more than three bytes per UTF-16 unit, so short lines need no counting.
  const long = rules.findIndex(
    (rule) => rule.length * 3 > MAX_RULE_BYTES && encoder.encode(rule).length > MAX_RULE_BYTES,
  );
  return long < 0 ? '' : `Line ${(long + 1).toLocaleString('en')} is longer than ${MAX_RULE_BYTES.toLocaleString('en')} bytes.`;
}

/** Tags as they are written in one field, with commas between them. */
export function tagsOf(text: string): string[] {
  const tags = text.split(',').map((tag) => tag.trim());
  return [...new Set(tags.filter((tag) => tag !== ''))];
}
