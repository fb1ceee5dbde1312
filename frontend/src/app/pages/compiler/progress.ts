import { ChangeDetectionStrategy, Component, input } from '@angular/core';
import { DecimalPipe } from '@angular/common';
import { MatProgressBar } from '@angular/material/progress-bar';

/** How far a source is. */
export interface SourceProgress {
  source: string;
  state: 'waiting' | 'loading' | 'loaded' | 'failed';
  nRules?: number;
  ms?: number;
  error?: string;
}

const TONES = { waiting: 'muted', loading: 'warn', loaded: 'good', failed: 'bad' };

/** How far each source is while a list is compiled. */
@Component({
  selector: 'app-compile-progress',
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [DecimalPipe, MatProgressBar],
  template: `
    <section class="card stack" aria-label="Progress">
      <mat-progress-bar mode="determinate" [value]="100 * share()" aria-label="Sources that are there" />
      <p role="status">{{ message() }}</p>
      <ul>
        @for (source of sources(); track $index) {
          <li data-test="source-progress">
            <span class="name">{{ source.source }}</span>
            <span class="row">
              @if (source.nRules !== undefined) {
                <span class="muted number">{{ source.nRules | number }} rules, {{ source.ms | number }} ms</span>
              }
              <span class="chip" [class]="tones[source.state]">{{ source.state }}</span>
            </span>
            @if (source.error) {
              <span class="bad whole">{{ source.error }}</span>
            }
          </li>
        }
      </ul>
    </section>
  `,
  styles: `
    p {
      margin: 0;
    }
    ul {
      margin: 0;
      padding: 0;
      list-style: none;
      max-height: 16rem;
      overflow-y: auto;
    }
    li {
      display: flex;
      flex-wrap: wrap;
      gap: 0.25rem 0.75rem;
      justify-content: space-between;
      padding: 0.35rem 0;
    }
    li + li {
      border-top: 1px solid var(--mat-sys-outline-variant);
    }
    .name,
    .whole {
      overflow-wrap: anywhere;
      min-width: 0;
    }
    .whole {
      flex-basis: 100%;
    }
  `,
})
export class CompileProgress {
  readonly sources = input.required<SourceProgress[]>();
  readonly message = input.required<string>();
  /** From 0 to 1. */
  readonly share = input.required<number>();
  protected readonly tones = TONES;
}
