import { ChangeDetectionStrategy, Component, computed, input } from '@angular/core';

import type { Span } from './tree';

/** A rule, with a stretch of it marked. */
@Component({
  selector: 'app-marked-text',
  changeDetection: ChangeDetectionStrategy.OnPush,
  template: `<code>{{ parts().before }}@if (parts().marked) {<mark>{{ parts().marked }}</mark>}{{ parts().after }}</code>`,
  styles: `
    code {
      white-space: pre-wrap;
      overflow-wrap: anywhere;
    }
    mark {
      color: var(--mat-sys-on-tertiary-container);
      background: var(--mat-sys-tertiary-container);
      text-decoration: underline 2px;
      text-underline-offset: 0.2em;
      border-radius: 3px;
    }
  `,
})
export class MarkedText {
  readonly text = input.required<string>();
  readonly span = input<Span | undefined>();

  protected readonly parts = computed(() => {
    const text = this.text();
    const { start, end } = this.span() ?? { start: text.length, end: text.length };
    return { before: text.slice(0, start), marked: text.slice(start, end), after: text.slice(end) };
  });
}
