import {
  ChangeDetectionStrategy,
  Component,
  DestroyRef,
  ElementRef,
  Injectable,
  afterNextRender,
  inject,
  signal,
  viewChild,
} from '@angular/core';

import { Api, ok } from '../api/api';
import { ApiProblem } from '../api/problem';

const SCRIPT = 'https://challenges.cloudflare.com/turnstile/v0/api.js?render=explicit';
const PATIENCE_MS = 30_000;
const BLOCKED =
  'The check that you are a person could not run. An ad blocker or privacy tool may hold back ' +
  'challenges.cloudflare.com: allow it for this page, reload, and try again.';

interface Widgets {
  render(
    place: HTMLElement,
    options: {
      sitekey: string;
      callback: (token: string) => void;
      'error-callback': () => boolean;
      'expired-callback': () => void;
    },
  ): string;
  reset(id: string): void;
  remove(id: string): void;
}

/** Proves that a person writes, while the service asks for that. */
@Injectable({ providedIn: 'root' })
export class Turnstile {
  private readonly api = inject(Api);
  private configured?: Promise<{ siteKey: string | null; enabled: boolean }>;
  private script?: Promise<Widgets>;
  private shown?: { widgets: Widgets; id: string };
  private place?: HTMLElement;
  private waiting: ((token: string | Error) => void)[] = [];
  private ready?: string;

  /** A token for one request; undefined while Turnstile is off. */
  async token(): Promise<string | undefined> {
    const { enabled, siteKey } = await this.configuration();
    if (!enabled || !siteKey) return undefined;
    if (!this.place) throw new ApiProblem(0, BLOCKED);
    await this.show(siteKey, this.place);
    if (this.ready) return this.spend(this.ready);
    const token = await new Promise<string>((resolve, reject) => {
      const timer = setTimeout(() => reject(new ApiProblem(0, BLOCKED)), PATIENCE_MS);
      this.waiting.push((outcome) => {
        clearTimeout(timer);
        if (typeof outcome === 'string') resolve(outcome);
        else reject(outcome);
      });
    });
    return this.spend(token);
  }

  /** Shows the widget here, if it is to be shown at all. */
  async appear(place: HTMLElement): Promise<void> {
    this.place = place;
    const { enabled, siteKey } = await this.configuration();
    if (enabled && siteKey && this.place === place) await this.show(siteKey, place);
  }

  disappear(place: HTMLElement): void {
    if (this.place !== place) return;
    this.shown?.widgets.remove(this.shown.id);
    this.shown = undefined;
    this.place = undefined;
    this.ready = undefined;
    this.settle(new ApiProblem(0, BLOCKED));
  }

  private configuration(): Promise<{ siteKey: string | null; enabled: boolean }> {
    this.configured ??= ok(this.api.GET('/api/turnstile-config')).catch((error: unknown) => {
      this.configured = undefined;
      throw error;
    });
    return this.configured;
  }

  private async show(siteKey: string, place: HTMLElement): Promise<void> {
    if (this.shown) return;
    const widgets = await this.load();
    if (this.shown || this.place !== place) return;
    const id = widgets.render(place, {
      sitekey: siteKey,
      callback: (token) => {
        this.ready = token;
        this.settle(token);
      },
      'error-callback': () => {
        this.settle(new ApiProblem(0, BLOCKED));
        return true;
      },
      'expired-callback': () => {
        this.ready = undefined;
        this.shown?.widgets.reset(this.shown.id);
      },
    });
    this.shown = { widgets, id };
  }

  private load(): Promise<Widgets> {
    this.script ??= new Promise<Widgets>((resolve, reject) => {
      const script = document.createElement('script');
      script.src = SCRIPT;
      script.async = true;
      script.onload = () => {
        const widgets = (window as unknown as { turnstile?: Widgets }).turnstile;
        if (widgets) resolve(widgets);
        else reject(new ApiProblem(0, BLOCKED));
      };
      script.onerror = () => reject(new ApiProblem(0, BLOCKED));
      setTimeout(() => reject(new ApiProblem(0, BLOCKED)), PATIENCE_MS);
      document.head.append(script);
    }).catch((error: unknown) => {
      this.script = undefined;
      throw error;
    });
    return this.script;
  }

  /** A token counts once; the widget makes the next one meanwhile. */
  private spend(token: string): string {
    this.ready = undefined;
    this.shown?.widgets.reset(this.shown.id);
    return token;
  }

  private settle(outcome: string | Error): void {
    const waiting = this.waiting;
    this.waiting = [];
    for (const settle of waiting) settle(outcome);
  }
}

/** Where the widget of Turnstile appears on a page that writes. It takes no room while Turnstile is off. */
@Component({
  selector: 'app-turnstile',
  changeDetection: ChangeDetectionStrategy.OnPush,
  template: `
    <div #place></div>
    @if (failure()) {
      <p class="bad" role="alert">{{ failure() }}</p>
    }
  `,
})
export class TurnstileWidget {
  private readonly turnstile = inject(Turnstile);
  private readonly place = viewChild.required<ElementRef<HTMLElement>>('place');
  protected readonly failure = signal('');

  constructor() {
    const destroyed = inject(DestroyRef);
    afterNextRender(() => {
      const place = this.place().nativeElement;
      destroyed.onDestroy(() => this.turnstile.disappear(place));
      this.turnstile.appear(place).catch((error: unknown) => this.failure.set(ApiProblem.of(error).message));
    });
  }
}

/** Whether the service refused because of Turnstile. */
export function isTurnstileRejection(problem: ApiProblem): boolean {
  const { type } = (problem.body ?? {}) as { type?: string };
  return problem.status === 403 && (type?.endsWith('turnstile-rejection') ?? false);
}
