import { Injectable, signal } from '@angular/core';

/** Paths that answer everybody alike. A bad or stale token must not spoil them. */
const PUBLIC = [
  '/api/version',
  '/api/health',
  '/api/turnstile-config',
  '/api/clerk-config',
  '/api/sentry-config',
  '/api/openapi.json',
  '/api/schemas',
  '/api/metrics',
  '/api/auth/providers',
];

/**
 * Attaches who is asking to what is asked, except on public paths.
 *
 * A session also travels as a cookie; its token goes along so that either suffices. A token of Clerk's is asked for
 * each time, because it lives for a minute.
 */
@Injectable({ providedIn: 'root' })
export class Credentials {
  private source: () => Promise<string | undefined> = async () => undefined;
  /** Counts answers that said that whoever signed in is nobody any more. */
  readonly rejections = signal(0);

  /** Says where tokens come from. */
  use(source: () => Promise<string | undefined>): void {
    this.source = source;
  }

  async send(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    const token = PUBLIC.includes(pathname) ? undefined : await this.source();
    if (token) request.headers.set('Authorization', `Bearer ${token}`);
    const response = await fetch(request);
    // Only a real 401 ends a session; trouble in the service or the network never does.
    if (response.status === 401 && token) this.rejections.update((n) => n + 1);
    return response;
  }
}
