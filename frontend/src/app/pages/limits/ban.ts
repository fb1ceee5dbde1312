import { ChangeDetectionStrategy, Component, computed, inject, input } from '@angular/core';

import type { ApiProblem } from '../../api/problem';
import { Auth } from '../../auth/auth';
import { Clock } from '../../ui/clock';
import { countdownText } from './words';

const dateAndTime = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'medium' });

/** Whether the service refuses everything that this caller asks, whatever their limits. */
export function isBan(problem: ApiProblem | null): boolean {
  return problem?.code === 'suspended' || problem?.code === 'account_suspended';
}

/** Explains a ban and counts down to its end. */
@Component({
  selector: 'app-ban',
  changeDetection: ChangeDetectionStrategy.OnPush,
  host: { class: 'card stack', 'data-test': 'ban' },
  template: `
    <h2 class="bad" role="alert">Banned: {{ who() }} may not use the service</h2>
    <p>
      Every request is refused, whatever is left of your limits.
      @if (problem().code === 'account_suspended') {
        <strong>{{ problem().message }}</strong>
      } @else {
        An admin decided so, and can tell the reason; the service’s answer does not.
      }
    </p>
    <p>
      @if (problem().retryAt; as until) {
        It ends in <strong class="countdown">{{ countdown() }}</strong>, at {{ time(until) }}.
      } @else {
        It holds until an admin lifts it.
      }
      This page shows it when it is over. If you think it is a mistake, ask whoever runs this service.
    </p>
  `,
  styles: `
    :host {
      border-color: var(--bad);
      gap: 0.6rem;
    }
    p {
      margin: 0;
    }
    .countdown {
      font-variant-numeric: tabular-nums;
    }
  `,
})
export class Ban {
  private readonly clock = inject(Clock);
  private readonly auth = inject(Auth);
  readonly problem = input.required<ApiProblem>();

  protected readonly who = computed(() => (this.auth.user() ? 'your account' : 'your network'));
  protected readonly countdown = computed(() => countdownText((this.problem().retryAt ?? 0) - this.clock.now()));
  protected readonly time = (at: number) => dateAndTime.format(at);
}
