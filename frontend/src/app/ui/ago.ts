import { ChangeDetectionStrategy, Component, computed, inject, input } from '@angular/core';

import { Clock } from './clock';

const STEPS: [Intl.RelativeTimeFormatUnit, number][] = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1000],
];
const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });
const exact = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'medium' });

/** How long ago an instant was or how far it is ahead. The exact time is in the tooltip. */
@Component({
  selector: 'app-ago',
  changeDetection: ChangeDetectionStrategy.OnPush,
  template: `@if (instant() !== undefined) {<time [attr.datetime]="iso()" [title]="title()">{{ text() }}</time>} @else {<span class="muted">{{ never() }}</span>}`,
})
export class Ago {
  private readonly clock = inject(Clock);
  /** Milliseconds since 1970 or ISO 8601. */
  readonly at = input.required<number | string | null | undefined>();
  /** What is shown if there is no such instant. */
  readonly never = input('never');

  protected readonly instant = computed(() => {
    const at = this.at();
    if (at === null || at === undefined || at === '') return undefined;
    const instant = typeof at === 'number' ? at : Date.parse(at);
    return Number.isNaN(instant) ? undefined : instant;
  });
  protected readonly iso = computed(() => new Date(this.instant() ?? 0).toISOString());
  protected readonly title = computed(() => exact.format(this.instant()));
  protected readonly text = computed(() => {
    const distance = (this.instant() ?? 0) - this.clock.now();
    const [unit, size] = STEPS.find(([, size]) => Math.abs(distance) >= size) ?? ['second', 1000];
    return relative.format(Math.round(distance / size), unit);
  });
}
