import {
  ChangeDetectionStrategy,
  Component,
  DestroyRef,
  ElementRef,
  afterNextRender,
  effect,
  inject,
  input,
  model,
  viewChild,
} from '@angular/core';
import type { EditorView } from '@codemirror/view';

/** An editor for lists and configurations. It is fetched when the first one is shown. */
@Component({
  selector: 'app-code-editor',
  changeDetection: ChangeDetectionStrategy.OnPush,
  template: `<div #place class="place" [style.height]="height()"></div>`,
  styles: `
    .place {
      border: 1px solid var(--mat-sys-outline);
      border-radius: 8px;
      overflow: hidden;
      background: var(--mat-sys-surface);
    }
    .place:focus-within {
      border-color: var(--mat-sys-primary);
    }
  `,
})
export class CodeEditor {
  readonly value = model('');
  readonly language = input<'json' | 'text'>('text');
  /** What a screen reader calls it. */
  readonly label = input.required<string>();
  readonly height = input('16rem');
  readonly readonly = input(false);

  private readonly place = viewChild.required<ElementRef<HTMLElement>>('place');
  private view?: EditorView;

  constructor() {
    const destroyed = inject(DestroyRef);
    afterNextRender(async () => {
      const { makeEditor } = await import('./code-editor-setup');
      if (destroyed.destroyed) return;
      this.view = makeEditor(this.place().nativeElement, {
        text: this.value(),
        language: this.language(),
        label: this.label(),
        readonly: this.readonly(),
        onChange: (text) => this.value.set(text),
      });
    });
    destroyed.onDestroy(() => this.view?.destroy());
    effect(() => {
      const text = this.value();
      const shown = this.view?.state.doc.toString();
      if (this.view && text !== shown) {
        this.view.dispatch({ changes: { from: 0, to: this.view.state.doc.length, insert: text } });
      }
    });
  }
}
