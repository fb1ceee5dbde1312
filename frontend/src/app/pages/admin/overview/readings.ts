import { Injectable, computed, inject, signal } from '@angular/core';

import { Api, ok } from '../../../api/api';
import { type Sample, parseExposition } from './prometheus';

/** How long readings are kept: a quarter of an hour. */
const KEEP_MS = 15 * 60_000;
/** After a longer pause nothing is said of the time in between. */
const GAP_MS = 15_000;
/** Routes tell what they answered once a second, so this is enough for an even line. */
const SHORT_MS = 10_000;
/** Objects tell what they counted once a minute while they are busy. */
const LONG_MS = 60_000;
/** Codes of those answers that a limit or a ban gave. */
const REFUSALS = ['rate_limited', 'suspended', 'account_suspended'];

/** What the service has counted since it exists, as it was at one instant. */
export interface Reading {
  at: number;
  answered: number;
  refused: number;
  admits: number;
  denials: number;
  writes: number;
  reports: number;
  lagMs: number;
  /** Hosts of sources that are left alone. */
  openHosts: string[];
  /** Jobs that have not ended, and the age of the oldest; none if the service does not tell. */
  jobs: number | null;
  oldestJobMs: number | null;
}

type Series = (number | null)[];

/** Readings of the last quarter of an hour. They outlive the page, so that whoever comes back sees what was. */
@Injectable({ providedIn: 'root' })
export class Readings {
  private readonly api = inject(Api);
  private readonly kept = signal<Reading[]>([]);

  readonly latest = computed(() => this.kept().at(-1));
  readonly times = computed(() => this.kept().map(({ at }) => at / 1000));
  readonly admitted = computed(() => this.rates(({ answered, refused }) => answered - refused, SHORT_MS));
  readonly refused = computed(() => this.rates(({ refused }) => refused, SHORT_MS));
  readonly writesPerAdmit = computed(() => this.ratios(({ writes }) => writes, ({ admits }) => admits));
  readonly lagMs = computed(() => this.ratios(({ lagMs }) => lagMs, ({ reports }) => reports));
  /** Every request that an object decided was one call. */
  readonly decisions = computed(() => this.rates(({ admits, denials }) => admits + denials, LONG_MS));
  readonly reports = computed(() => this.rates(({ reports }) => reports, LONG_MS));
  readonly openHosts = computed(() => this.kept().map(({ openHosts }) => openHosts.length));
  readonly jobs = computed(() => this.kept().map(({ jobs }) => jobs));
  readonly oldestJobSeconds = computed(() =>
    this.kept().map(({ oldestJobMs }) => (oldestJobMs === null ? null : oldestJobMs / 1000)),
  );

  /** Reads once more. */
  async take(): Promise<void> {
    const text = await ok(this.api.GET('/api/metrics/prometheus', { parseAs: 'text' }));
    const at = Date.now();
    const reading = readingOf(parseExposition(text), at);
    this.kept.update((kept) => [...kept.filter((earlier) => earlier.at > at - KEEP_MS && earlier.at < at), reading]);
  }

  /** What a counter gained each second, at each reading. */
  private rates(counter: (reading: Reading) => number, spanMs: number): Series {
    return this.compared(spanMs, (now, then) => gain(counter(now), counter(then), (now.at - then.at) / 1000));
  }

  /** What one counter gained for each unit that another gained, at each reading. */
  private ratios(part: (reading: Reading) => number, whole: (reading: Reading) => number): Series {
    return this.compared(LONG_MS, (now, then) => gain(part(now), part(then), whole(now) - whole(then)));
  }

  /** Compares each reading with the oldest one of so many milliseconds before it, without a gap between them. */
  private compared(spanMs: number, compare: (now: Reading, then: Reading) => number | null): Series {
    const kept = this.kept();
    let first = 0;
    return kept.map((now, index) => {
      const before = kept[index - 1];
      if (before && now.at - before.at > GAP_MS) first = index;
      while ((kept[first]?.at ?? now.at) < now.at - spanMs) first += 1;
      const then = kept[first];
      return then && then.at < now.at ? compare(now, then) : null;
    });
  }
}

/** None if nothing happened, or if a counter began anew. */
function gain(now: number, then: number, whole: number): number | null {
  return whole > 0 && now >= then ? (now - then) / whole : null;
}

function readingOf(samples: Sample[], at: number): Reading {
  const sum = (name: string, counts: (labels: Record<string, string>) => boolean = () => true) =>
    samples.reduce((sum, sample) => (sample.name === name && counts(sample.labels) ? sum + sample.value : sum), 0);
  const gauge = (name: string) => samples.find((sample) => sample.name === name)?.value ?? null;
  return {
    at,
    answered: sum('bloqr_requests_total'),
    refused: sum('bloqr_request_errors_total', ({ code }) => REFUSALS.includes(code ?? '')),
    admits: sum('bloqr_limiter_admits_total'),
    denials: sum('bloqr_limiter_denials_total'),
    writes: sum('bloqr_limiter_writes_total'),
    reports: sum('bloqr_limiter_reports_total'),
    lagMs: sum('bloqr_limiter_report_lag_ms_total'),
    openHosts: samples.flatMap(({ name, labels, value }) =>
      name === 'bloqr_source_host_open' && value === 1 ? [labels['host'] ?? ''] : [],
    ),
    jobs: gauge('bloqr_jobs_unfinished'),
    oldestJobMs: gauge('bloqr_jobs_oldest_unfinished_ms'),
  };
}
