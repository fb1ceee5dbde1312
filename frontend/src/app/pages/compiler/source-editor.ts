import { ChangeDetectionStrategy, Component, input, model, output } from '@angular/core';
import { MatButton, MatIconButton } from '@angular/material/button';
import { MatFormFieldModule } from '@angular/material/form-field';
import { MatInputModule } from '@angular/material/input';
import { MatSelectModule } from '@angular/material/select';
import { LucideTrash2 } from '@lucide/angular';

import { CodeEditor } from '../../ui/code-editor';
import { FileButton } from '../validation/file-button';
import type { Source } from './draft';

/** One source: an address, or a text that goes along. */
@Component({
  selector: 'app-source-editor',
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [CodeEditor, FileButton, LucideTrash2, MatButton, MatFormFieldModule, MatIconButton, MatInputModule, MatSelectModule],
  template: `
    <fieldset class="stack">
      <legend>Source {{ n() + 1 }}</legend>
      <div class="line">
        @if (text() === undefined) {
          <mat-form-field class="wide" appearance="outline" subscriptSizing="dynamic">
            <mat-label>Address</mat-label>
            <input
              matInput
              type="url"
              inputmode="url"
              placeholder="https://example.org/list.txt"
              autocomplete="off"
              spellcheck="false"
              [value]="source().source"
              (input)="rename($event)"
            />
          </mat-form-field>
        } @else {
          <p class="wide own"><strong>Own rules</strong>&ngsp;<code>{{ source().source }}</code></p>
        }
        <mat-form-field class="kind" appearance="outline" subscriptSizing="dynamic">
          <mat-label>Kind</mat-label>
          <mat-select [value]="source().type ?? 'adblock'" (valueChange)="changed.emit({ ...source(), type: $event })">
            <mat-option value="adblock">Adblock rules</mat-option>
            <mat-option value="hosts">Hosts file</mat-option>
          </mat-select>
        </mat-form-field>
        <button matIconButton type="button" [attr.aria-label]="'Remove source ' + (n() + 1)" (click)="removed.emit()">
          <svg lucideTrash2 [size]="20" aria-hidden="true"></svg>
        </button>
      </div>
      @if (text() !== undefined) {
        <app-code-editor [label]="'Rules of source ' + (n() + 1)" height="10rem" [value]="text() ?? ''" (valueChange)="text.set($event)" />
        <div class="row">
          <app-file-button (loaded)="text.set($event)" />
          <button matButton type="button" (click)="text.set('')">Clear</button>
        </div>
      }
    </fieldset>
  `,
  styles: `
    fieldset {
      margin: 0;
      padding: 0.5rem 1rem 1rem;
      border: 1px solid var(--mat-sys-outline-variant);
      border-radius: 12px;
      min-width: 0;
    }
    .line {
      display: flex;
      flex-wrap: wrap;
      gap: 0.5rem;
      align-items: center;
    }
    .wide {
      flex: 1 1 16rem;
      min-width: 0;
    }
    .kind {
      flex: 0 1 11rem;
    }
    .own {
      margin: 0;
      overflow-wrap: anywhere;
    }
  `,
})
export class SourceEditor {
  readonly n = input.required<number>();
  readonly source = input.required<Source>();
  /** The text that goes along; none for a source with an address. */
  readonly text = model<string | undefined>();
  readonly changed = output<Source>();
  readonly removed = output<void>();

  protected rename(event: Event): void {
    this.changed.emit({ ...this.source(), source: (event.target as HTMLInputElement).value.trim() });
  }
}
