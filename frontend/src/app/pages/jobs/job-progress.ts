import {
  ChangeDetectionStrategy,
  Component,
  DestroyRef,
  computed,
  effect,
  inject,
  input,
  output,
  signal,
  untracked,
} from '@angular/core';
import { MatButton } from '@angular/material/button';
import { MatProgressBar } from '@angular/material/progress-bar';
import { RouterLink } from '@angular/router';
import { LucideBan } from '@lucide/angular';

import { Api, ok } from '../../api/api';
import { ApiProblem } from '../../api/problem';
import { Ago } from '../../ui/ago';
import { Confirm } from '../../ui/confirm';
import { Problem } from '../../ui/problem';
import { JobWatch } from './job-watch';
import type { KnownJob } from './known-jobs';
import { Outcome } from './outcome';
import { toneOf } from './words';

/** A job that has not ended, as it goes on. */
@Component({
  selector: 'app-job-progress',
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [Ago, LucideBan, MatButton, MatProgressBar, Problem, RouterLink],
  templateUrl: './job-progress.html',
  styleUrl: './job-progress.scss',
})
export class JobProgress {
  private readonly api = inject(Api);
  private readonly confirm = inject(Confirm);
  private readonly outcome = inject(Outcome);
  private readonly destroyed = inject(DestroyRef);

  readonly job = input.required<KnownJob>();
  /** Whether to offer opening the job. */
  readonly openable = input(true);
  /** The job has ended. */
  readonly ended = output<void>();
  /** There is no such job of the user's (any more). */
  readonly gone = output<void>();

  protected readonly watch = signal<JobWatch | undefined>(undefined);
  protected readonly problem = signal<ApiProblem | undefined>(undefined);
  protected readonly isCancelling = signal(false);
  /** Why nothing could be learned about a job that can't be watched. */
  protected readonly lost = signal<ApiProblem | undefined>(undefined);
  protected readonly state = computed(() => this.watch()?.status() ?? 'connecting');
  protected readonly tone = computed(() => toneOf(this.state()));
  protected readonly percent = computed(() => {
    const share = this.watch()?.step()?.share;
    return share === undefined ? undefined : Math.round(share * 100);
  });
  private readonly requestId = computed(() => this.job().requestId);

  constructor() {
    effect((onCleanup) => {
      const watch = new JobWatch(this.requestId());
      untracked(() => this.watch.set(watch));
      onCleanup(() => watch.close());
    });
    effect(() => {
      if (this.watch()?.hasEnded()) untracked(() => this.ended.emit());
    });
    effect(() => {
      // A refused WebSocket doesn't say why; what came of the job does.
      if (this.watch()?.failures() === 1) untracked(() => void this.find());
    });
  }

  protected async cancel(): Promise<void> {
    const isMeant = await this.confirm.ask({
      heading: 'Cancel this job?',
      text: `“${this.job().name || this.job().requestId}” will not be compiled. That can’t be taken back.`,
      action: 'Stop the job',
    });
    if (!isMeant) return;
    const name = this.job().name || 'The job';
    this.isCancelling.set(true);
    this.problem.set(undefined);
    this.outcome.text.set('');
    try {
      const params = { path: { id: this.requestId() } };
      const { cancelled, status } = await ok(this.api.DELETE('/api/queue/cancel/{id}', { params }));
      this.outcome.text.set(
        cancelled ? `${name}: cancelled in time.` : `${name}: too late to cancel, it is ${status} already.`,
      );
    } catch (error) {
      this.problem.set(ApiProblem.of(error));
    } finally {
      this.isCancelling.set(false);
    }
  }

  private async find(): Promise<void> {
    this.lost.set(undefined);
    try {
      const params = { path: { id: this.requestId() } };
      const { status } = await ok(this.api.GET('/api/queue/results/{id}', { params }));
      if (status === 'not_found' && !this.destroyed.destroyed) this.gone.emit();
    } catch (error) {
      this.lost.set(ApiProblem.of(error));
    }
  }
}
