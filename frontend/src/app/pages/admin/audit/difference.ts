/** One member of a state, before and after; undefined where there is none. */
export interface Change {
  member: string;
  before?: string;
  after?: string;
}

/** Members of a state that are no part of what an action did: when it was looked at. */
const CLOCK = 'at';

/**
 * What an action changed, member by member. What has no state on one side is shown whole on the other. Two states
 * without a member in common are of different things, so only the second is news.
 */
export function differences(before: unknown, after: unknown): Change[] {
  const [old, young] = [members(before), members(after)];
  const hasCommon = [...young.keys()].some((member) => old.has(member));
  const names = young.size === 0 || hasCommon ? [...old.keys(), ...young.keys()] : [...young.keys()];
  return [...new Set(names)]
    .map((member) => ({ member, before: hasCommon || young.size === 0 ? old.get(member) : undefined, after: young.get(member) }))
    .filter((change) => change.before !== change.after);
}

/** What lies in a value, by its path: `policies.requests.limit`. Nothing lies in null. */
export function members(value: unknown): Map<string, string> {
  const found = new Map<string, string>();
  const walk = (value: unknown, path: string) => {
    if (typeof value === 'object' && value !== null) {
      for (const [name, member] of Object.entries(value)) {
        if (path === '' && name === CLOCK) continue;
        const shown = Array.isArray(value) ? (nameOf(member) ?? name) : name;
        walk(member, path === '' ? shown : `${path}.${shown}`);
      }
    } else if (value !== undefined && (path !== '' || value !== null)) {
      found.set(path, told(path, value));
    }
  };
  walk(value, '');
  return found;
}

/** Lists of policies are told apart by their names: their order says nothing. */
function nameOf(member: unknown): string | undefined {
  if (typeof member !== 'object' || member === null || !('policy' in member)) return undefined;
  return typeof member.policy === 'string' ? member.policy : undefined;
}

const instants = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'medium' });

function told(path: string, value: unknown): string {
  if (value === null) return 'none';
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (typeof value !== 'number') return String(value);
  return /(At|_at|since|until)$/.test(path) && value > 0 ? instants.format(value) : value.toLocaleString('en');
}
