import { ChangeDetectionStrategy, Component, input } from '@angular/core';

/** A page: its heading, what it is for, actions beside the heading (`slot="actions"`), and the rest. */
@Component({
  selector: 'app-page',
  changeDetection: ChangeDetectionStrategy.OnPush,
  template: `
    <header>
      <div>
        <h1>{{ heading() }}</h1>
        @if (about()) {
          <p class="muted">{{ about() }}</p>
        }
      </div>
      <div class="row"><ng-content select="[slot=actions]" /></div>
    </header>
    <ng-content />
  `,
  styles: `
    :host {
      display: grid;
      gap: 1.25rem;
      grid-template-columns: minmax(0, 1fr);
    }
    header {
      display: flex;
      flex-wrap: wrap;
      gap: 0.75rem;
      justify-content: space-between;
      align-items: end;
    }
    p {
      margin: 0.25rem 0 0;
      max-width: 65ch;
    }
  `,
})
export class Page {
  readonly heading = input.required<string>();
  readonly about = input('');
}
