import { ChangeDetectionStrategy, Component, input, output, signal } from '@angular/core';
import { MatButton } from '@angular/material/button';
import { LucideCheck, LucideCopy } from '@lucide/angular';

/** Copies a text, and says that it did. */
@Component({
  selector: 'app-copy',
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [MatButton, LucideCheck, LucideCopy],
  template: `
    <button matButton="outlined" type="button" (click)="copy()">
      @if (state() === 'copied') {
        <svg lucideCheck matButtonIcon [size]="18" aria-hidden="true"></svg>
      } @else {
        <svg lucideCopy matButtonIcon [size]="18" aria-hidden="true"></svg>
      }
      {{ state() === 'copied' ? 'Copied' : state() === 'failed' ? 'Select and copy it by hand' : label() }}
    </button>
    <span class="visually-hidden" role="status">{{ state() === 'copied' ? 'Copied' : '' }}</span>
  `,
})
export class Copy {
  readonly text = input.required<string>();
  readonly label = input('Copy');
  readonly copied = output<void>();
  protected readonly state = signal<'' | 'copied' | 'failed'>('');

  protected async copy(): Promise<void> {
    try {
      await navigator.clipboard.writeText(this.text());
      this.state.set('copied');
      this.copied.emit();
    } catch {
      // The browser may forbid it; the text is on the page.
      this.state.set('failed');
    }
    setTimeout(() => this.state.set(''), 2000);
  }
}
