import { ChangeDetectionStrategy, Component, inject, signal } from '@angular/core';
import { takeUntilDestroyed } from '@angular/core/rxjs-interop';
import { MatButton } from '@angular/material/button';
import { MAT_DIALOG_DATA, MatDialogModule, MatDialogRef } from '@angular/material/dialog';
import { filter, merge } from 'rxjs';

import type { Schema } from '../../api/api';
import { Confirm } from '../../ui/confirm';
import { Copy } from '../../ui/copy';

/** Shows a new key. Nobody can show it again, so it is not closed uncopied without being asked. */
@Component({
  selector: 'app-new-key-dialog',
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [Copy, MatButton, MatDialogModule],
  templateUrl: './new-key-dialog.html',
  styleUrl: './new-key-dialog.scss',
})
export class NewKeyDialog {
  private readonly dialog = inject(MatDialogRef);
  private readonly confirm = inject(Confirm);
  protected readonly key = inject<Schema<'CreatedApiKey'>>(MAT_DIALOG_DATA);
  protected readonly example = exampleFor(this.key);
  protected readonly wasCopied = signal(false);
  private isAsking = false;

  constructor() {
    this.dialog.disableClose = true;
    const escapes = this.dialog.keydownEvents().pipe(filter((event) => event.key === 'Escape'));
    merge(escapes, this.dialog.backdropClick())
      .pipe(takeUntilDestroyed())
      .subscribe(() => void this.close());
  }

  protected async close(): Promise<void> {
    if (this.isAsking) return;
    this.isAsking = true;
    const mayClose =
      this.wasCopied() ||
      (await this.confirm.ask({
        heading: 'Close without copying?',
        text: 'The key was not copied, and it can’t be shown again. If you lose it, revoke it and make another.',
        action: 'Close anyway',
      }));
    this.isAsking = false;
    if (mayClose) this.dialog.close();
  }
}

/** A command that works as it is: a small list for whoever may compile, and a look at the limits for others. */
function exampleFor({ key, scopes }: Schema<'CreatedApiKey'>): string {
  const authorization = `-H 'Authorization: Bearer ${key}'`;
  if (!scopes.includes('compile')) return `curl '${location.origin}/api/rate-limit' \\\n  ${authorization}`;
  const body: Schema<'CompileRequest'> = {
    configuration: { name: 'My list', sources: [{ source: 'mine' }] },
    preFetchedContent: { mine: '||ads.example.com^' },
  };
  return [
    `curl '${location.origin}/api/compile'`,
    authorization,
    `-H 'Content-Type: application/json'`,
    `-d '${JSON.stringify(body)}'`,
  ].join(' \\\n  ');
}
