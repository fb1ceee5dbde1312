import { ChangeDetectionStrategy, Component, inject, input, output, signal } from '@angular/core';
import { MatButton } from '@angular/material/button';
import { MatFormFieldModule } from '@angular/material/form-field';
import { MatInputModule } from '@angular/material/input';

import { Api, type Schema, ok } from '../../api/api';
import { ApiProblem } from '../../api/problem';
import { Ago } from '../../ui/ago';
import { Confirm } from '../../ui/confirm';
import { Problem } from '../../ui/problem';
import { Skeleton } from '../../ui/skeleton';
import type { Configuration } from './draft';

/** Configurations that the user keeps. Texts that go along are not kept with them. */
@Component({
  selector: 'app-saved',
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [Ago, MatButton, MatFormFieldModule, MatInputModule, Problem, Skeleton],
  template: `
    <form class="row" (submit)="save($event, name.value)">
      <mat-form-field appearance="outline" subscriptSizing="dynamic">
        <mat-label>Name to save it under</mat-label>
        <input #name matInput maxlength="100" autocomplete="off" [value]="current().name" />
      </mat-form-field>
      <button matButton="outlined" type="submit" [disabled]="isBusy()">Save the configuration</button>
    </form>
    <app-problem [problem]="problem()" [retryable]="true" (retry)="load()" />
    @if (saved(); as saved) {
      <ul>
        @for (one of saved; track one.id) {
          <li>
            <span class="name"><strong>{{ one.name }}</strong>&ngsp;<span class="muted">saved <app-ago [at]="one.updatedAt" /></span></span>
            <span class="row">
              <button matButton type="button" [attr.aria-label]="'Open ' + one.name" (click)="open(one)">Open</button>
              <button matButton type="button" [attr.aria-label]="'Delete ' + one.name" (click)="remove(one)">Delete</button>
            </span>
          </li>
        } @empty {
          <li class="muted">Nothing is saved yet.</li>
        }
      </ul>
    } @else if (!problem()) {
      <app-skeleton [n]="2" />
    }
  `,
  styles: `
    :host {
      display: grid;
      gap: 0.75rem;
      grid-template-columns: minmax(0, 1fr);
    }
    ul {
      margin: 0;
      padding: 0;
      list-style: none;
    }
    li {
      display: flex;
      flex-wrap: wrap;
      gap: 0.25rem 0.75rem;
      align-items: center;
      justify-content: space-between;
    }
    .name {
      min-width: 0;
      overflow-wrap: anywhere;
    }
  `,
})
export class Saved {
  private readonly api = inject(Api);
  private readonly confirm = inject(Confirm);
  /** The configuration to save. */
  readonly current = input.required<Configuration>();
  /** A saved one was opened. */
  readonly opened = output<Configuration>();

  protected readonly saved = signal<Schema<'SavedConfiguration'>[] | undefined>(undefined);
  protected readonly problem = signal<ApiProblem | undefined>(undefined);
  protected readonly isBusy = signal(false);

  constructor() {
    void this.load();
  }

  protected async load(): Promise<void> {
    await this.attempt(async () => undefined);
  }

  protected async save(event: Event, name: string): Promise<void> {
    event.preventDefault();
    await this.attempt(() => ok(this.api.POST('/api/configuration/saved', { body: { name: name.trim(), config: this.current() } })));
  }

  protected async open({ id }: Schema<'SavedConfiguration'>): Promise<void> {
    await this.attempt(async () => {
      const { config } = await ok(this.api.GET('/api/configuration/saved/{id}', { params: { path: { id } } }));
      this.opened.emit(config);
    });
  }

  protected async remove({ id, name }: Schema<'SavedConfiguration'>): Promise<void> {
    const isMeant = await this.confirm.ask({
      heading: `Delete “${name}”?`,
      text: 'The saved configuration is gone for good. What is in the editor stays.',
      action: 'Delete it',
    });
    if (!isMeant) return;
    await this.attempt(() => ok(this.api.DELETE('/api/configuration/saved/{id}', { params: { path: { id } } })));
  }

  private async attempt(work: () => Promise<unknown>): Promise<void> {
    this.isBusy.set(true);
    this.problem.set(undefined);
    try {
      await work();
      const { configs } = await ok(this.api.GET('/api/configuration/saved'));
      this.saved.set(configs);
    } catch (error) {
      this.problem.set(ApiProblem.of(error));
    } finally {
      this.isBusy.set(false);
    }
  }
}
