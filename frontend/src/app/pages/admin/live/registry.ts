import type { Schema } from '../../../api/api';

export type Row = Omit<Schema<'ListedIdentity'>, 'ageMs'>;
export type Filter = 'near' | 'refused' | 'banned' | 'overridden' | 'shadowed';
export type Sort = 'recent' | 'level' | 'refused' | 'name';

/** Which rows are shown, in which order. */
export interface Wanted {
  filter: Filter | '';
  search: string;
  sort: Sort;
}

/** Points of a sparkline. */
const MAX_POINTS = 24;

/** A row as it is shown. A new one takes its place when something changes, so that whoever compares sees it. */
export interface Entry {
  readonly row: Row;
  /** What was used each time that it was heard of, the newest last. */
  readonly history: readonly number[];
  /** What it is sorted by. */
  readonly key: number;
  /** Whether another took its place, or it is gone. */
  isOver: boolean;
  /** The load in which it was last heard of. */
  load: number;
}

/**
 * Every identity that the service counts, and those that are wanted of it, in order.
 *
 * There may be a hundred thousand. So what changes is merged into what is shown in one pass, without sorting all of it
 * again, and at most as often as somebody asks for it.
 */
export class Registry {
  private readonly entries = new Map<string, Entry>();
  private shown: Entry[] = [];
  private readonly added = new Set<Entry>();
  private hasLost = false;
  private wanted: Wanted = { filter: '', search: '', sort: 'recent' };
  private load = 0;

  get size(): number {
    return this.entries.size;
  }

  /** Whether there is something that {@link refresh} would show. */
  get isDirty(): boolean {
    return this.hasLost || this.added.size > 0;
  }

  /** Begins to hear of everything anew. */
  beginLoad(): void {
    this.load += 1;
  }

  /** Everything was heard of: what was not is gone. */
  endLoad(): void {
    for (const [identity, entry] of this.entries) {
      if (entry.load !== this.load) this.remove(identity);
    }
  }

  put(rows: readonly Row[]): void {
    for (const row of rows) {
      const before = this.entries.get(row.identity);
      if (before && before.row.at > row.at) {
        before.load = this.load;
        continue;
      }
      const isSame = before?.row.at === row.at && before.row.used === row.used;
      const history = isSame ? before.history : [...(before?.history ?? []), row.used].slice(-MAX_POINTS);
      if (before) this.retire(before);
      const entry = { row, history, key: keyOf(row, this.wanted.sort), isOver: false, load: this.load };
      this.entries.set(row.identity, entry);
      if (accepts(this.wanted, row)) this.added.add(entry);
    }
  }

  remove(identity: string): void {
    const entry = this.entries.get(identity);
    if (!entry) return;
    this.entries.delete(identity);
    this.retire(entry);
  }

  /** Shows other rows, or in another order. */
  want(wanted: Wanted): void {
    this.wanted = wanted;
    this.shown = [];
    this.added.clear();
    for (const [identity, entry] of this.entries) {
      const another = { ...entry, key: keyOf(entry.row, wanted.sort) };
      this.entries.set(identity, another);
      if (accepts(wanted, another.row)) this.shown.push(another);
    }
    this.shown.sort(this.order);
    this.hasLost = true;
  }

  /** What is wanted, in order, as it stands now. */
  refresh(): readonly Entry[] {
    const added = [...this.added].sort(this.order);
    this.added.clear();
    this.hasLost = false;
    const merged: Entry[] = [];
    let next = 0;
    for (const entry of this.shown) {
      if (entry.isOver) continue;
      for (let other = added[next]; other && this.order(other, entry) < 0; other = added[next]) {
        merged.push(other);
        next += 1;
      }
      merged.push(entry);
    }
    for (; next < added.length; next += 1) merged.push(added[next] as Entry);
    this.shown = merged;
    return merged;
  }

  private retire(entry: Entry): void {
    entry.isOver = true;
    // One that was never shown is not missed.
    if (!this.added.delete(entry)) this.hasLost = true;
  }

  /** As the service has it: numbers fall, and among equals names do too; names alone rise. */
  private readonly order = (a: Entry, b: Entry): number => {
    const [first, second] = [a.row.identity, b.row.identity];
    if (this.wanted.sort === 'name') return first < second ? -1 : 1;
    return b.key - a.key || (first < second ? 1 : -1);
  };
}

function keyOf(row: Row, sort: Sort): number {
  switch (sort) {
    case 'recent':
      return row.at;
    case 'level':
      return levelOf(row);
    case 'refused':
      return row.refused;
    case 'name':
      return 0;
  }
}

/** Units spent as a share of the limit. */
export function levelOf({ used, limit }: Row): number {
  return limit === undefined ? 0 : used / Math.max(1, limit);
}

function accepts({ filter, search }: Wanted, row: Row): boolean {
  if (search && !row.identity.toLowerCase().includes(search)) return false;
  switch (filter) {
    case '':
      return true;
    case 'refused':
      return row.refused > 0;
    case 'shadowed':
      return (row.shadowed ?? 0) > 0;
    default:
      return row[filter];
  }
}
