import type { Schema } from '../../api/api';

type Standing = Schema<'PolicyStanding'>;
export type State = 'no limit' | 'plenty' | 'near the limit' | 'used up';

/** From this share of a limit on it is nearly used up. */
const NEAR = 0.8;
const UNITS: [string, number][] = [
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
  ['second', 1],
];

export function stateOf({ limit, used }: Pick<Standing, 'limit' | 'used'>): State {
  if (limit === null) return 'no limit';
  if (used >= limit) return 'used up';
  return used >= limit * NEAR ? 'near the limit' : 'plenty';
}

/** A length in the largest unit that has no fraction, e.g. `1 minute` or `90 seconds`. */
export function lengthText(seconds: number): string {
  const [unit, size] = UNITS.find(([, size]) => seconds >= size && seconds % size === 0) ?? ['second', 1];
  const n = seconds / size;
  return `${n.toLocaleString('en')} ${unit}${n === 1 ? '' : 's'}`;
}

/** What is left of a time, in its two largest units, e.g. `1 min 05 s`. */
export function countdownText(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  const two = (n: number) => String(n).padStart(2, '0');
  const [days, hours, minutes] = [Math.floor(seconds / 86_400), Math.floor(seconds / 3600), Math.floor(seconds / 60)];
  if (days > 0) return `${days} d ${hours % 24} h`;
  if (hours > 0) return `${hours} h ${two(minutes % 60)} min`;
  if (minutes > 0) return `${minutes} min ${two(seconds % 60)} s`;
  return `${seconds} s`;
}

/** How units of a policy come back. */
export function windowText(window: Standing['window'], seconds: number): string {
  const length = lengthText(seconds);
  switch (window) {
    case 'fixed':
      return `A window of ${length} opens with the first request. When it ends, all units are back at once.`;
    case 'calendar':
      return `Windows of ${length} follow each other by the clock, in UTC. When one ends, all units are back at once.`;
    case 'sliding':
      return `Each unit is back ${length} after it was used.`;
    case 'bucket':
      return `Units come back evenly. From used up to full it takes ${length}.`;
    case 'concurrency':
      return `A unit is in use while its work goes on, for ${length} at most.`;
  }
}

/** What a policy counts, for those that every service has. */
export function countedText(policy: string): string {
  switch (policy) {
    case 'requests':
      return 'Requests that do work, such as compiling or validating.';
    case 'reads':
      return 'Small reads, such as those a page makes while it loads.';
    case 'key':
      return 'The API key’s own limit.';
    default:
      return '';
  }
}
