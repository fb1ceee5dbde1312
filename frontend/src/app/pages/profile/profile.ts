import { ChangeDetectionStrategy, Component, computed, inject, signal } from '@angular/core';
import { NonNullableFormBuilder, ReactiveFormsModule, Validators } from '@angular/forms';
import { MatButton } from '@angular/material/button';
import { MatCheckbox } from '@angular/material/checkbox';
import { MatFormFieldModule } from '@angular/material/form-field';
import { MatInputModule } from '@angular/material/input';
import { Router } from '@angular/router';

import { ApiProblem } from '../../api/problem';
import { Auth, problemOf } from '../../auth/auth';
import { Confirm } from '../../ui/confirm';
import { Page } from '../../ui/page';
import { Problem } from '../../ui/problem';
import { Sessions } from './sessions';

/** The user's own account. */
@Component({
  selector: 'app-profile',
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [MatButton, MatCheckbox, MatFormFieldModule, MatInputModule, Page, Problem, ReactiveFormsModule, Sessions],
  templateUrl: './profile.html',
})
export class Profile {
  private readonly auth = inject(Auth);
  private readonly confirm = inject(Confirm);
  private readonly router = inject(Router);
  private readonly forms = inject(NonNullableFormBuilder);

  protected readonly user = this.auth.user;
  protected readonly isClerks = this.auth.isClerks;
  protected readonly profile = this.forms.group({ name: [this.auth.user()?.name ?? '', Validators.required] });
  protected readonly password = this.forms.group({
    current: ['', Validators.required],
    wanted: ['', [Validators.required, Validators.minLength(8), Validators.maxLength(128)]],
    endOthers: [true],
  });
  protected readonly deletion = this.forms.group({ password: ['', Validators.required] });

  protected readonly busy = signal('');
  /** What was done last, by the part of the page that it belongs to. */
  protected readonly done = signal<Record<string, string>>({});
  protected readonly problems = signal<Record<string, ApiProblem>>({});
  /** Moves when the list of sessions may have changed. */
  protected readonly changes = signal(0);
  protected readonly tier = computed(() => this.user()?.tier ?? '');

  protected async rename(): Promise<void> {
    if (this.profile.invalid) return;
    await this.attempt('profile', 'Saved.', async () => {
      const { error } = await this.auth.client.updateUser(this.profile.getRawValue());
      if (error) throw problemOf(error);
      await this.auth.refresh();
    });
  }

  protected async verify(): Promise<void> {
    const email = this.user()?.email;
    if (!email) return;
    await this.attempt('profile', 'A mail with a link is on its way.', async () => {
      const { error } = await this.auth.client.sendVerificationEmail({ email, callbackURL: '/profile' });
      if (error) throw problemOf(error);
    });
  }

  protected async changePassword(): Promise<void> {
    this.password.markAllAsTouched();
    if (this.password.invalid) return;
    const { current, wanted, endOthers } = this.password.getRawValue();
    await this.attempt('password', 'Your password is changed.', async () => {
      const { error } = await this.auth.client.changePassword({
        currentPassword: current,
        newPassword: wanted,
        revokeOtherSessions: endOthers,
      });
      if (error) throw problemOf(error);
      await this.auth.refresh();
      this.password.reset();
      this.changes.update((n) => n + 1);
    });
  }

  protected async deleteAccount(): Promise<void> {
    this.deletion.markAllAsTouched();
    if (this.deletion.invalid) return;
    const isSure = await this.confirm.ask({
      heading: 'Delete your account?',
      text: 'Your sessions, API keys, rule sets, configurations and jobs go with it. This can’t be taken back.',
      action: 'Delete my account',
    });
    if (!isSure) return;
    await this.attempt('deletion', '', async () => {
      const { error } = await this.auth.client.deleteUser(this.deletion.getRawValue());
      if (error) throw problemOf(error);
      this.auth.forget();
      await this.router.navigate(['/']);
    });
  }

  private async attempt(part: string, done: string, work: () => Promise<void>): Promise<void> {
    if (this.busy()) return;
    this.busy.set(part);
    this.done.set({});
    this.problems.set({});
    try {
      await work();
      this.done.set({ [part]: done });
    } catch (error) {
      this.problems.set({ [part]: ApiProblem.of(error) });
    } finally {
      this.busy.set('');
    }
  }
}
