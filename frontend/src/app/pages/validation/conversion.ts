import { ChangeDetectionStrategy, Component, computed, effect, inject, input, signal } from '@angular/core';
import { MatButton } from '@angular/material/button';
import { MatFormFieldModule } from '@angular/material/form-field';
import { MatSelectModule } from '@angular/material/select';
import { RouterLink } from '@angular/router';

import { Api, type Schema, ok } from '../../api/api';
import { ApiProblem } from '../../api/problem';
import { Auth } from '../../auth/auth';
import { Turnstile } from '../../auth/turnstile';
import { Copy } from '../../ui/copy';
import { Problem } from '../../ui/problem';

type Target = Schema<'ConvertResult'>['targetSyntax'];

const TARGETS: { value: Target; name: string }[] = [
  { value: 'adg', name: 'AdGuard' },
  { value: 'ubo', name: 'uBlock Origin' },
  { value: 'dns', name: 'AdGuard for DNS' },
  { value: 'hosts', name: 'Hosts file' },
  { value: 'domains', name: 'Plain domains' },
];

/** Writes a rule in another ad blocker's words. Only who signed in may ask for it. */
@Component({
  selector: 'app-conversion',
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [Copy, MatButton, MatFormFieldModule, MatSelectModule, Problem, RouterLink],
  templateUrl: './conversion.html',
  styleUrl: './conversion.scss',
})
export class Conversion {
  private readonly api = inject(Api);
  private readonly turnstile = inject(Turnstile);
  protected readonly auth = inject(Auth);
  readonly rule = input.required<string>();

  protected readonly targets = TARGETS;
  protected readonly target = signal<Target>('adg');
  protected readonly result = signal<Schema<'ConvertResult'> | undefined>(undefined);
  protected readonly problem = signal<ApiProblem | undefined>(undefined);
  protected readonly isBusy = signal(false);
  protected readonly text = computed(() => this.result()?.convertedRules.join('\n') ?? '');
  protected readonly targetName = computed(
    () => TARGETS.find(({ value }) => value === this.result()?.targetSyntax)?.name ?? '',
  );

  constructor() {
    // What was said of another rule is not true of this one.
    effect(() => {
      this.rule();
      this.result.set(undefined);
      this.problem.set(undefined);
    });
  }

  protected async convert(): Promise<void> {
    const [rule, targetSyntax] = [this.rule(), this.target()];
    this.isBusy.set(true);
    this.problem.set(undefined);
    try {
      const turnstileToken = await this.turnstile.token();
      const result = await ok(this.api.POST('/api/convert-rule', { body: { rule, targetSyntax, turnstileToken } }));
      if (rule === this.rule()) this.result.set(result);
    } catch (error) {
      this.problem.set(ApiProblem.of(error));
    } finally {
      this.isBusy.set(false);
    }
  }
}
