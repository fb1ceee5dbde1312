import { ChangeDetectionStrategy, Component, output, signal } from '@angular/core';
import { MatButton } from '@angular/material/button';
import { LucideFileUp } from '@lucide/angular';

/** Larger files would make the editor slow, and the service takes none. */
const MAX_BYTES = 16 * 1024 * 1024;

/** Reads a text file of the user's choice. */
@Component({
  selector: 'app-file-button',
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [LucideFileUp, MatButton],
  template: `
    <button matButton="outlined" type="button" (click)="chooser.click()">
      <svg lucideFileUp matButtonIcon [size]="18" aria-hidden="true"></svg>
      Load a file
    </button>
    <input #chooser hidden type="file" aria-label="A file of rules" accept=".txt,.list,.hosts,text/plain" (change)="read(chooser)" />
    <span role="status" class="bad">{{ trouble() }}</span>
  `,
})
export class FileButton {
  /** The file's text. */
  readonly loaded = output<string>();
  protected readonly trouble = signal('');

  protected async read(chooser: HTMLInputElement): Promise<void> {
    const file = chooser.files?.[0];
    if (!file) return;
    this.trouble.set('');
    try {
      if (file.size > MAX_BYTES) throw new Error('it is larger than 16 MB');
      this.loaded.emit(await file.text());
    } catch (error) {
      this.trouble.set(`“${file.name}” can’t be loaded: ${error instanceof Error ? error.message : String(error)}.`);
    } finally {
      // The same file may be chosen again.
      chooser.value = '';
    }
  }
}
