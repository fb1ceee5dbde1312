import { DecimalPipe } from '@angular/common';
import { ChangeDetectionStrategy, Component, computed, inject, model, signal } from '@angular/core';
import { MatButton } from '@angular/material/button';
import { LucidePlay } from '@lucide/angular';

import { Api, type Schema, ok } from '../../../api/api';
import { ApiProblem } from '../../../api/problem';
import { CodeEditor } from '../../../ui/code-editor';
import { Problem } from '../../../ui/problem';

/** Rows that the service answers with at most. */
const MAX_ROWS = 1000;

/** One reading statement and what it finds. */
@Component({
  selector: 'app-storage-query',
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [CodeEditor, DecimalPipe, LucidePlay, MatButton, Problem],
  templateUrl: './query.html',
  styleUrl: './query.scss',
  host: { '(keydown.control.enter)': 'run()', '(keydown.meta.enter)': 'run()' },
})
export class StorageQuery {
  private readonly api = inject(Api);

  readonly sql = model('');
  protected readonly found = signal<Schema<'QueryResult'> | undefined>(undefined);
  protected readonly problem = signal<ApiProblem | null>(null);
  protected readonly isBusy = signal(false);
  protected readonly maxRows = MAX_ROWS;

  protected readonly rows = computed(() => {
    const found = this.found();
    return (found?.rows ?? []).map((row) => found?.columns.map((column) => row[column]) ?? []);
  });
  protected readonly facts = computed(() => {
    const meta = this.found()?.meta ?? {};
    const number = (name: string) => (typeof meta[name] === 'number' ? meta[name] : undefined);
    return { ms: number('duration'), nRead: number('rows_read'), isCut: meta['truncated'] === true };
  });

  async run(): Promise<void> {
    const sql = this.sql().trim();
    if (sql === '' || this.isBusy()) return;
    this.isBusy.set(true);
    this.problem.set(null);
    try {
      this.found.set(await ok(this.api.POST('/api/admin/storage/query', { body: { sql } })));
    } catch (error) {
      this.found.set(undefined);
      this.problem.set(ApiProblem.of(error));
    } finally {
      this.isBusy.set(false);
    }
  }

  protected textOf(value: unknown): string {
    return typeof value === 'object' ? JSON.stringify(value) : String(value);
  }
}
