import { ChangeDetectionStrategy, Component, inject, input, signal } from '@angular/core';
import { NonNullableFormBuilder, ReactiveFormsModule, Validators } from '@angular/forms';
import { MatButton } from '@angular/material/button';
import { MatFormFieldModule } from '@angular/material/form-field';
import { MatInputModule } from '@angular/material/input';
import { Router, RouterLink } from '@angular/router';

import { ApiProblem } from '../../api/problem';
import { Auth } from '../../auth/auth';
import { safeNext } from '../../auth/next';
import { Page } from '../../ui/page';
import { Problem } from '../../ui/problem';

@Component({
  selector: 'app-sign-up',
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [MatButton, MatFormFieldModule, MatInputModule, Page, Problem, ReactiveFormsModule, RouterLink],
  templateUrl: './sign-up.html',
  styleUrl: '../narrow.scss',
})
export class SignUp {
  private readonly auth = inject(Auth);
  private readonly router = inject(Router);
  /** Where to go afterwards. */
  readonly next = input<string>();

  protected readonly form = inject(NonNullableFormBuilder).group({
    name: ['', Validators.required],
    email: ['', [Validators.required, Validators.email]],
    password: ['', [Validators.required, Validators.minLength(8), Validators.maxLength(128)]],
  });
  protected readonly isBusy = signal(false);
  protected readonly problem = signal<ApiProblem | null>(null);

  protected async signUp(): Promise<void> {
    this.form.markAllAsTouched();
    if (this.form.invalid || this.isBusy()) return;
    const { name, email, password } = this.form.getRawValue();
    this.isBusy.set(true);
    this.problem.set(null);
    try {
      await this.auth.signUp(name, email, password);
      await this.router.navigateByUrl(safeNext(this.next()));
    } catch (error) {
      this.problem.set(ApiProblem.of(error));
    } finally {
      this.isBusy.set(false);
    }
  }
}
