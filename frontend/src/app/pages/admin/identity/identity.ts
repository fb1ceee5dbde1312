import { DecimalPipe } from '@angular/common';
import { ChangeDetectionStrategy, Component, computed, effect, inject, input, signal, untracked } from '@angular/core';
import { MatButton } from '@angular/material/button';
import { MatDialog } from '@angular/material/dialog';
import { RouterLink } from '@angular/router';
import { firstValueFrom } from 'rxjs';

import { Api, type Schema, ok } from '../../../api/api';
import { ApiProblem } from '../../../api/problem';
import { Ago } from '../../../ui/ago';
import { Chart, type Line } from '../../../ui/chart';
import { every } from '../../../ui/every';
import { Page } from '../../../ui/page';
import { Problem } from '../../../ui/problem';
import { Skeleton } from '../../../ui/skeleton';
import { AuditEntryDetails } from '../audit/audit-entry';
import { Changes } from '../audit/changes';
import { differences } from '../audit/difference';
import { Account } from './account';
import { ActionDialog, type Deed, type Wanted } from './action-dialog';

const POLL_MS = 1000;
/** Ten minutes of looks. */
const MAX_SAMPLES = 600;
const HISTORY = 20;
const COLOURS = ['var(--mat-sys-primary)', 'var(--warn)', 'var(--good)', 'var(--bad)'];

interface Sample {
  at: number;
  used: Record<string, number>;
}

/** One identity: exactly how it stands, what was done to it, and what an admin can do about it. */
@Component({
  selector: 'app-admin-identity',
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [Account, Ago, AuditEntryDetails, Changes, Chart, DecimalPipe, MatButton, Page, Problem, RouterLink, Skeleton],
  templateUrl: './identity.html',
  styleUrl: './identity.scss',
})
export class AdminIdentity {
  private readonly api = inject(Api);
  private readonly dialog = inject(MatDialog);
  /** Whose, from the address. */
  readonly identity = input.required<string>();

  protected readonly state = signal<Schema<'IdentityState'> | undefined>(undefined);
  protected readonly problem = signal<ApiProblem | undefined>(undefined);
  protected readonly history = signal<Schema<'AuditEntry'>[] | undefined>(undefined);
  protected readonly historyProblem = signal<ApiProblem | undefined>(undefined);
  protected readonly done = signal<Schema<'AdminAction'> | undefined>(undefined);
  protected readonly changes = computed(() => {
    const done = this.done();
    return done && differences(done.before, done.after);
  });
  private readonly samples = signal<Sample[]>([]);

  protected readonly userId = computed(() => (this.identity().startsWith('user:') ? this.identity().slice('user:'.length) : undefined));
  protected readonly policies = computed(() => (this.state()?.policies ?? []).map(({ policy }) => policy));
  protected readonly times = computed(() => this.samples().map(({ at }) => at / 1000));
  /** A chart is made for certain lines; for others it is made anew. */
  protected readonly chartKey = computed(() => this.policies().join(' '));
  protected readonly lines = computed<Line[]>(() =>
    this.policies().map((label, n) => ({
      label,
      colour: COLOURS[n % COLOURS.length] ?? 'var(--mat-sys-primary)',
      values: this.samples().map(({ used }) => used[label] ?? null),
    })),
  );

  constructor() {
    effect(() => {
      this.identity();
      untracked(() => {
        this.state.set(undefined);
        this.samples.set([]);
        this.done.set(undefined);
        void this.load();
        void this.loadHistory();
      });
    });
    every(POLL_MS, async () => {
      if (this.state()) await this.load();
    });
  }

  protected async load(): Promise<void> {
    const identity = this.identity();
    try {
      const { state } = await ok(this.api.GET('/api/admin/limits/{identity}', { params: { path: { identity } } }));
      if (identity === this.identity()) this.take(state);
      this.problem.set(undefined);
    } catch (error) {
      this.problem.set(ApiProblem.of(error));
    }
  }

  protected async loadHistory(): Promise<void> {
    const query = { identity: this.identity(), limit: HISTORY };
    this.historyProblem.set(undefined);
    try {
      const { entries } = await ok(this.api.GET('/api/admin/limits/audit', { params: { query } }));
      if (query.identity === this.identity()) this.history.set(entries);
    } catch (error) {
      this.historyProblem.set(ApiProblem.of(error));
    }
  }

  protected async act(deed: Deed, policy?: string): Promise<void> {
    const data: Wanted = { deed, identity: this.identity(), policies: this.policies(), policy };
    const shown = this.dialog.open<ActionDialog, Wanted, Schema<'AdminAction'>>(ActionDialog, { data, width: '30rem', maxWidth: '95vw' });
    const done = await firstValueFrom(shown.afterClosed());
    if (!done) return;
    this.done.set(done);
    this.take(done.after);
    await Promise.all([this.load(), this.loadHistory()]);
  }

  protected share({ used, limit }: Schema<'PolicyState'>): number {
    return limit === null ? 0 : Math.min(100, (100 * used) / Math.max(1, limit));
  }

  protected words({ action }: { action: string }): string {
    return action.replaceAll('_', ' ');
  }

  private take(state: Schema<'IdentityState'>): void {
    this.state.set(state);
    const sample = { at: Date.now(), used: Object.fromEntries(state.policies.map(({ policy, used }) => [policy, used])) };
    this.samples.update((samples) => [...samples.filter(({ at }) => at < sample.at), sample].slice(-MAX_SAMPLES));
  }
}
