import { DecimalPipe } from '@angular/common';
import { ChangeDetectionStrategy, Component, computed, input } from '@angular/core';
import { MatButton } from '@angular/material/button';
import { MatTabsModule } from '@angular/material/tabs';
import { LucideDownload } from '@lucide/angular';

import type { Schema } from '../../api/api';
import { CodeEditor } from '../../ui/code-editor';
import { Copy } from '../../ui/copy';
import { download } from '../../ui/download';
import { difference } from './difference';
import { Dropped } from './dropped';

/** Lines of a difference that are shown on each side. */
const MOST = 500;

/** A compiled list, as far as the page knows it. */
export interface Compiled {
  name: string;
  rules: string[];
  ruleCount: number;
  report?: Schema<'CompileReport'>;
  metrics?: Schema<'CompileMetrics'>;
  /** The list before this one; none for the first. */
  before?: string[];
  /** The command that compiles the same. */
  curl: string;
}

/** A compiled list: counts, what was dropped, what changed, the list itself, and the same as a command. */
@Component({
  selector: 'app-result',
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [CodeEditor, Copy, DecimalPipe, Dropped, LucideDownload, MatButton, MatTabsModule],
  templateUrl: './result.html',
  styles: `
    :host {
      display: grid;
      gap: 1rem;
      grid-template-columns: minmax(0, 1fr);
    }
    .figures {
      display: grid;
      gap: 1rem;
      grid-template-columns: repeat(auto-fill, minmax(8.5rem, 1fr));
      margin: 0;
    }
    dd {
      margin: 0;
    }
    .tab {
      display: grid;
      gap: 1rem;
      grid-template-columns: minmax(0, 1fr);
      padding: 1rem 0.25rem 0.25rem;
    }
    .sides {
      display: grid;
      gap: 1rem;
      grid-template-columns: repeat(auto-fit, minmax(min(100%, 18rem), 1fr));
    }
    pre {
      margin: 0;
      padding: 0.75rem;
      max-height: 24rem;
      overflow: auto;
      border-radius: 8px;
      background: var(--mat-sys-surface-container);
      white-space: pre-wrap;
      overflow-wrap: anywhere;
    }
    p {
      margin: 0;
    }
  `,
})
export class Result {
  readonly result = input.required<Compiled>();

  protected readonly most = MOST;
  protected readonly text = computed(() => this.result().rules.join('\n'));
  protected readonly figures = computed(() => {
    const { ruleCount, report, metrics } = this.result();
    const rulesIn = report?.sources.reduce((sum, source) => sum + source.rulesIn, 0);
    const dropped = report?.droppedByReason?.reduce((sum, { count }) => sum + count, 0);
    return [
      { name: 'Lines in the list', value: ruleCount },
      { name: 'Rules', value: report?.list.rulesOut },
      { name: 'Rules in the sources', value: rulesIn },
      { name: 'Dropped lines', value: dropped },
      { name: 'Milliseconds', value: metrics?.totalDurationMs },
    ].filter(({ value }) => value !== undefined);
  });
  protected readonly changes = computed(() => {
    const { before, rules } = this.result();
    return before && difference(before, rules);
  });

  protected save(): void {
    const name = this.result().name.replaceAll(/[^\p{L}\p{N}._-]+/gu, '-') || 'list';
    download(`${name}.txt`, this.text());
  }

  protected shown(lines: string[]): string {
    const more = lines.length - MOST;
    return lines.slice(0, MOST).join('\n') + (more > 0 ? `\n… and ${more.toLocaleString('en')} more` : '');
  }
}
