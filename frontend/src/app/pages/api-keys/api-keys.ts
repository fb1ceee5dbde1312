import { ChangeDetectionStrategy, Component, computed, inject, signal } from '@angular/core';
import { DecimalPipe } from '@angular/common';
import { MatButton } from '@angular/material/button';
import { MatDialog } from '@angular/material/dialog';
import { MatSlideToggle } from '@angular/material/slide-toggle';
import { RouterLink } from '@angular/router';
import { LucidePlus } from '@lucide/angular';
import { firstValueFrom } from 'rxjs';

import { Api, type Schema, ok } from '../../api/api';
import { ApiProblem } from '../../api/problem';
import { Ago } from '../../ui/ago';
import { Clock } from '../../ui/clock';
import { Confirm } from '../../ui/confirm';
import { Empty } from '../../ui/empty';
import { Page } from '../../ui/page';
import { Problem } from '../../ui/problem';
import { Skeleton } from '../../ui/skeleton';
import { KeyDialog, type Saved } from './key-dialog';
import { keyStateOf } from './key-state';
import { NewKeyDialog } from './new-key-dialog';

/** Keys that one user may have, not counting those revoked or expired. */
const MAX_ACTIVE = 25;
const TONES = { active: 'good', revoked: 'bad', expired: 'warn' };

/**
 * The keys of whoever signed in. Asking for them is counted, so after a change the list is mended here with what the
 * service answered.
 */
@Component({
  selector: 'app-api-keys',
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [Ago, DecimalPipe, Empty, LucidePlus, MatButton, MatSlideToggle, Page, Problem, RouterLink, Skeleton],
  templateUrl: './api-keys.html',
  styleUrl: './api-keys.scss',
})
export class ApiKeys {
  private readonly api = inject(Api);
  private readonly clock = inject(Clock);
  private readonly dialog = inject(MatDialog);
  private readonly confirm = inject(Confirm);

  protected readonly keys = signal<Schema<'ApiKey'>[] | undefined>(undefined);
  protected readonly loadProblem = signal<ApiProblem | undefined>(undefined);
  protected readonly problem = signal<ApiProblem | undefined>(undefined);
  /** What was done last. */
  protected readonly told = signal('');
  protected readonly activeOnly = signal(false);
  /** The id of the key that is being revoked. */
  protected readonly revoking = signal<string | undefined>(undefined);
  /** The newest first, as the service has them. */
  private readonly rows = computed(() => {
    const now = this.clock.now();
    return (this.keys() ?? []).map((key) => {
      const state = keyStateOf(key, now);
      return { key, state, tone: TONES[state] };
    });
  });
  protected readonly nActive = computed(() => this.rows().filter(({ state }) => state === 'active').length);
  protected readonly shown = computed(() => this.rows().filter(({ state }) => state === 'active' || !this.activeOnly()));
  protected readonly isFull = computed(() => this.nActive() >= MAX_ACTIVE);
  protected readonly max = MAX_ACTIVE;

  constructor() {
    void this.load();
  }

  protected async load(): Promise<void> {
    this.loadProblem.set(undefined);
    try {
      this.keys.set((await ok(this.api.GET('/api/keys'))).keys);
    } catch (error) {
      this.loadProblem.set(ApiProblem.of(error));
    }
  }

  protected async make(): Promise<void> {
    const saved = await this.openForm(null);
    if (!saved?.created) return;
    const { id, keyPrefix, name, scopes, rateLimitPerMinute, expiresAt, createdAt } = saved.created;
    const key: Schema<'ApiKey'> = {
      ...{ id, keyPrefix, name, scopes, rateLimitPerMinute, expiresAt, createdAt },
      updatedAt: createdAt,
      lastUsedAt: null,
      revokedAt: null,
      isActive: true,
    };
    this.keys.update((keys) => [key, ...(keys ?? [])]);
    this.told.set(`“${name}” was made.`);
    // Its text can be shown this once, so not even going to another page may close it.
    this.dialog.open(NewKeyDialog, {
      data: saved.created,
      closeOnNavigation: false,
      width: '36rem',
      maxWidth: '95vw',
      autoFocus: '[data-test=copy-key]',
    });
  }

  protected async edit(key: Schema<'ApiKey'>): Promise<void> {
    const saved = await this.openForm(key);
    if (!saved?.changed) return;
    const { name, scopes, updatedAt } = saved.changed;
    this.mend(key.id, { name, scopes, updatedAt });
    this.told.set(`“${name}” was changed. It counts from its next request on.`);
  }

  protected async revoke(key: Schema<'ApiKey'>): Promise<void> {
    const isSure = await this.confirm.ask({
      heading: `Revoke “${key.name}”?`,
      text: 'The next request with this key is refused. A revoked key never becomes good again.',
      action: 'Revoke the key',
    });
    if (!isSure || this.revoking()) return;
    this.revoking.set(key.id);
    this.problem.set(undefined);
    this.told.set('');
    try {
      await ok(this.api.DELETE('/api/keys/{id}', { params: { path: { id: key.id } } }));
      this.mend(key.id, { revokedAt: new Date().toISOString(), isActive: false });
      this.told.set(`“${key.name}” was revoked.`);
    } catch (error) {
      const problem = ApiProblem.of(error);
      this.problem.set(problem);
      // It was revoked elsewhere.
      if (problem.status === 404) await this.load();
    } finally {
      this.revoking.set(undefined);
    }
  }

  private async openForm(key: Schema<'ApiKey'> | null): Promise<Saved | undefined> {
    this.problem.set(undefined);
    this.told.set('');
    const opened = this.dialog.open<KeyDialog, Schema<'ApiKey'> | null, Saved>(KeyDialog, {
      data: key,
      width: '34rem',
      maxWidth: '95vw',
    });
    return firstValueFrom(opened.afterClosed());
  }

  private mend(id: string, change: Partial<Schema<'ApiKey'>>): void {
    this.keys.update((keys) => keys?.map((key) => (key.id === id ? { ...key, ...change } : key)));
  }
}
