import { ChangeDetectionStrategy, Component, computed, inject, input } from '@angular/core';
import { DecimalPipe } from '@angular/common';

import type { Schema } from '../../api/api';
import { Clock } from '../../ui/clock';
import { countdownText, countedText, stateOf, windowText } from './words';

const TONES = { 'no limit': 'good', plenty: 'good', 'near the limit': 'warn', 'used up': 'bad' };
const timeOnly = new Intl.DateTimeFormat('en', { timeStyle: 'medium' });
const dateAndTime = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'short' });
const DAY_MS = 86_400_000;

/** How things stand under one policy. */
@Component({
  selector: 'app-policy-card',
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [DecimalPipe],
  templateUrl: './policy-card.html',
  styleUrl: './policy-card.scss',
  host: { class: 'card stack', '[attr.data-test]': '"policy-" + standing().policy' },
})
export class PolicyCard {
  private readonly clock = inject(Clock);
  readonly standing = input.required<Schema<'PolicyStanding'>>();
  /** By how much the service's clock is ahead of this one, in milliseconds. */
  readonly aheadMs = input(0);

  protected readonly state = computed(() => stateOf(this.standing()));
  protected readonly tone = computed(() => TONES[this.state()]);
  protected readonly counted = computed(() => countedText(this.standing().policy));
  protected readonly window = computed(() => windowText(this.standing().window, this.standing().windowSeconds));
  /** In percent. */
  protected readonly share = computed(() => {
    const { limit, used } = this.standing();
    if (limit === null) return 0;
    return limit === 0 ? 100 : Math.min(100, (used / limit) * 100);
  });
  /** Whether using more moves the instant at which all is back. */
  protected readonly isMoving = computed(() => !['fixed', 'calendar'].includes(this.standing().window));
  private readonly resetAt = computed(() => this.standing().resetAt - this.aheadMs());
  private readonly leftMs = computed(() => this.resetAt() - this.clock.now());
  protected readonly isWaiting = computed(() => this.standing().used > 0 && this.leftMs() > 0);
  protected readonly countdown = computed(() => countdownText(this.leftMs()));
  protected readonly resetTime = computed(() =>
    (this.leftMs() < DAY_MS ? timeOnly : dateAndTime).format(this.resetAt()),
  );
}
