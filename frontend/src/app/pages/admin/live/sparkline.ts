import { ChangeDetectionStrategy, Component, computed, input } from '@angular/core';

const WIDTH = 72;
const HEIGHT = 20;

/** What an identity used lately, as a line. The numbers are in the row itself. */
@Component({
  selector: 'app-sparkline',
  changeDetection: ChangeDetectionStrategy.OnPush,
  template: `
    <svg [attr.viewBox]="'0 0 ' + width + ' ' + height" [attr.width]="width" [attr.height]="height" aria-hidden="true">
      <polyline [attr.points]="points()" fill="none" stroke="currentColor" stroke-width="1.5" />
    </svg>
  `,
  styles: `
    :host {
      display: block;
      color: var(--mat-sys-primary);
    }
    svg {
      display: block;
    }
  `,
})
export class Sparkline {
  readonly values = input.required<readonly number[]>();
  protected readonly width = WIDTH;
  protected readonly height = HEIGHT;
  protected readonly points = computed(() => {
    const values = this.values();
    const most = Math.max(1, ...values);
    // A single value is a level line.
    const drawn = values.length === 1 ? [...values, ...values] : values;
    const y = (value: number) => HEIGHT - 2 - ((HEIGHT - 4) * value) / most;
    return drawn.map((value, n) => `${((WIDTH * n) / (drawn.length - 1)).toFixed(1)},${y(value).toFixed(1)}`).join(' ');
  });
}
