import { DecimalPipe } from '@angular/common';
import { ChangeDetectionStrategy, Component, computed, inject, signal } from '@angular/core';
import { MatButton, MatIconButton } from '@angular/material/button';
import { MatDialog } from '@angular/material/dialog';
import { LucideDownload, LucideListChecks, LucidePencil, LucidePlus, LucideTrash2 } from '@lucide/angular';
import { firstValueFrom } from 'rxjs';

import { Api, type Schema, ok } from '../../api/api';
import { ApiProblem } from '../../api/problem';
import { Turnstile, TurnstileWidget } from '../../auth/turnstile';
import { Ago } from '../../ui/ago';
import { Confirm } from '../../ui/confirm';
import { download } from '../../ui/download';
import { Empty } from '../../ui/empty';
import { Page } from '../../ui/page';
import { Problem } from '../../ui/problem';
import { Skeleton } from '../../ui/skeleton';
import { MAX_SETS } from './bounds';
import { RuleSetDialog } from './rule-set-dialog';

type Summary = Schema<'RuleSetSummary'>;

/** Sets of rules that the user keeps. */
@Component({
  selector: 'app-rule-sets',
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [
    Ago,
    DecimalPipe,
    Empty,
    LucideDownload,
    LucideListChecks,
    LucidePencil,
    LucidePlus,
    LucideTrash2,
    MatButton,
    MatIconButton,
    Page,
    Problem,
    Skeleton,
    TurnstileWidget,
  ],
  templateUrl: './rule-sets.html',
  styleUrl: './rule-sets.scss',
})
export class RuleSets {
  private readonly api = inject(Api);
  private readonly confirm = inject(Confirm);
  private readonly dialog = inject(MatDialog);
  private readonly turnstile = inject(Turnstile);

  protected readonly sets = signal<Summary[] | undefined>(undefined);
  protected readonly loadProblem = signal<ApiProblem | undefined>(undefined);
  /** What went wrong with something that was done to a set. */
  protected readonly problem = signal<ApiProblem | undefined>(undefined);
  /** The set that something is done to. */
  protected readonly busyId = signal('');
  protected readonly told = signal('');
  /** Lines that are not valid, by the id of the set. */
  protected readonly checks = signal<Record<string, { invalid: number; total: number }>>({});
  protected readonly most = MAX_SETS;
  protected readonly isFull = computed(() => (this.sets()?.length ?? 0) >= MAX_SETS);

  constructor() {
    void this.load();
  }

  protected async load(): Promise<void> {
    this.loadProblem.set(undefined);
    try {
      const { items } = await ok(this.api.GET('/api/rules'));
      this.sets.set(items);
    } catch (error) {
      this.loadProblem.set(ApiProblem.of(error));
    }
  }

  /** Opens a set to be changed; a new one if none is given. */
  protected async edit(set: Summary | null): Promise<void> {
    const shown = this.dialog.open<RuleSetDialog, Summary | null, Schema<'RuleSet'>>(RuleSetDialog, {
      data: set,
      width: '56rem',
      maxWidth: '96vw',
    });
    const saved = await firstValueFrom(shown.afterClosed());
    if (!saved) return;
    this.told.set(`“${saved.name}” was saved.`);
    this.forgetCheck(saved.id);
    await this.load();
  }

  protected async remove(set: Summary): Promise<void> {
    const isMeant = await this.confirm.ask({
      heading: `Delete “${set.name}”?`,
      text: 'The set and its rules will be gone. That can’t be taken back.',
      action: 'Delete',
    });
    if (!isMeant) return;
    await this.doWith(set, async () => {
      await ok(this.api.DELETE('/api/rules/{id}', { params: { path: { id: set.id } } }));
      this.told.set(`“${set.name}” was deleted.`);
      this.forgetCheck(set.id);
      this.sets.update((sets) => sets?.filter(({ id }) => id !== set.id));
    });
  }

  protected async save(set: Summary): Promise<void> {
    await this.doWith(set, async () => {
      const rules = await this.rulesOf(set);
      download(`${set.name.replace(/[^\p{L}\p{N}._-]+/gu, '-')}.txt`, `${rules.join('\n')}\n`);
    });
  }

  protected async validate(set: Summary): Promise<void> {
    await this.doWith(set, async () => {
      const rules = await this.rulesOf(set);
      const turnstileToken = await this.turnstile.token();
      const body = { rules, turnstileToken };
      const { invalidRules, totalRules } = await ok(this.api.POST('/api/validate', { body }));
      this.checks.update((checks) => ({ ...checks, [set.id]: { invalid: invalidRules, total: totalRules } }));
      this.told.set(
        `“${set.name}”: ${invalidRules.toLocaleString('en')} of ${totalRules.toLocaleString('en')} lines are not valid.`,
      );
    });
  }

  private async rulesOf(set: Summary): Promise<string[]> {
    const { data } = await ok(this.api.GET('/api/rules/{id}', { params: { path: { id: set.id } } }));
    return data.rules;
  }

  private async doWith(set: Summary, work: () => Promise<void>): Promise<void> {
    this.busyId.set(set.id);
    this.problem.set(undefined);
    this.told.set('');
    try {
      await work();
    } catch (error) {
      this.problem.set(ApiProblem.of(error));
    } finally {
      this.busyId.set('');
    }
  }

  private forgetCheck(id: string): void {
    this.checks.update(({ [id]: _, ...others }) => others);
  }
}
