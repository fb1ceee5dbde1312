import { DestroyRef, Injectable, PLATFORM_ID, computed, effect, inject, signal } from '@angular/core';
import { isPlatformBrowser } from '@angular/common';
import { createAuthClient } from 'better-auth/client';

import { ApiProblem } from '../api/problem';
import type { components } from '../../../generated/api';
import { Clerk } from './clerk';
import { Credentials } from './credentials';

export type User = components['schemas']['SessionUser'];

type Client = ReturnType<typeof makeClient>;

/** How often a page that is seen asks whether its session still is one, in milliseconds. */
const RECHECK_MS = 15_000;

/** How long the last refusal for too many attempts asked to wait, in seconds. The client's errors lack it. */
let waitSeconds = 0;

function makeClient() {
  const onError = ({ response }: { response: Response }) => {
    if (response.status === 429) waitSeconds = Number(response.headers.get('X-Retry-After') ?? 0);
  };
  return createAuthClient({ baseURL: `${location.origin}/api/auth`, fetchOptions: { onError } });
}

/** Who uses the console, and how they come and go. */
@Injectable({ providedIn: 'root' })
export class Auth {
  private readonly credentials = inject(Credentials);
  private readonly clerk = inject(Clerk);
  /** Of a user of Clerk's there is no token: Clerk makes a new one each minute. */
  private readonly found = signal<{ user: User; token?: string; session: string } | null | undefined>(undefined);
  private made?: Client;

  /** Undefined until it is known, null for nobody. */
  readonly user = computed(() => (this.found() === undefined ? undefined : (this.found()?.user ?? null)));
  readonly isAdmin = computed(() => this.user()?.role === 'admin' && this.user()?.tier === 'admin');
  /** The session's id. */
  readonly session = computed(() => this.found()?.session);
  readonly isClerks = computed(() => this.found() !== null && this.found()?.token === undefined);
  /** Why the last session ended, if it was not the user's own wish. */
  readonly ended = signal('');
  /** Settled once it is known who this is. */
  readonly ready: Promise<void>;

  constructor() {
    if (!isPlatformBrowser(inject(PLATFORM_ID))) {
      this.ready = Promise.resolve();
      return;
    }
    this.credentials.use(async () => this.found()?.token ?? (await this.clerk.token()));
    this.ready = this.refresh();
    effect(() => {
      if (this.credentials.rejections() > 0) void this.confirm();
    });
    const timer = setInterval(() => void this.confirm(), RECHECK_MS);
    const onVisible = () => void this.confirm();
    document.addEventListener('visibilitychange', onVisible);
    inject(DestroyRef).onDestroy(() => {
      clearInterval(timer);
      document.removeEventListener('visibilitychange', onVisible);
    });
  }

  /** The official client of Better Auth, for what only one page needs. */
  get client(): Client {
    this.made ??= makeClient();
    return this.made;
  }

  /** Asks the service who this is. Without an answer nobody is signed out: what was known stays. */
  async refresh(): Promise<void> {
    const { data, error } = await this.client.getSession();
    if (error) {
      if (this.found() === undefined) this.found.set(null);
      return;
    }
    if (data) {
      this.found.set({ user: data.user as unknown as User, token: data.session.token, session: data.session.id });
      return;
    }
    const found = await this.askForClerks();
    if (found !== undefined || this.found() === undefined) this.found.set(found ?? null);
  }

  async signIn(email: string, password: string, rememberMe: boolean): Promise<void> {
    const { error } = await this.client.signIn.email({ email, password, rememberMe });
    if (error) throw problemOf(error);
    await this.arrive();
  }

  async signUp(name: string, email: string, password: string): Promise<void> {
    const { error } = await this.client.signUp.email({ name, email, password });
    if (error) throw problemOf(error);
    await this.arrive();
  }

  async signOut(): Promise<void> {
    if (this.isClerks()) {
      await this.clerk.signOut();
    } else {
      const { error } = await this.client.signOut();
      if (error) throw problemOf(error);
    }
    this.found.set(null);
  }

  /** The user is gone, and with it the session. */
  forget(): void {
    this.found.set(null);
  }

  private async arrive(): Promise<void> {
    this.ended.set('');
    await this.refresh();
    if (!this.found()) throw new ApiProblem(0, 'You signed in, but the browser kept no session. Allow cookies and try again.');
  }

  /** One answer of 401 may be about a single path; the session itself has the last word. */
  private async confirm(): Promise<void> {
    if (!this.found() || document.hidden) return;
    await this.refresh();
    if (this.found() === null) this.ended.set('You were signed out: your session has ended.');
  }

  /** Who came by Clerk; undefined if that can't be learned now. Its code is fetched by those alone who came so before. */
  private async askForClerks(): Promise<{ user: User; session: string } | null | undefined> {
    if (!this.clerk.wasUsed()) return null;
    try {
      const token = await this.clerk.token();
      if (!token) return null;
      const response = await fetch('/api/auth/session', { headers: { Authorization: `Bearer ${token}` } });
      if (response.status === 401) return null;
      if (!response.ok) return undefined;
      const { user, session } = (await response.json()) as { user: User; session: { id: string } };
      return { user, session: session.id };
    } catch {
      // Clerk is out of reach: whoever was signed in stays so.
      return undefined;
    }
  }
}

/** An error of Better Auth's client as every other problem. */
export function problemOf(error: { status: number; message?: string; code?: string }): ApiProblem {
  if (error.status === 429) {
    return new ApiProblem(429, 'Too many attempts.', error.code ?? '', Date.now() + Math.max(1, waitSeconds) * 1000);
  }
  if (error.status === 503) return new ApiProblem(503, 'Signing in is out of reach at the moment.', error.code ?? '');
  const message = error.message ?? (error.status === 0 ? 'The service can’t be reached.' : 'That did not work.');
  return new ApiProblem(error.status, message, error.code ?? '');
}
