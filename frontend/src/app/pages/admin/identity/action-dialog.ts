import { ChangeDetectionStrategy, Component, inject, signal } from '@angular/core';
import { type AbstractControl, NonNullableFormBuilder, ReactiveFormsModule, type ValidationErrors, Validators } from '@angular/forms';
import { MatButton } from '@angular/material/button';
import { MAT_DIALOG_DATA, MatDialogModule, MatDialogRef } from '@angular/material/dialog';
import { MatFormFieldModule } from '@angular/material/form-field';
import { MatInputModule } from '@angular/material/input';
import { MatSelectModule } from '@angular/material/select';

import { Api, type Schema, ok } from '../../../api/api';
import { ApiProblem } from '../../../api/problem';
import { Problem } from '../../../ui/problem';

export type Deed = 'reset' | 'override' | 'clear' | 'ban' | 'unban';

/** What is to be done to whom. */
export interface Wanted {
  deed: Deed;
  identity: string;
  policies: string[];
  /** The policy that is meant, if one is. */
  policy?: string;
}

interface Words {
  heading: string;
  about: string;
  action: string;
}

const WORDS: Record<Deed, Words> = {
  reset: { heading: 'Reset counters', about: 'What was used is forgotten: the next request finds an empty window.', action: 'Reset' },
  override: { heading: 'Give another quota', about: 'It holds from the next request on, in place of the policy’s own.', action: 'Set the quota' },
  clear: { heading: 'Take the quota back', about: 'The policy’s own quota holds again from the next request on.', action: 'Take it back' },
  ban: { heading: 'Ban', about: 'From the next request on everything is refused.', action: 'Ban' },
  unban: { heading: 'Lift the ban', about: 'Requests are counted and let in again.', action: 'Lift the ban' },
};
const ALL = '';
/** Bounds of the service. */
const MAX_REASON = 500;
const MAX_VALUE = 1_000_000_000;

/** Asks for what an action needs and does it. Closes with what it changed. */
@Component({
  selector: 'app-action-dialog',
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [MatButton, MatDialogModule, MatFormFieldModule, MatInputModule, MatSelectModule, Problem, ReactiveFormsModule],
  template: `
    <h2 mat-dialog-title>{{ words.heading }}</h2>
    <mat-dialog-content>
      <form id="action" class="stack" [formGroup]="form" (ngSubmit)="act()">
        <p>
          <code>{{ wanted.identity }}</code
          >: {{ words.about }}
        </p>
        @if (asksFor.policy) {
          <mat-form-field appearance="outline">
            <mat-label>Policy</mat-label>
            <mat-select formControlName="policy">
              @if (wanted.deed === 'reset') {
                <mat-option [value]="all">all policies</mat-option>
              }
              @for (policy of wanted.policies; track policy) {
                <mat-option [value]="policy">{{ policy }}</mat-option>
              }
            </mat-select>
          </mat-form-field>
        }
        @if (asksFor.value) {
          <mat-form-field appearance="outline">
            <mat-label>Units per window</mat-label>
            <input matInput type="number" inputmode="numeric" min="1" formControlName="value" />
            <mat-hint>To let nothing in, ban.</mat-hint>
            <mat-error>Enter a whole number from 1 to {{ maxValue.toLocaleString('en') }}.</mat-error>
          </mat-form-field>
        }
        @if (asksFor.until) {
          <mat-form-field appearance="outline">
            <mat-label>Until (optional)</mat-label>
            <input matInput type="datetime-local" formControlName="until" />
            <mat-hint>In your time zone. Without it, it stays until it is taken back.</mat-hint>
            <mat-error>Choose an instant that is still ahead.</mat-error>
          </mat-form-field>
        }
        @if (asksFor.reason) {
          <mat-form-field appearance="outline">
            <mat-label>Reason{{ wanted.deed === 'reset' ? ' (optional)' : '' }}</mat-label>
            <textarea matInput rows="2" formControlName="reason"></textarea>
            <mat-hint>The audit keeps it.</mat-hint>
            <mat-error>A reason has 1 to {{ maxReason }} characters.</mat-error>
          </mat-form-field>
        }
        <app-problem [problem]="problem()" />
      </form>
    </mat-dialog-content>
    <mat-dialog-actions align="end">
      <button matButton type="button" mat-dialog-close>Cancel</button>
      <button matButton="filled" type="submit" form="action" [disabled]="isBusy()">{{ words.action }}</button>
    </mat-dialog-actions>
  `,
})
export class ActionDialog {
  private readonly api = inject(Api);
  private readonly dialog = inject<MatDialogRef<ActionDialog, Schema<'AdminAction'>>>(MatDialogRef);
  protected readonly wanted = inject<Wanted>(MAT_DIALOG_DATA);

  protected readonly all = ALL;
  protected readonly maxReason = MAX_REASON;
  protected readonly maxValue = MAX_VALUE;
  protected readonly words = WORDS[this.wanted.deed];
  protected readonly asksFor = {
    policy: ['reset', 'override', 'clear'].includes(this.wanted.deed),
    value: this.wanted.deed === 'override',
    until: ['override', 'ban'].includes(this.wanted.deed),
    reason: ['reset', 'override', 'ban'].includes(this.wanted.deed),
  };
  protected readonly form = inject(NonNullableFormBuilder).group({
    policy: this.wanted.policy ?? (this.wanted.deed === 'reset' ? ALL : (this.wanted.policies[0] ?? ALL)),
    value: [null as number | null, this.asksFor.value ? [Validators.required, isQuota] : []],
    /** As the browser's own field has it: local time without a zone. */
    until: ['', isAhead],
    reason: ['', ['override', 'ban'].includes(this.wanted.deed) ? [isReason, Validators.required] : isReason],
  });
  protected readonly isBusy = signal(false);
  protected readonly problem = signal<ApiProblem | undefined>(undefined);

  protected async act(): Promise<void> {
    // What was ahead when it was entered may be past by now.
    this.form.controls.until.updateValueAndValidity();
    this.form.markAllAsTouched();
    if (this.form.invalid || this.isBusy()) return;
    this.isBusy.set(true);
    this.problem.set(undefined);
    try {
      this.dialog.close(await this.ask());
    } catch (error) {
      this.problem.set(ApiProblem.of(error));
    } finally {
      this.isBusy.set(false);
    }
  }

  private ask(): Promise<Schema<'AdminAction'>> {
    const { policy, value, until, reason } = this.form.getRawValue();
    const params = { path: { identity: this.wanted.identity } };
    const expiresAt = until ? Date.parse(until) : undefined;
    switch (this.wanted.deed) {
      case 'reset': {
        const body = { policy: policy || undefined, reason: reason.trim() || undefined };
        return ok(this.api.POST('/api/admin/limits/{identity}/reset', { params, body }));
      }
      case 'override': {
        const body = { policy, value: value ?? 1, expiresAt, reason: reason.trim() };
        return ok(this.api.PUT('/api/admin/limits/{identity}/override', { params, body }));
      }
      case 'clear':
        return ok(this.api.DELETE('/api/admin/limits/{identity}/override', { params: { ...params, query: { policy } } }));
      case 'ban':
        return ok(this.api.PUT('/api/admin/limits/{identity}/ban', { params, body: { expiresAt, reason: reason.trim() } }));
      case 'unban':
        return ok(this.api.DELETE('/api/admin/limits/{identity}/ban', { params }));
    }
  }
}

function isQuota({ value }: AbstractControl<number | null>): ValidationErrors | null {
  return value === null || (Number.isInteger(value) && value >= 1 && value <= MAX_VALUE) ? null : { quota: true };
}

function isAhead({ value }: AbstractControl<string>): ValidationErrors | null {
  return value === '' || Date.parse(value) > Date.now() ? null : { past: true };
}

/** The service counts bytes; that many characters may have more. */
function isReason({ value }: AbstractControl<string>): ValidationErrors | null {
  return new TextEncoder().encode(value.trim()).length <= MAX_REASON && (value === '' || value.trim() !== '') ? null : { reason: true };
}
