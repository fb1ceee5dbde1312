import { ChangeDetectionStrategy, Component, inject, input, linkedSignal, signal } from '@angular/core';
import { DecimalPipe } from '@angular/common';
import { MatButton } from '@angular/material/button';
import { RouterLink } from '@angular/router';

import { Api, type Schema, ok } from '../../api/api';
import { ApiProblem } from '../../api/problem';
import { Auth } from '../../auth/auth';
import { Ago } from '../../ui/ago';
import { Problem } from '../../ui/problem';

/** Who else is counted under the same policies. The keys are only asked for on demand, because asking is counted. */
@Component({
  selector: 'app-sharing',
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [Ago, DecimalPipe, MatButton, Problem, RouterLink],
  templateUrl: './sharing.html',
  styles: `
    p {
      margin: 0;
    }
    code {
      overflow-wrap: anywhere;
    }
  `,
})
export class Sharing {
  private readonly api = inject(Api);
  protected readonly auth = inject(Auth);
  readonly identity = input.required<string>();

  /** The active ones, the last used first. Those of somebody else are forgotten. */
  protected readonly keys = linkedSignal<string, Schema<'ApiKey'>[] | undefined>({
    source: this.identity,
    computation: () => undefined,
  });
  protected readonly problem = signal<ApiProblem | undefined>(undefined);
  protected readonly isBusy = signal(false);

  protected async load(): Promise<void> {
    const owner = this.identity();
    this.isBusy.set(true);
    this.problem.set(undefined);
    try {
      const { keys } = await ok(this.api.GET('/api/keys'));
      if (owner !== this.identity()) return;
      const active = keys.filter((key) => key.isActive);
      this.keys.set(active.sort((a, b) => (b.lastUsedAt ?? '').localeCompare(a.lastUsedAt ?? '')));
    } catch (error) {
      this.problem.set(ApiProblem.of(error));
    } finally {
      this.isBusy.set(false);
    }
  }
}
