import { ChangeDetectionStrategy, Component, inject, input, signal } from '@angular/core';
import { NonNullableFormBuilder, ReactiveFormsModule, Validators } from '@angular/forms';
import { MatButton } from '@angular/material/button';
import { MatFormFieldModule } from '@angular/material/form-field';
import { MatInputModule } from '@angular/material/input';
import { RouterLink } from '@angular/router';

import { ApiProblem } from '../../api/problem';
import { Auth, problemOf } from '../../auth/auth';
import { Empty } from '../../ui/empty';
import { Page } from '../../ui/page';
import { Problem } from '../../ui/problem';

/** Where the link of a mail leads, with a token or with what is wrong. */
@Component({
  selector: 'app-reset-password',
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [Empty, MatButton, MatFormFieldModule, MatInputModule, Page, Problem, ReactiveFormsModule, RouterLink],
  template: `
    <app-page heading="Choose a new password">
      @if (isDone()) {
        <div class="card stack" role="status">
          <p>Your password is changed.</p>
          <a matButton="filled" routerLink="/sign-in">Sign in</a>
        </div>
      } @else if (error() || !token()) {
        <app-empty heading="This link does not work any more" text="It was used already, or is older than an hour.">
          <a matButton="filled" routerLink="/forgot-password">Mail me another one</a>
        </app-empty>
      } @else {
        <form class="stack card" [formGroup]="form" (ngSubmit)="save()">
          <mat-form-field appearance="outline">
            <mat-label>New password</mat-label>
            <input matInput type="password" formControlName="password" autocomplete="new-password" required>
            <mat-hint>8 to 128 characters</mat-hint>
            <mat-error>It must have 8 to 128 characters.</mat-error>
          </mat-form-field>
          <app-problem [problem]="problem()" />
          <button matButton="filled" type="submit" [disabled]="isBusy()">Change the password</button>
        </form>
      }
    </app-page>
  `,
  styleUrl: '../narrow.scss',
})
export class ResetPassword {
  private readonly auth = inject(Auth);
  readonly token = input<string>();
  readonly error = input<string>();
  protected readonly form = inject(NonNullableFormBuilder).group({
    password: ['', [Validators.required, Validators.minLength(8), Validators.maxLength(128)]],
  });
  protected readonly isBusy = signal(false);
  protected readonly isDone = signal(false);
  protected readonly problem = signal<ApiProblem | null>(null);

  protected async save(): Promise<void> {
    this.form.markAllAsTouched();
    const token = this.token();
    if (this.form.invalid || this.isBusy() || !token) return;
    this.isBusy.set(true);
    this.problem.set(null);
    try {
      const newPassword = this.form.getRawValue().password;
      const { error } = await this.auth.client.resetPassword({ newPassword, token });
      if (error) throw problemOf(error);
      this.isDone.set(true);
    } catch (error) {
      this.problem.set(ApiProblem.of(error));
    } finally {
      this.isBusy.set(false);
    }
  }
}
