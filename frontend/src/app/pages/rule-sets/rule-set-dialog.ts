import { DecimalPipe } from '@angular/common';
import { ChangeDetectionStrategy, Component, computed, inject, signal } from '@angular/core';
import { takeUntilDestroyed } from '@angular/core/rxjs-interop';
import {
  type AbstractControl,
  NonNullableFormBuilder,
  ReactiveFormsModule,
  type ValidationErrors,
  type ValidatorFn,
} from '@angular/forms';
import { MatButton } from '@angular/material/button';
import { MAT_DIALOG_DATA, MatDialogModule, MatDialogRef } from '@angular/material/dialog';
import { MatFormFieldModule } from '@angular/material/form-field';
import { MatInputModule } from '@angular/material/input';
import { filter, merge } from 'rxjs';

import { Api, type Schema, ok } from '../../api/api';
import { ApiProblem } from '../../api/problem';
import { CodeEditor } from '../../ui/code-editor';
import { Confirm } from '../../ui/confirm';
import { Problem } from '../../ui/problem';
import { Skeleton } from '../../ui/skeleton';
import { FileButton } from '../validation/file-button';
import { MAX_DESCRIPTION, MAX_NAME, MAX_RULES, MAX_TAG, MAX_TAGS, faultOf, length, rulesOf, tagsOf } from './bounds';

/** Makes a rule set, or changes the one whose summary it is given. Closes with the set as it was saved. */
@Component({
  selector: 'app-rule-set-dialog',
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [
    CodeEditor,
    DecimalPipe,
    FileButton,
    MatButton,
    MatDialogModule,
    MatFormFieldModule,
    MatInputModule,
    Problem,
    ReactiveFormsModule,
    Skeleton,
  ],
  templateUrl: './rule-set-dialog.html',
  styleUrl: './rule-set-dialog.scss',
})
export class RuleSetDialog {
  private readonly api = inject(Api);
  private readonly confirm = inject(Confirm);
  private readonly dialog = inject<MatDialogRef<RuleSetDialog, Schema<'RuleSet'>>>(MatDialogRef);
  protected readonly summary = inject<Schema<'RuleSetSummary'> | null>(MAT_DIALOG_DATA);

  protected readonly form = inject(NonNullableFormBuilder).group({
    name: ['', [isFilled, isAtMost(MAX_NAME)]],
    description: ['', isAtMost(MAX_DESCRIPTION)],
    tags: ['', areTags],
  });
  protected readonly text = signal('');
  private readonly savedText = signal('');
  protected readonly rules = computed(() => rulesOf(this.text()));
  protected readonly fault = computed(() => faultOf(this.rules()));
  protected readonly isReady = signal(this.summary === null);
  protected readonly isSaving = signal(false);
  /** Whether to tell what is wrong with the rules: not before the first try. */
  protected readonly wasTried = signal(false);
  protected readonly loadProblem = signal<ApiProblem | undefined>(undefined);
  protected readonly problem = signal<ApiProblem | undefined>(undefined);
  protected readonly most = {
    name: MAX_NAME,
    description: MAX_DESCRIPTION,
    rules: MAX_RULES,
    tag: MAX_TAG,
    tags: MAX_TAGS,
  };

  constructor() {
    this.dialog.disableClose = true;
    const escapes = this.dialog.keydownEvents().pipe(filter((event) => event.key === 'Escape'));
    merge(escapes, this.dialog.backdropClick())
      .pipe(takeUntilDestroyed())
      .subscribe(() => void this.close());
    void this.load();
  }

  protected async load(): Promise<void> {
    if (!this.summary) return;
    this.loadProblem.set(undefined);
    try {
      const params = { path: { id: this.summary.id } };
      const { data } = await ok(this.api.GET('/api/rules/{id}', { params }));
      const { name, description, tags, rules } = data;
      this.form.setValue({ name, description: description ?? '', tags: (tags ?? []).join(', ') });
      this.text.set(rules.join('\n'));
      this.savedText.set(this.text());
      this.isReady.set(true);
    } catch (error) {
      this.loadProblem.set(ApiProblem.of(error));
    }
  }

  protected async save(): Promise<void> {
    this.form.markAllAsTouched();
    this.wasTried.set(true);
    if (this.form.invalid || this.fault() || this.isSaving()) return;
    const { name, description, tags } = this.form.getRawValue();
    const body = { name: name.trim(), description: description.trim(), tags: tagsOf(tags), rules: this.rules() };
    this.isSaving.set(true);
    this.problem.set(undefined);
    try {
      const { data } = this.summary
        ? await ok(this.api.PUT('/api/rules/{id}', { params: { path: { id: this.summary.id } }, body }))
        : await ok(this.api.POST('/api/rules', { body }));
      this.dialog.close(data);
    } catch (error) {
      this.problem.set(ApiProblem.of(error));
    } finally {
      this.isSaving.set(false);
    }
  }

  protected async close(): Promise<void> {
    const isChanged = this.form.dirty || this.text() !== this.savedText();
    const mayClose =
      !isChanged ||
      (await this.confirm.ask({
        heading: 'Leave without saving?',
        text: 'What you changed in this set would be lost.',
        action: 'Leave',
      }));
    if (mayClose) this.dialog.close();
  }
}

function isFilled({ value }: AbstractControl<string>): ValidationErrors | null {
  return value.trim() === '' ? { required: true } : null;
}

function isAtMost(most: number): ValidatorFn {
  return ({ value }: AbstractControl<string>) => (length(value.trim()) > most ? { length: true } : null);
}

function areTags({ value }: AbstractControl<string>): ValidationErrors | null {
  const tags = tagsOf(value);
  return tags.length > MAX_TAGS || tags.some((tag) => length(tag) > MAX_TAG) ? { tags: true } : null;
}
