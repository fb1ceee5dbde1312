import {
  ChangeDetectionStrategy,
  Component,
  ElementRef,
  afterRenderEffect,
  computed,
  effect,
  inject,
  input,
  output,
  signal,
  untracked,
  viewChild,
} from '@angular/core';
import { DecimalPipe } from '@angular/common';
import { MatButton, MatIconButton } from '@angular/material/button';
import { RouterLink } from '@angular/router';
import { LucideDownload, LucideX } from '@lucide/angular';

import { Api, type Schema, ok } from '../../api/api';
import { ApiProblem } from '../../api/problem';
import { Ago } from '../../ui/ago';
import { Copy } from '../../ui/copy';
import { download } from '../../ui/download';
import { Problem } from '../../ui/problem';
import { Skeleton } from '../../ui/skeleton';
import { JobProgress } from './job-progress';
import type { KnownJob } from './known-jobs';
import { durationText, toneOf } from './words';

/** So many lines of a list are shown. The rest is in the file. */
const N_FIRST = 100;

/** One job: how it goes on, or what came of it. */
@Component({
  selector: 'app-job-details',
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [
    Ago,
    Copy,
    DecimalPipe,
    JobProgress,
    LucideDownload,
    LucideX,
    MatButton,
    MatIconButton,
    Problem,
    RouterLink,
    Skeleton,
  ],
  templateUrl: './job-details.html',
  styleUrl: './job-details.scss',
})
export class JobDetails {
  private readonly api = inject(Api);
  private readonly heading = viewChild.required<ElementRef<HTMLElement>>('heading');

  readonly requestId = input.required<string>();
  /** The job was found, and has not ended. */
  readonly isPending = output<KnownJob>();
  readonly closed = output<void>();

  protected readonly result = signal<Schema<'QueueResult'> | undefined>(undefined);
  protected readonly problem = signal<ApiProblem | undefined>(undefined);
  protected readonly duration = durationText;
  protected readonly toneOf = toneOf;

  protected readonly name = computed(() => this.result()?.jobInfo?.configName || 'Unnamed list');
  protected readonly rules = computed(() => this.result()?.rules);
  protected readonly firstRules = computed(() => this.rules()?.slice(0, N_FIRST).join('\n') ?? '');
  protected readonly nHidden = computed(() => Math.max(0, (this.rules()?.length ?? 0) - N_FIRST));
  /** The job, while it has not ended. */
  protected readonly pending = computed<KnownJob | undefined>(() => {
    const { status, jobInfo } = this.result() ?? {};
    if ((status !== 'pending' && status !== 'processing') || !jobInfo) return undefined;
    return { requestId: this.requestId(), name: jobInfo.configName, at: jobInfo.timestamp };
  });

  constructor() {
    effect(() => {
      this.requestId();
      untracked(() => {
        this.result.set(undefined);
        void this.load();
      });
    });
    effect(() => {
      const pending = this.pending();
      if (pending) untracked(() => this.isPending.emit(pending));
    });
    afterRenderEffect(() => {
      this.requestId();
      this.heading().nativeElement.focus();
    });
  }

  protected async load(): Promise<void> {
    const id = this.requestId();
    this.problem.set(undefined);
    try {
      const result = await ok(this.api.GET('/api/queue/results/{id}', { params: { path: { id } } }));
      if (id === this.requestId()) this.result.set(result);
    } catch (error) {
      if (id === this.requestId()) this.problem.set(ApiProblem.of(error));
    }
  }

  protected save(): void {
    const name = this.name().replace(/[^\p{L}\p{N}._-]+/gu, '-');
    download(`${name}.txt`, `${(this.rules() ?? []).join('\n')}\n`);
  }
}
