import { Injectable, inject } from '@angular/core';

import { Api, ok } from '../api/api';

type ClerkClient = InstanceType<(typeof import('@clerk/clerk-js/no-rhc'))['Clerk']>;

const KEY = 'clerk';

/** Clerk, if the service names a key. Its code is fetched when somebody uses it, or used it before. */
@Injectable({ providedIn: 'root' })
export class Clerk {
  private readonly api = inject(Api);
  private loaded?: Promise<ClerkClient | undefined>;

  /** The key that the service names. */
  async publishableKey(): Promise<string | null> {
    return (await ok(this.api.GET('/api/clerk-config'))).publishableKey;
  }

  /** Whether this browser came by Clerk before. */
  wasUsed(): boolean {
    return localStorage.getItem(KEY) !== null || location.search.includes('__clerk');
  }

  /** A fresh token: one lives for a minute. */
  async token(): Promise<string | undefined> {
    if (!this.wasUsed()) return undefined;
    const clerk = await this.load();
    return (await clerk?.session?.getToken()) ?? undefined;
  }

  /** Leaves for Clerk's own page, which leads back to `next`. */
  async signIn(next: string): Promise<void> {
    localStorage.setItem(KEY, 'used');
    const clerk = await this.load();
    const back = new URL(next, location.origin).href;
    await clerk?.redirectToSignIn({ signInForceRedirectUrl: back, signUpForceRedirectUrl: back });
  }

  async signOut(): Promise<void> {
    const clerk = await this.load();
    await clerk?.signOut();
    localStorage.removeItem(KEY);
  }

  private load(): Promise<ClerkClient | undefined> {
    this.loaded ??= this.start().catch((error: unknown) => {
      this.loaded = undefined;
      throw error;
    });
    return this.loaded;
  }

  private async start(): Promise<ClerkClient | undefined> {
    const key = await this.publishableKey();
    if (!key) return undefined;
    const { Clerk: Client } = await import('@clerk/clerk-js/no-rhc');
    const clerk = new Client(key);
    await clerk.load();
    return clerk;
  }
}
