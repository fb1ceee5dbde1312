import { ChangeDetectionStrategy, Component, inject, signal } from '@angular/core';
import { type AbstractControl, NonNullableFormBuilder, ReactiveFormsModule, type ValidationErrors, Validators } from '@angular/forms';
import { MatButton } from '@angular/material/button';
import { MAT_DIALOG_DATA, MatDialogModule, MatDialogRef } from '@angular/material/dialog';
import { MatFormFieldModule } from '@angular/material/form-field';
import { MatInputModule } from '@angular/material/input';

import { Api, type Schema, ok } from '../../../api/api';
import { ApiProblem } from '../../../api/problem';
import { Problem } from '../../../ui/problem';
import { nameOf } from './names';

const MAX_REASON = 500;

/** Bans a user. Closes with the user as they are then. */
@Component({
  selector: 'app-ban-user',
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [MatButton, MatDialogModule, MatFormFieldModule, MatInputModule, Problem, ReactiveFormsModule],
  templateUrl: './ban-user.html',
})
export class BanUser {
  private readonly api = inject(Api);
  private readonly dialog = inject<MatDialogRef<BanUser, Schema<'AdminUser'>>>(MatDialogRef);
  protected readonly user = inject<Schema<'AdminUser'>>(MAT_DIALOG_DATA);

  protected readonly name = nameOf(this.user);
  protected readonly maxReason = MAX_REASON;
  protected readonly form = inject(NonNullableFormBuilder).group({
    reason: ['', Validators.maxLength(MAX_REASON)],
    /** As the browser's own field has it: local time without a zone. */
    until: ['', isAhead],
  });
  protected readonly isBusy = signal(false);
  protected readonly problem = signal<ApiProblem | null>(null);

  protected async ban(): Promise<void> {
    // What was ahead when it was entered may be past by now.
    this.form.controls.until.updateValueAndValidity();
    this.form.markAllAsTouched();
    if (this.form.invalid || this.isBusy()) return;
    const { reason, until } = this.form.getRawValue();
    this.isBusy.set(true);
    this.problem.set(null);
    try {
      const body = { reason: reason.trim() || undefined, expires: until ? new Date(until).toISOString() : undefined };
      const params = { path: { id: this.user.id } };
      const { user } = await ok(this.api.POST('/api/admin/users/{id}/ban', { params, body }));
      this.dialog.close(user);
    } catch (error) {
      this.problem.set(ApiProblem.of(error));
    } finally {
      this.isBusy.set(false);
    }
  }
}

function isAhead({ value }: AbstractControl<string>): ValidationErrors | null {
  return value === '' || Date.parse(value) > Date.now() ? null : { past: true };
}
