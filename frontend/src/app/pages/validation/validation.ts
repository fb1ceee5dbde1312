import { DecimalPipe } from '@angular/common';
import { ChangeDetectionStrategy, Component, ElementRef, computed, inject, signal, viewChild } from '@angular/core';
import { MatButton } from '@angular/material/button';
import { LucideDownload, LucideListChecks } from '@lucide/angular';

import { Api, type Schema, ok } from '../../api/api';
import { ApiProblem } from '../../api/problem';
import { Turnstile, TurnstileWidget } from '../../auth/turnstile';
import { CodeEditor } from '../../ui/code-editor';
import { download } from '../../ui/download';
import { Page } from '../../ui/page';
import { Problem } from '../../ui/problem';
import { MarkedText } from '../ast-viewer/marked-text';
import type { Span } from '../ast-viewer/tree';
import { FileButton } from './file-button';
import { jumpToLine } from './jump';
import { OneRule } from './one-rule';

/** Faults that are shown at once. There may be thousands. */
const STEP = 100;

/** Tells which lines of a list are no rules, and everything about one of them. */
@Component({
  selector: 'app-validation',
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [
    CodeEditor,
    DecimalPipe,
    FileButton,
    LucideDownload,
    LucideListChecks,
    MarkedText,
    MatButton,
    OneRule,
    Page,
    Problem,
    TurnstileWidget,
  ],
  templateUrl: './validation.html',
  styleUrl: './validation.scss',
})
export class Validation {
  private readonly api = inject(Api);
  private readonly turnstile = inject(Turnstile);
  private readonly editor = viewChild.required(CodeEditor, { read: ElementRef });

  protected readonly text = signal('');
  /** The text as it was checked, and what was found. */
  protected readonly checked = signal<{ text: string; result: Schema<'ValidateResult'> } | undefined>(undefined);
  protected readonly problem = signal<ApiProblem | undefined>(undefined);
  protected readonly isBusy = signal(false);
  private readonly nShown = signal(STEP);

  protected readonly isBlank = computed(() => this.text().trim() === '');
  protected readonly isStale = computed(() => this.checked()?.text !== this.text());
  protected readonly faults = computed(() => this.checked()?.result.errors.slice(0, this.nShown()) ?? []);
  protected readonly nHidden = computed(() => (this.checked()?.result.errors.length ?? 0) - this.faults().length);
  /** Whether every faulty line is known. The service tells a bounded number of them. */
  protected readonly isComplete = computed(() => {
    const result = this.checked()?.result;
    return result !== undefined && result.errors.length === result.invalidRules;
  });

  protected async validate(): Promise<void> {
    this.isBusy.set(true);
    this.problem.set(undefined);
    const text = this.text();
    try {
      const turnstileToken = await this.turnstile.token();
      const result = await ok(this.api.POST('/api/validate', { body: { text, turnstileToken } }));
      this.checked.set({ text, result });
      this.nShown.set(STEP);
    } catch (error) {
      this.problem.set(ApiProblem.of(error));
    } finally {
      this.isBusy.set(false);
    }
  }

  /** Where in the line the fault is, if that is known. */
  protected spanOf(fault: Schema<'ValidationError'>): Span | undefined {
    const { start, end } = fault;
    return typeof start === 'number' && typeof end === 'number' ? { start, end } : undefined;
  }

  protected showMore(): void {
    this.nShown.update((n) => n + STEP);
  }

  protected async jump(line: number): Promise<void> {
    await jumpToLine(this.editor().nativeElement as HTMLElement, line);
  }

  protected saveValid(): void {
    const checked = this.checked();
    if (!checked) return;
    const faulty = new Set(checked.result.errors.map((fault) => fault.line));
    const lines = checked.text.split('\n').filter((_, n) => !faulty.has(n + 1));
    download('valid-rules.txt', lines.join('\n'));
  }
}
