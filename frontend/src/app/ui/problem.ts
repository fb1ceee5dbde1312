import { ChangeDetectionStrategy, Component, computed, inject, input, output } from '@angular/core';
import { MatButton } from '@angular/material/button';
import { LucideTriangleAlert } from '@lucide/angular';

import type { ApiProblem } from '../api/problem';
import { Clock } from './clock';

/** Says what went wrong and what to do. After a refusal for a while it counts down. */
@Component({
  selector: 'app-problem',
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [MatButton, LucideTriangleAlert],
  template: `
    @if (problem(); as problem) {
      <div class="problem" role="alert">
        <svg lucideTriangleAlert [size]="20" aria-hidden="true"></svg>
        <div class="text">
          <p>{{ problem.message }}</p>
          @if (advice(); as advice) {
            <p class="muted">{{ advice }}</p>
          }
          @if (secondsLeft() > 0) {
            <p class="countdown">Try again in <strong data-countdown>{{ secondsLeft() }}</strong> s.</p>
          }
        </div>
        @if (retryable()) {
          <button matButton="outlined" type="button" [disabled]="secondsLeft() > 0" (click)="retry.emit()">Try again</button>
        }
      </div>
    }
  `,
  styles: `
    .problem {
      display: flex;
      flex-wrap: wrap;
      gap: 0.75rem;
      align-items: start;
      padding: 0.75rem 1rem;
      border: 1px solid var(--bad);
      border-radius: 12px;
      background: var(--mat-sys-surface-container-low);
    }
    svg {
      color: var(--bad);
      flex: none;
      margin-top: 0.1rem;
    }
    .text {
      flex: 1 1 14rem;
      min-width: 0;
      overflow-wrap: anywhere;
    }
    p {
      margin: 0;
    }
  `,
})
export class Problem {
  private readonly clock = inject(Clock);
  readonly problem = input<ApiProblem | null | undefined>();
  /** Whether asking again may help. */
  readonly retryable = input(false);
  readonly retry = output<void>();

  protected readonly secondsLeft = computed(() => {
    const at = this.problem()?.retryAt;
    return at === undefined ? 0 : Math.max(0, Math.ceil((at - this.clock.now()) / 1000));
  });
  protected readonly advice = computed(() => {
    const status = this.problem()?.status;
    if (status === 401) return 'Sign in and try again.';
    if (status === 403) return 'Your account or key may not do this.';
    if (status === 503) return 'A part of the service is out of reach. Nothing of yours was lost.';
    if (status === 500) return 'That is a fault of the service. If it stays, tell its operator when it happened.';
    return '';
  });
}
