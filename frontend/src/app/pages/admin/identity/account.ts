import { DatePipe, DecimalPipe } from '@angular/common';
import { ChangeDetectionStrategy, Component, computed, effect, inject, input, signal, untracked } from '@angular/core';
import { MatButton } from '@angular/material/button';
import { RouterLink } from '@angular/router';

import { Api, type Schema, ok } from '../../../api/api';
import { ApiProblem } from '../../../api/problem';
import { Ago } from '../../../ui/ago';
import { Confirm } from '../../../ui/confirm';
import { Problem } from '../../../ui/problem';
import { Skeleton } from '../../../ui/skeleton';
import { deviceOf } from '../../profile/device';

interface Found {
  user: Schema<'AdminUser'>;
  sessions: (Schema<'Session'> & { token: string })[];
  keys: Schema<'AdminKey'>[];
}

/** The account behind an identity: who it is, where they are signed in, and their keys. */
@Component({
  selector: 'app-account',
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [Ago, DatePipe, DecimalPipe, MatButton, Problem, RouterLink, Skeleton],
  templateUrl: './account.html',
  host: { class: 'stack' },
})
export class Account {
  private readonly api = inject(Api);
  private readonly confirm = inject(Confirm);
  readonly userId = input.required<string>();

  protected readonly deviceOf = deviceOf;
  protected readonly found = signal<Found | undefined>(undefined);
  protected readonly problem = signal<ApiProblem | undefined>(undefined);
  protected readonly isBusy = signal(false);
  protected readonly activeKeys = computed(() => (this.found()?.keys ?? []).filter(({ status }) => status === 'active'));

  constructor() {
    effect(() => {
      this.userId();
      untracked(() => {
        this.found.set(undefined);
        void this.load();
      });
    });
  }

  protected async load(): Promise<void> {
    await this.attempt(async () => undefined);
  }

  protected async endSession(token: string): Promise<void> {
    await this.attempt(() => ok(this.api.POST('/api/auth/admin/revoke-user-session', { body: { sessionToken: token } })));
  }

  protected async revoke({ id, name }: Schema<'AdminKey'>): Promise<void> {
    const isMeant = await this.confirm.ask({
      heading: `Revoke “${name}”?`,
      text: 'Whatever uses this key is refused from its next request on. That can’t be taken back.',
      action: 'Revoke it',
    });
    if (isMeant) await this.attempt(() => ok(this.api.POST('/api/admin/auth/api-keys/revoke', { body: { id } })));
  }

  private async attempt(work: () => Promise<unknown>): Promise<void> {
    const userId = this.userId();
    this.isBusy.set(true);
    this.problem.set(undefined);
    try {
      await work();
      const [{ user }, sessions, { keys }] = await Promise.all([
        ok(this.api.GET('/api/admin/users/{id}', { params: { path: { id: userId } } })),
        ok(this.api.POST('/api/auth/admin/list-user-sessions', { body: { userId } })),
        ok(this.api.GET('/api/admin/auth/api-keys', { params: { query: { userId } } })),
      ]);
      if (userId !== this.userId()) return;
      this.found.set({ user, sessions: (sessions as { sessions: Found['sessions'] }).sessions, keys });
    } catch (error) {
      this.problem.set(ApiProblem.of(error));
    } finally {
      this.isBusy.set(false);
    }
  }
}
