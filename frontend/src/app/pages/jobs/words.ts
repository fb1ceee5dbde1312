/** A stretch of time in words. */
export function durationText(milliseconds: number): string {
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  if (milliseconds < 60_000) {
    return `${(milliseconds / 1000).toLocaleString('en', { maximumFractionDigits: 1 })} s`;
  }
  const seconds = Math.round(milliseconds / 1000);
  return `${Math.floor(seconds / 60).toLocaleString('en')} min ${seconds % 60} s`;
}

/** The class that gives a state its colour. The state is always told in words, too. */
export function toneOf(status: string): string {
  switch (status) {
    case 'completed':
      return 'good';
    case 'failed':
      return 'bad';
    case 'cancelled':
      return 'warn';
    default:
      return '';
  }
}
