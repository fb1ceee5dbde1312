import { DecimalPipe } from '@angular/common';
import { ChangeDetectionStrategy, Component, computed, input, linkedSignal } from '@angular/core';
import { MatButton } from '@angular/material/button';

import type { Schema } from '../../api/api';

type Report = Schema<'CompileReport'>;

/** Lines that are shown at once. There may be thousands. */
const STEP = 100;

/** What is not in the list and why: a bar per reason, and the lines themselves. */
@Component({
  selector: 'app-dropped',
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [DecimalPipe, MatButton],
  template: `
    @if (reasons().length > 0) {
      <figure>
        <figcaption class="muted">{{ total() | number }} lines were dropped. Choose a reason to see its lines.</figcaption>
        <ul>
          @for (reason of reasons(); track reason.key) {
            <li>
              <button
                type="button"
                [attr.aria-pressed]="chosen() === reason.key"
                (click)="chosen.set(chosen() === reason.key ? '' : reason.key)"
              >
                <span class="what">{{ reason.pass }}: {{ reason.reason }}</span>
                <span class="number">{{ reason.count | number }}</span>
                <span class="bar" aria-hidden="true"><i [style.width.%]="(100 * reason.count) / total()"></i></span>
              </button>
            </li>
          }
        </ul>
      </figure>
      <div class="scroll" tabindex="0" role="region" aria-label="Dropped lines">
        <table class="data">
          <thead>
            <tr>
              <th scope="col">Line</th>
              <th scope="col">Reason</th>
              <th scope="col">From</th>
            </tr>
          </thead>
          <tbody>
            @for (line of shown(); track $index) {
              <tr>
                <td><code>{{ line.text }}</code></td>
                <td>
                  {{ line.reason }}
                  @if (line.by ?? line.pattern; as by) {
                    <div class="muted">by <code>{{ by }}</code></div>
                  }
                </td>
                <td>{{ nameOf(line.source) }}</td>
              </tr>
            }
          </tbody>
        </table>
      </div>
      @if (lines().length > shown().length) {
        <button matButton="outlined" type="button" (click)="nShown.set(nShown() + step)">
          Show more of {{ lines().length | number }}
        </button>
      }
      @if (total() > (report().dropped ?? []).length) {
        <p class="muted">The service tells the first {{ (report().dropped ?? []).length | number }} lines, and counts all.</p>
      }
    } @else {
      <p>Nothing was dropped.</p>
    }
    @if (report().warningCount) {
      <details>
        <summary>{{ report().warningCount | number }} warnings</summary>
        <ul class="warnings">
          @for (warning of (report().warnings ?? []).slice(0, step); track $index) {
            <li><code>{{ warning.text }}</code> {{ warning.warning }}</li>
          }
        </ul>
      </details>
    }
  `,
  styles: `
    :host {
      display: grid;
      gap: 1rem;
      grid-template-columns: minmax(0, 1fr);
      justify-items: start;
    }
    figure,
    .scroll {
      width: 100%;
      margin: 0;
    }
    .scroll {
      max-height: 24rem;
      overflow: auto;
    }
    figure ul {
      margin: 0.5rem 0 0;
      padding: 0;
      list-style: none;
    }
    figure button {
      display: grid;
      grid-template-columns: minmax(0, 1fr) auto;
      gap: 0.25rem 0.75rem;
      width: 100%;
      padding: 0.4rem 0.5rem;
      border: 0;
      border-radius: 8px;
      background: none;
      color: inherit;
      font: inherit;
      text-align: start;
      cursor: pointer;
    }
    figure button:hover,
    figure button[aria-pressed='true'] {
      background: var(--mat-sys-surface-container-high);
    }
    .bar {
      grid-column: 1 / -1;
      height: 0.5rem;
      border-radius: 999px;
      overflow: hidden;
      background: var(--mat-sys-surface-container-highest);
    }
    .bar i {
      display: block;
      height: 100%;
      min-width: 2px;
      background: var(--mat-sys-primary);
    }
    code {
      overflow-wrap: anywhere;
    }
    p {
      margin: 0;
    }
  `,
})
export class Dropped {
  readonly report = input.required<Report>();

  protected readonly step = STEP;
  protected readonly chosen = linkedSignal({ source: this.report, computation: () => '' });
  protected readonly nShown = linkedSignal({ source: this.chosen, computation: () => STEP });
  protected readonly reasons = computed(() => {
    const sums = new Map<string, { key: string; pass: string; reason: string; count: number }>();
    for (const { pass, reason, count } of this.report().droppedByReason ?? []) {
      const key = `${pass} ${reason}`;
      sums.set(key, { key, pass, reason, count: (sums.get(key)?.count ?? 0) + count });
    }
    return [...sums.values()].sort((a, b) => b.count - a.count);
  });
  protected readonly total = computed(() => this.reasons().reduce((sum, { count }) => sum + count, 0));
  protected readonly lines = computed(() =>
    (this.report().dropped ?? []).filter(({ pass, reason }) => !this.chosen() || `${pass} ${reason}` === this.chosen()),
  );
  protected readonly shown = computed(() => this.lines().slice(0, this.nShown()));

  protected nameOf(source: number | null): string {
    return source === null ? 'the whole list' : (this.report().sources[source]?.source ?? `source ${source + 1}`);
  }
}
