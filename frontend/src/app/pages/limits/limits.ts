import { ChangeDetectionStrategy, Component, computed, inject, signal } from '@angular/core';

import { Api, type Schema, ok } from '../../api/api';
import { ApiProblem } from '../../api/problem';
import { Auth } from '../../auth/auth';
import { Ago } from '../../ui/ago';
import { Chart, type Line } from '../../ui/chart';
import { Empty } from '../../ui/empty';
import { every } from '../../ui/every';
import { Page } from '../../ui/page';
import { Problem } from '../../ui/problem';
import { Skeleton } from '../../ui/skeleton';
import { Ban, isBan } from './ban';
import { changesBetween } from './changes';
import { PolicyCard } from './policy-card';
import { Sharing } from './sharing';
import { stateOf } from './words';

interface Sample {
  at: number;
  /** Units by name of the policy; empty if there was no answer. */
  used: Record<string, number>;
}

interface Change {
  at: number;
  text: string;
}

const POLL_MS = 1000;
/** An answer that takes longer, in milliseconds, is not waited for. */
const PATIENCE_MS = 5000;
/** Five minutes. */
const MAX_SAMPLES = 300;
/** Between two samples that are further apart, in milliseconds, nobody looked. */
const GAP_MS = 5000;
const MAX_CHANGES = 10;
const COLOURS = ['var(--mat-sys-primary)', 'var(--warn)', 'var(--good)', 'var(--bad)'];

/** The caller's own limits, as they move. Looking at them is free. */
@Component({
  selector: 'app-limits',
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [Ago, Ban, Chart, Empty, Page, PolicyCard, Problem, Sharing, Skeleton],
  templateUrl: './limits.html',
  styleUrl: './limits.scss',
})
export class Limits {
  private readonly api = inject(Api);
  private readonly auth = inject(Auth);

  protected readonly limits = signal<Schema<'RateLimit'> | undefined>(undefined);
  protected readonly seenAt = signal(0);
  protected readonly aheadMs = signal(0);
  protected readonly problem = signal<ApiProblem | null>(null);
  protected readonly ban = computed(() => (isBan(this.problem()) ? this.problem() : null));
  /** The newest first. */
  protected readonly changes = signal<Change[]>([]);
  private readonly samples = signal<Sample[]>([]);

  protected readonly isUser = computed(() => this.limits()?.identity.startsWith('user:') === true);
  protected readonly names = computed(() => (this.limits()?.policies ?? []).map(({ policy }) => policy));
  /** A chart is made for certain lines; for others it is made anew. */
  protected readonly chartKey = computed(() => this.names().join(' '));
  protected readonly times = computed(() => this.samples().map(({ at }) => at / 1000));
  protected readonly lines = computed<Line[]>(() =>
    this.names().map((label, n) => ({
      label,
      colour: COLOURS[n % COLOURS.length] ?? 'var(--mat-sys-primary)',
      values: this.samples().map(({ used }) => used[label] ?? null),
    })),
  );
  /** For screen readers, which hear of it only when a word changes. */
  protected readonly spoken = computed(() =>
    (this.limits()?.policies ?? []).map((standing) => `${standing.policy}: ${stateOf(standing)}`).join(', '),
  );

  constructor() {
    every(POLL_MS, () => this.load());
  }

  private async load(): Promise<void> {
    await this.auth.ready;
    const askedAt = Date.now();
    try {
      const limits = await ok(this.api.GET('/api/rate-limit', { signal: AbortSignal.timeout(PATIENCE_MS) }));
      const now = Date.now();
      this.aheadMs.set(Date.parse(limits.timestamp) - (askedAt + now) / 2);
      this.compare(limits, now);
      this.sample({ at: now, used: Object.fromEntries(limits.policies.map(({ policy, used }) => [policy, used])) });
      this.limits.set(limits);
      this.seenAt.set(now);
      this.problem.set(null);
    } catch (error) {
      const now = Date.now();
      // A browser's own words for a timeout tell nobody anything.
      const isSilent = now - askedAt >= PATIENCE_MS;
      const problem = isSilent ? new ApiProblem(0, 'The service does not answer.') : ApiProblem.of(error);
      this.sample({ at: now, used: {} });
      if (isBan(problem)) {
        if (!this.ban()) this.tell(now, ['Access was suspended.']);
        this.problem.set(problem);
      } else {
        // It asks again by itself, so there is nothing to count down to.
        this.problem.set(new ApiProblem(problem.status, problem.message, problem.code));
      }
    }
  }

  private compare(limits: Schema<'RateLimit'>, now: number): void {
    const before = this.limits();
    if (before && before.identity !== limits.identity) {
      this.samples.set([]);
      this.changes.set([]);
      return;
    }
    if (this.ban()) this.tell(now, ['Access is no longer suspended.']);
    if (before) this.tell(now, changesBetween(before, limits));
  }

  private tell(at: number, texts: string[]): void {
    if (texts.length === 0) return;
    this.changes.update((changes) => [...texts.map((text) => ({ at, text })), ...changes].slice(0, MAX_CHANGES));
  }

  private sample(sample: Sample): void {
    this.samples.update((samples) => {
      const last = samples.at(-1);
      const gap = last && sample.at - last.at > GAP_MS ? [{ at: last.at + 1, used: {} }] : [];
      return [...samples, ...gap, sample].slice(-MAX_SAMPLES);
    });
  }
}
