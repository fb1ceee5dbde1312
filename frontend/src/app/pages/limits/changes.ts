import type { Schema } from '../../api/api';

const limitText = (limit: number | null) => (limit === null ? 'no limit' : limit.toLocaleString('en'));

/** What happened between two looks that no request of the caller's own does: somebody else changed something. */
export function changesBetween(before: Schema<'RateLimit'>, after: Schema<'RateLimit'>): string[] {
  const changes: string[] = [];
  if (before.tier !== after.tier) changes.push(`Your tier was ${before.tier} and is ${after.tier} now.`);
  const seenAt = Date.parse(after.timestamp);
  for (const now of after.policies) {
    const then = before.policies.find(({ policy }) => policy === now.policy);
    if (!then) continue;
    if (then.limit !== now.limit) {
      changes.push(`${now.policy}: the limit was ${limitText(then.limit)} and is ${limitText(now.limit)} now.`);
    }
    // In the other kinds of window units come back all the time.
    const isWhole = now.window === 'fixed' || now.window === 'calendar';
    if (isWhole && now.used < then.used && seenAt < then.resetAt) {
      const n = then.used - now.used;
      const units = n === 1 ? '1 unit is' : `${n.toLocaleString('en')} units are`;
      changes.push(
        `${now.policy}: ${units} back before the window’s end. An admin reset it, or what was counted did not come about.`,
      );
    }
  }
  return changes;
}
