import { ChangeDetectionStrategy, Component, computed, input } from '@angular/core';

/** Keeps the place of what is being loaded. */
@Component({
  selector: 'app-skeleton',
  changeDetection: ChangeDetectionStrategy.OnPush,
  host: { role: 'status', 'aria-label': 'Loading' },
  template: `@for (line of lines(); track line) {<div class="line"></div>}`,
  styles: `
    :host {
      display: grid;
      gap: 0.75rem;
    }
    .line {
      height: 2.5rem;
      border-radius: 8px;
      background: var(--mat-sys-surface-container-high);
      animation: breathe 1.4s ease-in-out infinite alternate;
    }
    @keyframes breathe {
      to {
        opacity: 0.5;
      }
    }
  `,
})
export class Skeleton {
  readonly n = input(4);
  protected readonly lines = computed(() => Array.from({ length: this.n() }, (_, index) => index));
}
