import { ChangeDetectionStrategy, Component, input } from '@angular/core';

/** Nothing to show yet: says why and, in its content, what to do. */
@Component({
  selector: 'app-empty',
  changeDetection: ChangeDetectionStrategy.OnPush,
  template: `
    <h2>{{ heading() }}</h2>
    <p class="muted">{{ text() }}</p>
    <ng-content />
  `,
  styles: `
    :host {
      display: grid;
      justify-items: center;
      gap: 0.75rem;
      padding: 2.5rem 1rem;
      text-align: center;
      border: 1px dashed var(--mat-sys-outline-variant);
      border-radius: 12px;
    }
    p {
      margin: 0;
      max-width: 50ch;
    }
  `,
})
export class Empty {
  readonly heading = input.required<string>();
  readonly text = input('');
}
