import { ChangeDetectionStrategy, Component, effect, inject, input, signal, untracked } from '@angular/core';
import { NonNullableFormBuilder, ReactiveFormsModule } from '@angular/forms';
import { MatButton, MatIconButton } from '@angular/material/button';
import { MatFormFieldModule } from '@angular/material/form-field';
import { MatInputModule } from '@angular/material/input';
import { Router, RouterLink } from '@angular/router';
import { LucideChevronDown, LucideChevronRight } from '@lucide/angular';

import { Api, type Schema, ok } from '../../../api/api';
import { ApiProblem } from '../../../api/problem';
import { Ago } from '../../../ui/ago';
import { Empty } from '../../../ui/empty';
import { Page } from '../../../ui/page';
import { Problem } from '../../../ui/problem';
import { Skeleton } from '../../../ui/skeleton';
import { AuditEntryDetails } from './audit-entry';

type Entry = Schema<'AuditEntry'>;

const PAGE = 50;
const OUTCOMES: Record<string, { word: string; tone: string }> = {
  pending: { word: 'pending', tone: 'warn' },
  done: { word: 'done', tone: 'good' },
  never_happened: { word: 'never happened', tone: 'bad' },
};

/** What admins did, the newest first. */
@Component({
  selector: 'app-admin-audit',
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [
    Ago,
    AuditEntryDetails,
    Empty,
    LucideChevronDown,
    LucideChevronRight,
    MatButton,
    MatFormFieldModule,
    MatIconButton,
    MatInputModule,
    Page,
    Problem,
    ReactiveFormsModule,
    RouterLink,
    Skeleton,
  ],
  templateUrl: './audit.html',
  styleUrl: './audit.scss',
})
export class AdminAudit {
  private readonly api = inject(Api);
  private readonly router = inject(Router);

  /** Whose actions are shown, from the address; everybody's if it names nobody. */
  readonly identity = input<string>();

  protected readonly wanted = inject(NonNullableFormBuilder).group({ identity: '' });
  protected readonly entries = signal<Entry[] | undefined>(undefined);
  protected readonly next = signal<string | null>(null);
  protected readonly problem = signal<ApiProblem | null>(null);
  protected readonly isBusy = signal(false);
  protected readonly openId = signal('');
  /** Counts the questions, so that a late answer to an old one is left aside. */
  private asked = 0;

  constructor() {
    effect(() => {
      const identity = this.identity() ?? '';
      untracked(() => {
        this.wanted.setValue({ identity });
        this.entries.set(undefined);
        void this.load();
      });
    });
  }

  /** Loads the newest, or what comes `after` those that are there. */
  protected async load(after?: string): Promise<void> {
    this.asked += 1;
    const turn = this.asked;
    const identity = this.identity() || undefined;
    this.isBusy.set(true);
    this.problem.set(null);
    try {
      const query = { identity, limit: PAGE, after };
      const page = await ok(this.api.GET('/api/admin/limits/audit', { params: { query } }));
      if (turn !== this.asked) return;
      this.entries.update((entries) => (after ? [...(entries ?? []), ...page.entries] : page.entries));
      this.next.set(page.next);
    } catch (error) {
      if (turn === this.asked) this.problem.set(ApiProblem.of(error));
    } finally {
      if (turn === this.asked) this.isBusy.set(false);
    }
  }

  protected async filter(): Promise<void> {
    const identity = this.wanted.getRawValue().identity.trim() || null;
    await this.router.navigate(['/admin/audit'], { queryParams: { identity } });
  }

  protected async showAll(): Promise<void> {
    this.wanted.setValue({ identity: '' });
    await this.filter();
  }

  protected toggle(id: string): void {
    this.openId.update((open) => (open === id ? '' : id));
  }

  protected outcome({ outcome }: Entry): { word: string; tone: string } {
    return OUTCOMES[outcome] ?? { word: outcome, tone: '' };
  }

  protected deed({ action }: Entry): string {
    return action.replaceAll('_', ' ');
  }

  protected reason({ details }: Entry): string {
    const reason = typeof details === 'string' ? undefined : details['reason'];
    return typeof reason === 'string' ? reason : '';
  }

  /** Not everything that is written down is about somebody. */
  protected isIdentity({ identity }: Entry): boolean {
    return identity.includes(':');
  }
}
