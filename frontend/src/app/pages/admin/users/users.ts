import { DatePipe, DecimalPipe } from '@angular/common';
import { ChangeDetectionStrategy, Component, computed, inject, signal } from '@angular/core';
import { NonNullableFormBuilder, ReactiveFormsModule } from '@angular/forms';
import { MatButton, MatIconButton } from '@angular/material/button';
import { MatDialog } from '@angular/material/dialog';
import { MatFormFieldModule } from '@angular/material/form-field';
import { MatInputModule } from '@angular/material/input';
import { MatMenuModule } from '@angular/material/menu';
import { MatSelectModule } from '@angular/material/select';
import { RouterLink } from '@angular/router';
import { LucideEllipsisVertical, LucidePlus } from '@lucide/angular';
import { type Observable, firstValueFrom } from 'rxjs';

import { Api, type Schema, ok } from '../../../api/api';
import { ApiProblem } from '../../../api/problem';
import { Auth } from '../../../auth/auth';
import { Ago } from '../../../ui/ago';
import { Confirm } from '../../../ui/confirm';
import { Empty } from '../../../ui/empty';
import { Page } from '../../../ui/page';
import { Problem } from '../../../ui/problem';
import { Skeleton } from '../../../ui/skeleton';
import { BanUser } from './ban-user';
import { ChangeUser } from './change-user';
import { CreateUser } from './create-user';
import { ROLES, TIERS, nameOf } from './names';

type User = Schema<'AdminUser'>;

const PAGE = 50;
const NOBODY_LEFT_OUT = { search: '', tier: '', role: '' };

/** All users, and what an admin may change about them. */
@Component({
  selector: 'app-admin-users',
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [
    Ago,
    DatePipe,
    DecimalPipe,
    Empty,
    LucideEllipsisVertical,
    LucidePlus,
    MatButton,
    MatFormFieldModule,
    MatIconButton,
    MatInputModule,
    MatMenuModule,
    MatSelectModule,
    Page,
    Problem,
    ReactiveFormsModule,
    RouterLink,
    Skeleton,
  ],
  templateUrl: './users.html',
  styleUrl: './users.scss',
})
export class AdminUsers {
  private readonly api = inject(Api);
  private readonly auth = inject(Auth);
  private readonly confirm = inject(Confirm);
  private readonly dialog = inject(MatDialog);

  protected readonly tiers = TIERS;
  protected readonly roles = ROLES;
  protected readonly nameOf = nameOf;
  protected readonly wanted = inject(NonNullableFormBuilder).group(NOBODY_LEFT_OUT);
  /** What the list was asked for last. */
  private readonly asked = signal({ ...NOBODY_LEFT_OUT, offset: 0 });

  protected readonly page = signal<Schema<'UserPage'> | undefined>(undefined);
  protected readonly problem = signal<ApiProblem | null>(null);
  /** What went wrong with something that was done to a user. */
  protected readonly deedProblem = signal<ApiProblem | null>(null);
  protected readonly isLoading = signal(false);
  protected readonly busyId = signal('');
  protected readonly told = signal('');
  protected readonly isFiltered = computed(() => {
    const { search, tier, role } = this.asked();
    return `${search}${tier}${role}` !== '';
  });
  /** Counts the questions, so that a late answer to an old one is left aside. */
  private turn = 0;

  constructor() {
    void this.load();
  }

  protected async load(): Promise<void> {
    this.turn += 1;
    const turn = this.turn;
    const { search, tier, role, offset } = this.asked();
    const query = { limit: PAGE, offset, search: search || undefined, tier: tier || undefined, role: role || undefined };
    this.isLoading.set(true);
    this.problem.set(null);
    try {
      const page = await ok(this.api.GET('/api/admin/users', { params: { query } }));
      if (turn === this.turn) this.page.set(page);
    } catch (error) {
      if (turn === this.turn) this.problem.set(ApiProblem.of(error));
    } finally {
      if (turn === this.turn) this.isLoading.set(false);
    }
  }

  protected async filter(): Promise<void> {
    const { search, tier, role } = this.wanted.getRawValue();
    this.asked.set({ search: search.trim(), tier, role, offset: 0 });
    await this.load();
  }

  protected async showAll(): Promise<void> {
    this.wanted.setValue(NOBODY_LEFT_OUT);
    await this.filter();
  }

  protected async turnTo(offset: number): Promise<void> {
    this.asked.update((asked) => ({ ...asked, offset: Math.max(0, offset) }));
    await this.load();
  }

  protected isOwn(user: User): boolean {
    return this.auth.user()?.id === user.id;
  }

  protected async create(): Promise<void> {
    const shown = this.dialog.open<CreateUser, null, string>(CreateUser, { width: '30rem', maxWidth: '95vw' });
    const email = await firstValueFrom(shown.afterClosed());
    if (email === undefined) return;
    this.told.set(`${email} was created.`);
    await this.showAll();
  }

  protected async change(user: User): Promise<void> {
    const data = { data: user, width: '28rem', maxWidth: '95vw' };
    const changed = await this.closed(this.dialog.open<ChangeUser, User, User>(ChangeUser, data).afterClosed());
    if (changed) this.told.set(`${nameOf(changed)} is of tier ${changed.tier} with role ${changed.role} now.`);
  }

  protected async ban(user: User): Promise<void> {
    const data = { data: user, width: '32rem', maxWidth: '95vw' };
    const banned = await this.closed(this.dialog.open<BanUser, User, User>(BanUser, data).afterClosed());
    if (banned) this.told.set(`${nameOf(banned)} is banned.`);
  }

  protected async unban(user: User): Promise<void> {
    await this.doWith(user, async (params) => {
      const answer = await ok(this.api.POST('/api/admin/users/{id}/unban', { params }));
      this.put(answer.user);
      this.told.set(`${nameOf(user)} is let in again.`);
    });
  }

  protected async endSessions(user: User): Promise<void> {
    const isMeant = await this.confirm.ask({
      heading: 'End all sessions?',
      text: `${nameOf(user)} is signed out everywhere and has to sign in again. Keys go on working.`,
      action: 'End the sessions',
    });
    if (!isMeant) return;
    await this.doWith(user, async (params) => {
      const { message } = await ok(this.api.DELETE('/api/admin/users/{id}/sessions', { params }));
      this.told.set(`${message}.`);
    });
  }

  protected async remove(user: User): Promise<void> {
    const isMeant = await this.confirm.ask({
      heading: `Delete ${nameOf(user)}?`,
      text:
        'Their sessions, API keys, rule sets, saved configurations and the record of their jobs go with them. ' +
        'What admins did to them stays in the audit. This can’t be taken back.',
      action: 'Delete the user',
    });
    if (!isMeant) return;
    await this.doWith(user, async (params) => {
      await ok(this.api.DELETE('/api/admin/users/{id}', { params }));
      this.told.set(`${nameOf(user)} was deleted.`);
      await this.load();
    });
  }

  private async doWith(user: User, work: (params: { path: { id: string } }) => Promise<void>): Promise<void> {
    this.busyId.set(user.id);
    this.deedProblem.set(null);
    this.told.set('');
    try {
      await work({ path: { id: user.id } });
    } catch (error) {
      this.deedProblem.set(ApiProblem.of(error));
    } finally {
      this.busyId.set('');
    }
  }

  /** Waits for a dialog, and shows the user as they came out of it. */
  private async closed(dialog: Observable<User | undefined>): Promise<User | undefined> {
    this.deedProblem.set(null);
    const user = await firstValueFrom(dialog);
    if (user) this.put(user);
    return user;
  }

  private put(user: User): void {
    this.page.update((page) => page && { ...page, users: page.users.map((other) => (other.id === user.id ? user : other)) });
  }
}
