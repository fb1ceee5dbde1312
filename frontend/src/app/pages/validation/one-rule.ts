import { ChangeDetectionStrategy, Component, computed, inject, signal } from '@angular/core';
import { type AbstractControl, NonNullableFormBuilder, ReactiveFormsModule, type ValidationErrors, Validators } from '@angular/forms';
import { MatButton } from '@angular/material/button';
import { MatFormFieldModule } from '@angular/material/form-field';
import { MatInputModule } from '@angular/material/input';

import { Api, type Schema, ok } from '../../api/api';
import { ApiProblem } from '../../api/problem';
import { Problem } from '../../ui/problem';
import { RuleDetails } from '../ast-viewer/rule-details';
import { Conversion } from './conversion';

/** One rule in depth: whether it is valid, what it matches, how it is read, and how others would write it. */
@Component({
  selector: 'app-one-rule',
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [Conversion, MatButton, MatFormFieldModule, MatInputModule, Problem, ReactiveFormsModule, RuleDetails],
  templateUrl: './one-rule.html',
  styleUrl: './one-rule.scss',
})
export class OneRule {
  private readonly api = inject(Api);

  protected readonly form = inject(NonNullableFormBuilder).group({
    rule: ['', [Validators.required, Validators.pattern(/\S/)]],
    testUrl: ['', isAddress],
  });
  protected readonly result = signal<Schema<'RuleCheck'> | undefined>(undefined);
  protected readonly problem = signal<ApiProblem | undefined>(undefined);
  protected readonly isBusy = signal(false);
  /** The rule as it was checked, as the service reads it. */
  protected readonly rule = computed(() => this.result()?.rule.trim() ?? '');

  protected async check(): Promise<void> {
    this.form.markAllAsTouched();
    if (this.form.invalid) return;
    const { rule, testUrl } = this.form.getRawValue();
    this.isBusy.set(true);
    this.problem.set(undefined);
    try {
      const body = { rule, testUrl: testUrl.trim() || undefined };
      this.result.set(await ok(this.api.POST('/api/validate-rule', { body })));
    } catch (error) {
      this.problem.set(ApiProblem.of(error));
    } finally {
      this.isBusy.set(false);
    }
  }
}

function isAddress({ value }: AbstractControl<string>): ValidationErrors | null {
  return value.trim() === '' || URL.canParse(value.trim()) ? null : { address: true };
}
