import { ChangeDetectionStrategy, Component, computed, inject, signal } from '@angular/core';
import { MatButton } from '@angular/material/button';
import { MatExpansionModule } from '@angular/material/expansion';
import { LucidePlay } from '@lucide/angular';

import { Api, type Schema, ok } from '../../api/api';
import { ApiProblem } from '../../api/problem';
import { Turnstile, TurnstileWidget } from '../../auth/turnstile';
import { CodeEditor } from '../../ui/code-editor';
import { Empty } from '../../ui/empty';
import { Page } from '../../ui/page';
import { Problem } from '../../ui/problem';
import { Skeleton } from '../../ui/skeleton';
import { RuleDetails } from './rule-details';

const EXAMPLE = [
  '||ads.example.org^$script,third-party,domain=example.com|~shop.example.com',
  '@@||example.net/allowed.js',
  'example.com,~www.example.com##.banner > .ad',
  "example.org#%#//scriptlet('set-constant', 'adblock', 'false')",
  '0.0.0.0 tracker.example # a tracker',
].join('\n');
/** Rules that are shown at once. Each has a panel, and thousands of them would make the page slow. */
const STEP = 50;

/** Shows how rules are read: every rule as a syntax tree. */
@Component({
  selector: 'app-ast-viewer',
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [
    CodeEditor,
    Empty,
    LucidePlay,
    MatButton,
    MatExpansionModule,
    Page,
    Problem,
    RuleDetails,
    Skeleton,
    TurnstileWidget,
  ],
  templateUrl: './ast-viewer.html',
  styleUrl: './ast-viewer.scss',
})
export class AstViewer {
  private readonly api = inject(Api);
  private readonly turnstile = inject(Turnstile);

  protected readonly text = signal(EXAMPLE);
  protected readonly result = signal<Schema<'AstParseResult'> | undefined>(undefined);
  protected readonly problem = signal<ApiProblem | undefined>(undefined);
  protected readonly isBusy = signal(false);
  private readonly nShown = signal(STEP);

  protected readonly isBlank = computed(() => this.text().trim() === '');
  protected readonly rules = computed(() => (this.result()?.parsedRules ?? []).slice(0, this.nShown()));
  protected readonly nHidden = computed(() => (this.result()?.parsedRules.length ?? 0) - this.rules().length);
  protected readonly categories = computed(() => counts(this.result()?.summary.byCategory));
  protected readonly types = computed(() => counts(this.result()?.summary.byType));

  protected async parse(): Promise<void> {
    this.isBusy.set(true);
    this.problem.set(undefined);
    try {
      const turnstileToken = await this.turnstile.token();
      const body = { text: this.text(), turnstileToken };
      this.result.set(await ok(this.api.POST('/api/ast/parse', { body })));
      this.nShown.set(STEP);
    } catch (error) {
      this.problem.set(ApiProblem.of(error));
    } finally {
      this.isBusy.set(false);
    }
  }

  protected showMore(): void {
    this.nShown.update((n) => n + STEP);
  }
}

/** The largest first. */
function counts(byName: Record<string, number> | undefined): { name: string; n: number }[] {
  return Object.entries(byName ?? {})
    .map(([name, n]) => ({ name, n }))
    .sort((a, b) => b.n - a.n);
}
