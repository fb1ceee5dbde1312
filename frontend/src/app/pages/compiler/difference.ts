/**
 * What one list has and another has not. Rules count as often as they are there; their order says nothing. Comments are
 * left aside: the header has the time of each run.
 */
export interface Difference {
  added: string[];
  removed: string[];
  nKept: number;
}

export function difference(linesBefore: string[], linesAfter: string[]): Difference {
  const [before, after] = [linesBefore, linesAfter].map((lines) => lines.filter((line) => !line.startsWith('!'))) as [string[], string[]];
  const counts = new Map<string, number>();
  for (const line of before) counts.set(line, (counts.get(line) ?? 0) + 1);
  const added = after.filter((line) => {
    const n = counts.get(line) ?? 0;
    if (n > 0) counts.set(line, n - 1);
    return n === 0;
  });
  const removed = before.filter((line) => {
    const n = counts.get(line) ?? 0;
    if (n > 0) counts.set(line, n - 1);
    return n > 0;
  });
  return { added, removed, nKept: after.length - added.length };
}
