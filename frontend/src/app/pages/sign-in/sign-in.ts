import { ChangeDetectionStrategy, Component, PLATFORM_ID, inject, input, signal } from '@angular/core';
import { isPlatformBrowser } from '@angular/common';
import { NonNullableFormBuilder, ReactiveFormsModule, Validators } from '@angular/forms';
import { MatButton } from '@angular/material/button';
import { MatCheckbox } from '@angular/material/checkbox';
import { MatFormFieldModule } from '@angular/material/form-field';
import { MatInputModule } from '@angular/material/input';
import { Router, RouterLink } from '@angular/router';

import { ApiProblem } from '../../api/problem';
import { Auth } from '../../auth/auth';
import { Clerk } from '../../auth/clerk';
import { safeNext } from '../../auth/next';
import { Page } from '../../ui/page';
import { Problem } from '../../ui/problem';

@Component({
  selector: 'app-sign-in',
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [MatButton, MatCheckbox, MatFormFieldModule, MatInputModule, Page, Problem, ReactiveFormsModule, RouterLink],
  templateUrl: './sign-in.html',
  styleUrl: '../narrow.scss',
})
export class SignIn {
  private readonly auth = inject(Auth);
  private readonly clerk = inject(Clerk);
  private readonly router = inject(Router);
  /** Where to go afterwards. */
  readonly next = input<string>();

  protected readonly form = inject(NonNullableFormBuilder).group({
    email: ['', [Validators.required, Validators.email]],
    password: ['', Validators.required],
    rememberMe: [true],
  });
  protected readonly isShown = signal(false);
  protected readonly isBusy = signal(false);
  protected readonly problem = signal<ApiProblem | null>(null);
  protected readonly offersClerk = signal(false);

  constructor() {
    if (isPlatformBrowser(inject(PLATFORM_ID))) void this.askForClerk();
  }

  protected async signIn(): Promise<void> {
    this.form.markAllAsTouched();
    if (this.form.invalid || this.isBusy()) return;
    const { email, password, rememberMe } = this.form.getRawValue();
    await this.attempt(async () => {
      await this.auth.signIn(email, password, rememberMe);
      await this.router.navigateByUrl(safeNext(this.next()));
    });
  }

  protected async useClerk(): Promise<void> {
    await this.attempt(() => this.clerk.signIn(safeNext(this.next())));
  }

  private async attempt(work: () => Promise<void>): Promise<void> {
    this.isBusy.set(true);
    this.problem.set(null);
    try {
      await work();
    } catch (error) {
      this.problem.set(explained(ApiProblem.of(error)));
    } finally {
      this.isBusy.set(false);
    }
  }

  private async askForClerk(): Promise<void> {
    // Without an answer the form alone is offered.
    this.offersClerk.set((await this.clerk.publishableKey().catch(() => null)) !== null);
  }
}

function explained(problem: ApiProblem): ApiProblem {
  const texts: Record<string, string> = {
    INVALID_EMAIL_OR_PASSWORD: 'This address and password do not belong together. Check both, or reset the password.',
    EMAIL_NOT_VERIFIED: 'Your address is not verified yet. Follow the link in the mail that was sent to it.',
    BANNED_USER: 'This account is suspended. Ask an admin why.',
  };
  const text = texts[problem.code];
  // It is about the form, so the general advice for its status would mislead.
  return text ? new ApiProblem(0, text, problem.code) : problem;
}
