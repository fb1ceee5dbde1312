import type { Schema } from '../../api/api';

export type Configuration = Schema<'Configuration'>;
export type Source = Schema<'Source'>;
export type Transformation = Schema<'Transformation'>;

/** A configuration and the texts that go along with it, by the names under which its sources refer to them. */
export interface Draft {
  configuration: Configuration;
  texts: Record<string, string>;
}

/** In the order in which they are applied, whatever the order in which they are named. */
export const TRANSFORMATIONS: { name: Transformation; about: string }[] = [
  { name: 'ConvertToAscii', about: 'writes international domains in ASCII' },
  { name: 'TrimLines', about: 'removes blanks around lines' },
  { name: 'RemoveComments', about: 'removes comments' },
  { name: 'Compress', about: 'makes adblock rules of hosts lines and drops covered domains' },
  { name: 'RemoveModifiers', about: 'removes modifiers that DNS filtering does not know' },
  { name: 'InvertAllow', about: 'makes exceptions of blocking rules' },
  { name: 'Validate', about: 'drops what DNS filtering can’t use' },
  { name: 'ValidateAllowIp', about: 'the same, but keeps IP addresses' },
  { name: 'ValidateAllowPublicSuffix', about: 'the same, but keeps whole public suffixes' },
  { name: 'ValidateAllowIpAndPublicSuffix', about: 'the same, but keeps both' },
  { name: 'Deduplicate', about: 'drops repeated lines' },
  { name: 'ConflictDetection', about: 'tells in the report what is both blocked and allowed' },
  { name: 'RuleOptimizer', about: 'writes rules shorter and drops those that an earlier one makes needless' },
  { name: 'RemoveEmptyLines', about: 'removes empty lines' },
  { name: 'InsertFinalNewLine', about: 'ends the list with a line break' },
];

export const EXAMPLE: Draft = {
  configuration: {
    name: 'My list',
    sources: [{ source: 'my-rules' }],
    transformations: ['RemoveComments', 'Compress', 'Validate', 'Deduplicate', 'RemoveEmptyLines', 'TrimLines'],
  },
  texts: { 'my-rules': '! Rules of my own\n||ads.example.org^\n0.0.0.0 tracker.example.net\n||example.org^\n' },
};

/** The configuration in a text, or why there is none. */
export function readConfiguration(text: string): Configuration | string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'A configuration is an object.';
  const { name, sources, transformations } = value as Record<string, unknown>;
  if (typeof name !== 'string') return '“name” must be a text.';
  if (!Array.isArray(sources) || !sources.every(isSource)) return '“sources” must be a list of objects with “source”.';
  if (transformations !== undefined && !Array.isArray(transformations)) return '“transformations” must be a list.';
  return value as Configuration;
}

function isSource(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'source' in value && typeof value.source === 'string';
}

/** The texts that sources refer to. */
export function usedTexts({ configuration, texts }: Draft): Record<string, string> {
  const used = configuration.sources.map(({ source }) => source).filter((source) => source in texts);
  return Object.fromEntries(used.map((source) => [source, texts[source] ?? '']));
}

/** A name for a text that no other has. */
export function freshName(texts: Record<string, string>): string {
  let n = 1;
  while (`rules-${n}` in texts) n += 1;
  return `rules-${n}`;
}

/** The command that compiles the same. A shell takes everything between two quotes as it is, but the quote itself. */
export function curlOf(draft: Draft, origin: string, withKey: boolean): string {
  const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;
  const body = { configuration: draft.configuration, preFetchedContent: usedTexts(draft) };
  const key = withKey ? ` \\\n  -H "Authorization: Bearer $API_KEY"` : '';
  return `curl ${quoted(`${origin}/api/compile`)}${key} \\\n  -H 'Content-Type: application/json' \\\n  -d ${quoted(JSON.stringify(body))}`;
}
