import { DecimalPipe } from '@angular/common';
import { ChangeDetectionStrategy, Component, ElementRef, computed, inject, signal, viewChild } from '@angular/core';
import { MatButton } from '@angular/material/button';
import { LucideDownload } from '@lucide/angular';

import { Api, type Schema, ok } from '../../../api/api';
import { ApiProblem } from '../../../api/problem';
import { Ago } from '../../../ui/ago';
import { Confirm, type Question } from '../../../ui/confirm';
import { download } from '../../../ui/download';
import { Empty } from '../../../ui/empty';
import { Page } from '../../../ui/page';
import { Problem } from '../../../ui/problem';
import { Skeleton } from '../../../ui/skeleton';
import { StorageQuery } from './query';

/** What lies in the database, and how to tidy it up. */
@Component({
  selector: 'app-admin-storage',
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [Ago, DecimalPipe, Empty, LucideDownload, MatButton, Page, Problem, Skeleton, StorageQuery],
  templateUrl: './storage.html',
  styleUrl: './storage.scss',
})
export class AdminStorage {
  private readonly api = inject(Api);
  private readonly confirm = inject(Confirm);
  private readonly queryHeading = viewChild.required<ElementRef<HTMLElement>>('queryHeading');

  protected readonly storage = signal<Schema<'StorageStats'> | undefined>(undefined);
  protected readonly tables = signal<Schema<'StorageTable'>[] | undefined>(undefined);
  protected readonly problem = signal<ApiProblem | null>(null);
  /** What went wrong with something that was done. */
  protected readonly deedProblem = signal<ApiProblem | null>(null);
  protected readonly isBusy = signal(false);
  protected readonly told = signal('');
  protected readonly sql = signal('SELECT tier, count(*) AS users FROM users GROUP BY tier');

  protected readonly figures = computed(() => {
    const stats = this.storage()?.stats;
    return (
      stats && [
        { name: 'Entries', value: stats.storage_entries },
        { name: 'Entries that are over', value: stats.expired_storage },
        { name: 'Cached sources', value: stats.filter_cache },
        { name: 'Cached sources that are over', value: stats.expired_cache },
        { name: 'Notes on compiles', value: stats.compilation_metadata },
      ]
    );
  });

  constructor() {
    void this.load();
  }

  protected async load(): Promise<void> {
    this.problem.set(null);
    try {
      const [storage, { tables }] = await Promise.all([
        ok(this.api.GET('/api/admin/storage/stats')),
        ok(this.api.GET('/api/admin/storage/tables')),
      ]);
      this.storage.set(storage);
      this.tables.set(tables);
    } catch (error) {
      this.problem.set(ApiProblem.of(error));
    }
  }

  protected async clearExpired(): Promise<void> {
    const question = {
      heading: 'Clear what is over?',
      text: 'Entries, cached sources and created configurations that have had their time are deleted.',
      action: 'Clear what is over',
    };
    await this.tidy(question, async () => (await ok(this.api.POST('/api/admin/storage/clear-expired'))).message);
  }

  protected async clearCache(): Promise<void> {
    const question = {
      heading: 'Clear the cache?',
      text: 'What is recorded of all sources is deleted. It comes back with the next compiles.',
      action: 'Clear the cache',
    };
    await this.tidy(question, async () => (await ok(this.api.POST('/api/admin/storage/clear-cache'))).message);
  }

  protected async vacuum(): Promise<void> {
    const question = {
      heading: 'Tidy up the database?',
      text: 'The database brings its statistics up to date. Nothing is deleted, and queries go on meanwhile.',
      action: 'Tidy up',
    };
    await this.tidy(question, async () => (await ok(this.api.POST('/api/admin/storage/vacuum'))).message);
  }

  protected async export(): Promise<void> {
    await this.act(async () => {
      const file = await ok(this.api.GET('/api/admin/storage/export', { parseAs: 'blob' }));
      download(`storage-export-${Date.now()}.json`, file);
      return 'The export was downloaded.';
    });
  }

  /** Puts a statement into the editor. It is not run: its run is written down. */
  protected ask({ name }: Schema<'StorageTable'>): void {
    this.sql.set(`SELECT * FROM "${name.replaceAll('"', '""')}" LIMIT 100`);
    this.queryHeading().nativeElement.focus();
  }

  private async tidy(question: Question, work: () => Promise<string>): Promise<void> {
    if (!(await this.confirm.ask(question))) return;
    await this.act(work);
    await this.load();
  }

  private async act(work: () => Promise<string>): Promise<void> {
    this.isBusy.set(true);
    this.deedProblem.set(null);
    this.told.set('');
    try {
      this.told.set(await work());
    } catch (error) {
      this.deedProblem.set(ApiProblem.of(error));
    } finally {
      this.isBusy.set(false);
    }
  }
}
