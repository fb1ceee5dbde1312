import { DecimalPipe } from '@angular/common';
import { ChangeDetectionStrategy, Component, ElementRef, computed, inject, input, signal, viewChild } from '@angular/core';
import { MatButton } from '@angular/material/button';
import { Router, RouterLink } from '@angular/router';

import { Api, type Schema, ok } from '../../api/api';
import { ApiProblem } from '../../api/problem';
import { Ago } from '../../ui/ago';
import { Empty } from '../../ui/empty';
import { every } from '../../ui/every';
import { Page } from '../../ui/page';
import { Problem } from '../../ui/problem';
import { Skeleton } from '../../ui/skeleton';
import { JobDetails } from './job-details';
import { JobProgress } from './job-progress';
import { type KnownJob, forgetJobs, knownJobs, rememberJob } from './known-jobs';
import { Outcome } from './outcome';
import { durationText, toneOf } from './words';

/** The user's jobs: those that go on, live, and those that have ended. */
@Component({
  selector: 'app-jobs',
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [Ago, DecimalPipe, Empty, JobDetails, JobProgress, MatButton, Page, Problem, RouterLink, Skeleton],
  providers: [Outcome],
  templateUrl: './jobs.html',
  styleUrl: './jobs.scss',
})
export class Jobs {
  private readonly api = inject(Api);
  private readonly router = inject(Router);
  private readonly historyHeading = viewChild.required<ElementRef<HTMLElement>>('historyHeading');
  protected readonly outcome = inject(Outcome);

  /** The job to open, from the address. */
  readonly id = input<string>();

  protected readonly stats = signal<Schema<'QueueStats'> | undefined>(undefined);
  protected readonly problem = signal<ApiProblem | undefined>(undefined);
  protected readonly known = signal(knownJobs());
  protected readonly duration = durationText;
  protected readonly toneOf = toneOf;

  /** The stats carry the history along, so one question answers for both. */
  protected readonly history = computed(() => this.stats()?.history ?? []);
  /** A job stays here until the history has it. */
  protected readonly pending = computed(() => {
    const ended = new Set(this.history().map((entry) => entry.requestId));
    return this.known().filter(({ requestId }) => !ended.has(requestId));
  });
  /** Those that go on and were accepted elsewhere. Only their number is told. */
  protected readonly nElsewhere = computed(() => Math.max(0, (this.stats()?.pending ?? 0) - this.pending().length));

  constructor() {
    every(5000, () => this.poll());
  }

  private async poll(): Promise<void> {
    // Asking again before its time would only be refused once more.
    if ((this.problem()?.retryAt ?? 0) <= Date.now()) await this.load();
  }

  protected async load(): Promise<void> {
    try {
      const stats = await ok(this.api.GET('/api/queue/stats'));
      this.stats.set(stats);
      this.problem.set(undefined);
      forgetJobs(new Set(stats.history.map((entry) => entry.requestId)));
      this.known.set(knownJobs());
    } catch (error) {
      this.problem.set(ApiProblem.of(error));
    }
  }

  protected remember(job: KnownJob): void {
    if (this.known().some(({ requestId }) => requestId === job.requestId)) return;
    rememberJob(job);
    this.known.set(knownJobs());
  }

  protected forget(requestId: string): void {
    forgetJobs(new Set([requestId]));
    this.known.set(knownJobs());
  }

  protected async close(): Promise<void> {
    await this.router.navigate(['/jobs']);
    // The button that had the focus is gone.
    this.historyHeading().nativeElement.focus();
  }
}
