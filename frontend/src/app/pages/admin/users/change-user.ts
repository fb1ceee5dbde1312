import { ChangeDetectionStrategy, Component, inject, signal } from '@angular/core';
import { NonNullableFormBuilder, ReactiveFormsModule } from '@angular/forms';
import { MatButton } from '@angular/material/button';
import { MAT_DIALOG_DATA, MatDialogModule, MatDialogRef } from '@angular/material/dialog';
import { MatFormFieldModule } from '@angular/material/form-field';
import { MatSelectModule } from '@angular/material/select';

import { Api, type Schema, ok } from '../../../api/api';
import { ApiProblem } from '../../../api/problem';
import { Auth } from '../../../auth/auth';
import { Problem } from '../../../ui/problem';
import { ROLES, TIERS, nameOf } from './names';

/** Gives a user another tier or role. Closes with the user as they are then. */
@Component({
  selector: 'app-change-user',
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [MatButton, MatDialogModule, MatFormFieldModule, MatSelectModule, Problem, ReactiveFormsModule],
  templateUrl: './change-user.html',
})
export class ChangeUser {
  private readonly api = inject(Api);
  private readonly dialog = inject<MatDialogRef<ChangeUser, Schema<'AdminUser'>>>(MatDialogRef);
  protected readonly user = inject<Schema<'AdminUser'>>(MAT_DIALOG_DATA);

  protected readonly name = nameOf(this.user);
  protected readonly isOwn = inject(Auth).user()?.id === this.user.id;
  protected readonly tiers = TIERS;
  // Roles that the service no longer gives are kept until another is chosen.
  protected readonly roles = ROLES.includes(this.user.role) ? ROLES : [this.user.role, ...ROLES];
  protected readonly form = inject(NonNullableFormBuilder).group({ tier: this.user.tier, role: this.user.role });
  protected readonly isBusy = signal(false);
  protected readonly problem = signal<ApiProblem | null>(null);

  protected async save(): Promise<void> {
    if (this.isBusy()) return;
    const { tier, role } = this.form.getRawValue();
    const body = {
      tier: tier === this.user.tier ? undefined : tier,
      role: role === this.user.role ? undefined : role,
    };
    if (body.tier === undefined && body.role === undefined) {
      this.dialog.close();
      return;
    }
    this.isBusy.set(true);
    this.problem.set(null);
    try {
      const params = { path: { id: this.user.id } };
      const { user } = await ok(this.api.PATCH('/api/admin/users/{id}', { params, body }));
      this.dialog.close(user);
    } catch (error) {
      this.problem.set(ApiProblem.of(error));
    } finally {
      this.isBusy.set(false);
    }
  }
}
