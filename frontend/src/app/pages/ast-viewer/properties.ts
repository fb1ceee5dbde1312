/** A line of a rule's main parts. */
export interface Property {
  name: string;
  /** More than one if it is a list; none if there is nothing. */
  values: string[];
}

/** The main parts of a rule, which come under the name of its sort, as lines to be shown. */
export function propertiesOf(json: unknown): Property[] {
  return entries(json).flatMap(([, parts]) =>
    entries(parts).map(([name, value]) => ({ name: words(name), values: valuesOf(value) })),
  );
}

function valuesOf(value: unknown): string[] {
  if (value === null || value === undefined || value === '') return [];
  if (typeof value === 'boolean') return [value ? 'yes' : 'no'];
  if (Array.isArray(value)) return value.flatMap((item: unknown) => valuesOf(item));
  if (typeof value === 'object') return [modifierText(Object.fromEntries(entries(value)))];
  return [String(value)];
}

/** A modifier as it is written in a rule. */
function modifierText(modifier: Record<string, unknown>): string {
  const { name, value, exception } = modifier as { name?: unknown; value?: unknown; exception?: unknown };
  const written = `${exception === true ? '~' : ''}${String(name)}`;
  return typeof value === 'string' ? `${written}=${value}` : written;
}

function entries(json: unknown): [string, unknown][] {
  return typeof json === 'object' && json !== null ? Object.entries(json) : [];
}

/** `isException` as `Is exception`, and `ip` as `IP`. */
function words(name: string): string {
  if (name === 'ip') return 'IP';
  const text = name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
  return text.charAt(0).toUpperCase() + text.slice(1);
}
