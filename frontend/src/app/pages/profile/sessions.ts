import { ChangeDetectionStrategy, Component, effect, inject, input, signal } from '@angular/core';
import { MatButton } from '@angular/material/button';

import { ApiProblem } from '../../api/problem';
import { Auth, problemOf } from '../../auth/auth';
import { Ago } from '../../ui/ago';
import { Confirm } from '../../ui/confirm';
import { Problem } from '../../ui/problem';
import { Skeleton } from '../../ui/skeleton';
import { deviceOf } from './device';

interface Shown {
  id: string;
  token: string;
  device: string;
  address: string;
  since: string;
  until: string;
  isThis: boolean;
}

/** Where the user is signed in. */
@Component({
  selector: 'app-sessions',
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [Ago, MatButton, Problem, Skeleton],
  template: `
    <section class="card stack" aria-labelledby="sessions">
      <div class="row spread">
        <h2 id="sessions">Where you are signed in</h2>
        @if ((sessions() ?? []).length > 1) {
          <button matButton="outlined" type="button" (click)="endOthers()">Sign out all others</button>
        }
      </div>
      <app-problem [problem]="problem()" [retryable]="true" (retry)="load()" />
      @if (sessions(); as sessions) {
        <div class="scroll" tabindex="0" role="region" aria-label="Sessions">
          <table class="data">
            <thead>
              <tr>
                <th scope="col">Device</th>
                <th scope="col">Address</th>
                <th scope="col">Since</th>
                <th scope="col">Until</th>
                <th scope="col"><span class="visually-hidden">Actions</span></th>
              </tr>
            </thead>
            <tbody>
              @for (session of sessions; track session.id) {
                <tr>
                  <td>{{ session.device }}</td>
                  <td class="mono">{{ session.address || 'unknown' }}</td>
                  <td><app-ago [at]="session.since" /></td>
                  <td><app-ago [at]="session.until" /></td>
                  <td>
                    @if (session.isThis) {
                      <span class="chip good">this one</span>
                    } @else {
                      <button matButton type="button" [attr.aria-label]="'Sign out ' + session.device" (click)="end(session)">
                        Sign out
                      </button>
                    }
                  </td>
                </tr>
              }
            </tbody>
          </table>
        </div>
      } @else if (!problem()) {
        <app-skeleton [n]="2" />
      }
    </section>
  `,
})
export class Sessions {
  private readonly auth = inject(Auth);
  private readonly confirm = inject(Confirm);
  /** Moves when they may have changed. */
  readonly changes = input(0);
  protected readonly sessions = signal<Shown[] | undefined>(undefined);
  protected readonly problem = signal<ApiProblem | null>(null);

  constructor() {
    effect(() => {
      this.changes();
      void this.load();
    });
  }

  protected async load(): Promise<void> {
    await this.attempt(async () => undefined);
  }

  protected async end(session: Shown): Promise<void> {
    await this.attempt(async () => {
      const { error } = await this.auth.client.revokeSession({ token: session.token });
      if (error) throw problemOf(error);
    });
  }

  protected async endOthers(): Promise<void> {
    const isSure = await this.confirm.ask({
      heading: 'Sign out all other devices?',
      text: 'They have to sign in again. This one stays signed in.',
      action: 'Sign them out',
    });
    if (!isSure) return;
    await this.attempt(async () => {
      const { error } = await this.auth.client.revokeOtherSessions();
      if (error) throw problemOf(error);
    });
  }

  private async attempt(work: () => Promise<void>): Promise<void> {
    this.problem.set(null);
    try {
      await work();
      const { data, error } = await this.auth.client.listSessions();
      if (error) throw problemOf(error);
      const own = this.auth.session();
      const shown = data.map((session) => ({
        id: session.id,
        token: session.token,
        device: deviceOf(session.userAgent ?? ''),
        address: session.ipAddress ?? '',
        since: String(new Date(session.createdAt).toISOString()),
        until: String(new Date(session.expiresAt).toISOString()),
        isThis: session.id === own,
      }));
      this.sessions.set(shown.sort((a, b) => Number(b.isThis) - Number(a.isThis) || b.since.localeCompare(a.since)));
    } catch (error) {
      this.problem.set(ApiProblem.of(error));
    }
  }
}
