import { ChangeDetectionStrategy, Component, inject, signal } from '@angular/core';
import { NonNullableFormBuilder, ReactiveFormsModule, Validators } from '@angular/forms';
import { MatButton } from '@angular/material/button';
import { MatFormFieldModule } from '@angular/material/form-field';
import { MatInputModule } from '@angular/material/input';
import { RouterLink } from '@angular/router';

import { ApiProblem } from '../../api/problem';
import { Auth, problemOf } from '../../auth/auth';
import { Page } from '../../ui/page';
import { Problem } from '../../ui/problem';

@Component({
  selector: 'app-forgot-password',
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [MatButton, MatFormFieldModule, MatInputModule, Page, Problem, ReactiveFormsModule, RouterLink],
  template: `
    <app-page heading="Forgot password" about="A link that lets you choose a new password is mailed to you.">
      @if (sentTo()) {
        <div class="card stack" role="status">
          <p>If there is an account for {{ sentTo() }}, a mail is on its way. The link in it works for an hour.</p>
          <a routerLink="/sign-in">Back to sign in</a>
        </div>
      } @else {
        <form class="stack card" [formGroup]="form" (ngSubmit)="send()">
          <mat-form-field appearance="outline">
            <mat-label>Email</mat-label>
            <input matInput type="email" formControlName="email" autocomplete="username" required>
            <mat-error>Enter the address of your account.</mat-error>
          </mat-form-field>
          <app-problem [problem]="problem()" />
          <button matButton="filled" type="submit" [disabled]="isBusy()">Mail me a link</button>
        </form>
        <p><a routerLink="/sign-in">Back to sign in</a></p>
      }
    </app-page>
  `,
  styleUrl: '../narrow.scss',
})
export class ForgotPassword {
  private readonly auth = inject(Auth);
  protected readonly form = inject(NonNullableFormBuilder).group({
    email: ['', [Validators.required, Validators.email]],
  });
  protected readonly isBusy = signal(false);
  protected readonly problem = signal<ApiProblem | null>(null);
  protected readonly sentTo = signal('');

  protected async send(): Promise<void> {
    this.form.markAllAsTouched();
    if (this.form.invalid || this.isBusy()) return;
    const { email } = this.form.getRawValue();
    this.isBusy.set(true);
    this.problem.set(null);
    try {
      const { error } = await this.auth.client.requestPasswordReset({ email, redirectTo: '/reset-password' });
      if (error) throw problemOf(error);
      this.sentTo.set(email);
    } catch (error) {
      this.problem.set(ApiProblem.of(error));
    } finally {
      this.isBusy.set(false);
    }
  }
}
