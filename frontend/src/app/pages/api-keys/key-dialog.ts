import { ChangeDetectionStrategy, Component, inject, signal } from '@angular/core';
import { takeUntilDestroyed } from '@angular/core/rxjs-interop';
import {
  type AbstractControl,
  FormControl,
  NonNullableFormBuilder,
  ReactiveFormsModule,
  type ValidatorFn,
  Validators,
} from '@angular/forms';
import { MatButton } from '@angular/material/button';
import { MatCheckbox } from '@angular/material/checkbox';
import { MAT_DIALOG_DATA, MatDialogModule, MatDialogRef } from '@angular/material/dialog';
import { MatFormFieldModule } from '@angular/material/form-field';
import { MatInputModule } from '@angular/material/input';
import { filter } from 'rxjs';

import { Api, type Schema, ok } from '../../api/api';
import { ApiProblem } from '../../api/problem';
import { Auth } from '../../auth/auth';
import { Problem } from '../../ui/problem';

/** A key that was made, or what became of one that was changed. */
export interface Saved {
  created?: Schema<'CreatedApiKey'>;
  changed?: Pick<Schema<'ApiKey'>, 'name' | 'scopes' | 'updatedAt'>;
}

/** Bounds of the service. */
const MAX_NAME = 100;
const MAX_PER_MINUTE = 100_000;
const MAX_DAYS = 365;
const PER_MINUTE = 60;

const SCOPES = [
  { name: 'compile', about: 'compile, validate and look at lists' },
  { name: 'rules', about: 'keep rule sets' },
  { name: 'admin', about: 'see and change everybody’s limits, users and keys' },
];

/** Makes a key, or changes the name and scopes of the one it is given. */
@Component({
  selector: 'app-key-dialog',
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [MatButton, MatCheckbox, MatDialogModule, MatFormFieldModule, MatInputModule, Problem, ReactiveFormsModule],
  templateUrl: './key-dialog.html',
  styleUrl: './key-dialog.scss',
})
export class KeyDialog {
  private readonly api = inject(Api);
  private readonly isAdmin = inject(Auth).isAdmin();
  private readonly dialog = inject<MatDialogRef<KeyDialog, Saved>>(MatDialogRef);
  /** Null for a new one. */
  protected readonly key = inject<Schema<'ApiKey'> | null>(MAT_DIALOG_DATA);

  protected readonly scopes = SCOPES.filter(({ name }) => name !== 'admin' || this.isAdmin);
  /** Scopes that the key has and its owner may no longer give. */
  protected readonly lost = (this.key?.scopes ?? []).filter((has) => !this.scopes.some(({ name }) => name === has));
  protected readonly form = inject(NonNullableFormBuilder).group({
    name: [this.key?.name ?? '', isName],
    scopes: [(this.key?.scopes ?? ['compile']).filter((has) => !this.lost.includes(has)), Validators.required],
    perMinute: [PER_MINUTE, [Validators.required, isWholeUpTo(MAX_PER_MINUTE)]],
    days: new FormControl<number | null>(null, isWholeUpTo(MAX_DAYS)),
  });
  protected readonly isBusy = signal(false);
  protected readonly problem = signal<ApiProblem | undefined>(undefined);
  protected readonly most = { name: MAX_NAME, perMinute: MAX_PER_MINUTE, days: MAX_DAYS };

  constructor() {
    // A click beside it must not throw away what was written, nor a key that is being made.
    this.dialog.disableClose = true;
    this.dialog
      .keydownEvents()
      .pipe(
        filter((event) => event.key === 'Escape'),
        takeUntilDestroyed(),
      )
      .subscribe(() => this.close());
  }

  protected toggle(scope: string, isWanted: boolean): void {
    const { scopes } = this.form.controls;
    // In the order of the list, whatever the order of the clicks.
    const wanted = SCOPES.filter(({ name }) => (name === scope ? isWanted : scopes.value.includes(name)));
    scopes.setValue(wanted.map(({ name }) => name));
    scopes.markAsTouched();
  }

  protected close(): void {
    if (!this.isBusy()) this.dialog.close();
  }

  protected async save(): Promise<void> {
    this.form.markAllAsTouched();
    if (this.form.invalid || this.isBusy()) return;
    this.isBusy.set(true);
    this.problem.set(undefined);
    try {
      this.dialog.close(this.key ? { changed: await this.change(this.key.id) } : { created: await this.create() });
    } catch (error) {
      this.problem.set(ApiProblem.of(error));
    } finally {
      this.isBusy.set(false);
    }
  }

  private change(id: string) {
    const { name, scopes } = this.form.getRawValue();
    return ok(this.api.PATCH('/api/keys/{id}', { params: { path: { id } }, body: { name: name.trim(), scopes } }));
  }

  private create() {
    const { name, scopes, perMinute, days } = this.form.getRawValue();
    const expiry = days === null ? {} : { expiresInDays: days };
    const body = { name: name.trim(), scopes, rateLimitPerMinute: perMinute, ...expiry };
    return ok(this.api.POST('/api/keys', { body }));
  }
}

function isName({ value }: AbstractControl<string>) {
  const name = value.trim();
  const isGood = name !== '' && [...name].length <= MAX_NAME && !/\p{Cc}/u.test(name);
  return isGood ? null : { name: true };
}

/** An empty field is another's business. */
function isWholeUpTo(max: number): ValidatorFn {
  return ({ value }: AbstractControl<number | null>) =>
    value === null || (Number.isInteger(value) && value >= 1 && value <= max) ? null : { whole: true };
}
