import { ChangeDetectionStrategy, Component, inject, signal } from '@angular/core';
import { NonNullableFormBuilder, ReactiveFormsModule, Validators } from '@angular/forms';
import { MatButton } from '@angular/material/button';
import { MatDialogModule, MatDialogRef } from '@angular/material/dialog';
import { MatFormFieldModule } from '@angular/material/form-field';
import { MatInputModule } from '@angular/material/input';
import { MatSelectModule } from '@angular/material/select';

import { Api, ok } from '../../../api/api';
import { ApiProblem } from '../../../api/problem';
import { Problem } from '../../../ui/problem';
import { ROLES } from './names';

const MAX_NAME = 100;

/** Makes a user. Closes with the address of the one that was made. */
@Component({
  selector: 'app-create-user',
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [MatButton, MatDialogModule, MatFormFieldModule, MatInputModule, MatSelectModule, Problem, ReactiveFormsModule],
  templateUrl: './create-user.html',
})
export class CreateUser {
  private readonly api = inject(Api);
  private readonly dialog = inject<MatDialogRef<CreateUser, string>>(MatDialogRef);

  protected readonly roles = ROLES;
  protected readonly maxName = MAX_NAME;
  protected readonly form = inject(NonNullableFormBuilder).group({
    email: ['', [Validators.required, Validators.email]],
    name: ['', Validators.maxLength(MAX_NAME)],
    role: 'user',
  });
  protected readonly isBusy = signal(false);
  protected readonly problem = signal<ApiProblem | null>(null);

  protected async create(): Promise<void> {
    this.form.markAllAsTouched();
    if (this.form.invalid || this.isBusy()) return;
    const { email, name, role } = this.form.getRawValue();
    this.isBusy.set(true);
    this.problem.set(null);
    try {
      const body = { email: email.trim(), displayName: name.trim() || undefined, role };
      const { user } = await ok(this.api.POST('/api/admin/auth/users', { body }));
      this.dialog.close(user.email);
    } catch (error) {
      this.problem.set(ApiProblem.of(error));
    } finally {
      this.isBusy.set(false);
    }
  }
}
